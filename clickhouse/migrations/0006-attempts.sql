-- What is known of attempts beside `attempts` itself, whose tuple the roll-ups read: those that were sent a second time or told a usage
-- of their own (the last one's is the call's), and the targets that were passed over, `after` so many attempts.
ALTER TABLE requests
 ADD COLUMN IF NOT EXISTS attempt_facts Array(Tuple(n UInt8, replayed Bool, input_tokens Nullable(UInt32), output_tokens Nullable(UInt32))) AFTER attempts,
 ADD COLUMN IF NOT EXISTS passed_over Array(Tuple(target LowCardinality(String), reason LowCardinality(String), after UInt8)) AFTER attempt_facts;
