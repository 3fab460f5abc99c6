-- What a re-pricing changes. Nothing is stored in `repriced` itself: one insert of it, under one token, reaches the adjustments and
-- every roll-up that holds a cost, each once. `unpriced_delta`: -1 = has a price now, 1 = has none any more.
CREATE TABLE IF NOT EXISTS repriced (
 tenant_id LowCardinality(String), ts DateTime64(3, 'UTC'), request_id UUID, delta Decimal64(12), cost_status LowCardinality(String), price_id LowCardinality(String), at DateTime64(3, 'UTC'), unpriced_delta Int8,
 provider LowCardinality(String), model LowCardinality(String), outcome LowCardinality(String), error_kind LowCardinality(String), user_id String, key_id LowCardinality(String), session_id String, session_name String, properties Map(LowCardinality(String), String),
 attempts Array(Tuple(target LowCardinality(String), provider LowCardinality(String), model LowCardinality(String), error_kind LowCardinality(String), delta Decimal64(12)))
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS repriced_adjustment_mv TO cost_adjustments AS SELECT tenant_id, ts, request_id, delta, cost_status, price_id, at FROM repriced;

CREATE MATERIALIZED VIEW IF NOT EXISTS repriced_model_mv TO r_model_1h AS SELECT tenant_id, toStartOfHour(ts) AS hour, provider, model, outcome, error_kind, sum(unpriced_delta) AS unpriced, sum(delta) AS cost, min(ts) AS first_ts, max(ts) AS last_ts FROM repriced GROUP BY ALL;

CREATE MATERIALIZED VIEW IF NOT EXISTS repriced_attempt_mv TO r_attempt_1h AS SELECT tenant_id, toStartOfHour(ts) AS hour, a.target AS target, a.provider AS provider, a.model AS model, a.error_kind AS error_kind, sum(a.delta) AS cost FROM repriced AS r ARRAY JOIN attempts AS a GROUP BY ALL;

CREATE MATERIALIZED VIEW IF NOT EXISTS repriced_user_mv TO r_user_1d AS SELECT tenant_id, toDate(ts) AS day, user_id, key_id, model, sum(unpriced_delta) AS unpriced, sum(delta) AS cost, min(ts) AS first_ts, max(ts) AS last_ts FROM repriced GROUP BY ALL;

CREATE MATERIALIZED VIEW IF NOT EXISTS repriced_session_mv TO r_session_1d AS SELECT tenant_id, toDate(ts) AS day, session_id, anyLast(r.session_name) AS name, anyLast(r.user_id) AS user_id, sum(unpriced_delta) AS unpriced, sum(delta) AS cost, min(ts) AS first_ts, max(ts) AS last_ts FROM repriced AS r WHERE session_id != '' GROUP BY ALL;

CREATE MATERIALIZED VIEW IF NOT EXISTS repriced_prop_mv TO r_prop_1d AS SELECT tenant_id, key, toDate(ts) AS day, value, sum(unpriced_delta) AS unpriced, sum(delta) AS cost, min(ts) AS first_ts, max(ts) AS last_ts FROM repriced AS r ARRAY JOIN mapKeys(properties) AS key, mapValues(properties) AS value WHERE length(value) <= 128 GROUP BY ALL;

-- What a call costs as of now, for whoever asks in SQL: `requests` keeps what was booked.
CREATE VIEW IF NOT EXISTS request_costs AS
SELECT r.tenant_id AS tenant_id, r.ts AS ts, r.request_id AS request_id, r.provider AS provider, r.model AS model, r.user_id AS user_id, r.session_id AS session_id, r.properties AS properties, r.cost_total AS cost_booked,
 if(a.n > 0, if(a.cost_status = 'unpriced', NULL, toDecimal64(ifNull(r.cost_total, 0) + a.delta, 12)), r.cost_total) AS cost_total, if(a.n > 0, a.cost_status, r.cost_status) AS cost_status, if(a.n > 0, a.price_id, r.price_id) AS price_id
FROM requests AS r LEFT JOIN (SELECT tenant_id, request_id, count() AS n, sum(delta) AS delta, argMax(cost_status, at) AS cost_status, argMax(price_id, at) AS price_id FROM cost_adjustments GROUP BY tenant_id, request_id) AS a ON r.tenant_id = a.tenant_id AND r.request_id = a.request_id;
