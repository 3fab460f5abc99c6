-- A response that is read again was charged before: ingest looks its id up. What is stored already gets the index in the background.
ALTER TABLE requests ADD INDEX IF NOT EXISTS i7 response_id TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE requests MATERIALIZE INDEX i7;
