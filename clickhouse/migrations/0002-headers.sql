-- The allow-listed headers of a call, beside its bodies and kept as long as they are: pairs in the order they came in.
ALTER TABLE request_bodies
 ADD COLUMN IF NOT EXISTS request_headers Array(Tuple(name LowCardinality(String), value String)) CODEC(ZSTD(3)),
 ADD COLUMN IF NOT EXISTS response_headers Array(Tuple(name LowCardinality(String), value String)) CODEC(ZSTD(3));
