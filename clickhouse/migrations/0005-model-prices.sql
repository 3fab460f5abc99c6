-- Every price book that was used. A price may hold in some hours, for one size of picture, and stand in more than one layer of a book:
-- all are part of the key. The table it takes the place of was never written.
DROP TABLE IF EXISTS model_prices;

CREATE TABLE IF NOT EXISTS model_prices (price_id LowCardinality(String), provider LowCardinality(String), model String, tier LowCardinality(String), region LowCardinality(String), unit LowCardinality(String), ctx_from UInt32, usd Decimal64(12), per UInt32, valid_from DateTime('UTC'), valid_until DateTime('UTC'), hours LowCardinality(String), variant LowCardinality(String), origin LowCardinality(String))
ENGINE = ReplacingMergeTree ORDER BY (price_id, provider, model, unit, tier, region, ctx_from, valid_from, valid_until, hours, variant, origin) SETTINGS non_replicated_deduplication_window = 100, fsync_after_insert = 1, fsync_part_directory = 1;
