-- The second net (storage.md §3). A roll-up that differs from its rows is rebuilt in its twin, whose partition then takes the place of
-- the roll-up's own: both have the same columns and keys. A twin keeps no window: what is built again is no double.
CREATE TABLE IF NOT EXISTS r_model_1h_twin AS r_model_1h ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(hour) ORDER BY (tenant_id, hour, provider, model, outcome, error_kind) TTL hour + INTERVAL 25 MONTH SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS r_attempt_1h_twin AS r_attempt_1h ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(hour) ORDER BY (tenant_id, hour, target, provider, model, error_kind) TTL hour + INTERVAL 25 MONTH SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS r_user_1d_twin AS r_user_1d ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(day) ORDER BY (tenant_id, day, user_id, key_id, model) TTL day + INTERVAL 25 MONTH SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS r_session_1d_twin AS r_session_1d ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(day) ORDER BY (tenant_id, day, session_id) TTL day + INTERVAL 25 MONTH SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS r_prop_1d_twin AS r_prop_1d ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(day) ORDER BY (tenant_id, key, day, value) TTL day + INTERVAL 25 MONTH SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Each comparison of roll-ups with their rows, and the shortest retention there was at its time: what retention took is not compared.
CREATE TABLE IF NOT EXISTS rollup_checks (at DateTime64(3, 'UTC'), shortest_retention UInt16, spans UInt32, differing UInt32, rebuilt Array(UInt32))
ENGINE = MergeTree ORDER BY at TTL toDateTime(at) + INTERVAL 25 MONTH SETTINGS non_replicated_deduplication_window = 100, fsync_after_insert = 1, fsync_part_directory = 1;

-- Whoever rebuilds a roll-up asks the other ingest processes to wait; the latest row of an owner holds.
CREATE TABLE IF NOT EXISTS ingest_pauses (owner String, until DateTime64(3, 'UTC'), at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = MergeTree ORDER BY (owner, at) TTL toDateTime(at) + INTERVAL 1 DAY SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
