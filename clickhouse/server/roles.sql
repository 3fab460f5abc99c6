-- What each role of Weir may do on a ClickHouse server, and nothing beyond. Run once by a user who may grant (access_management), and
-- again after an upgrade: every statement is safe twice. The users that get the roles: docs/clickhouse-server.md.

CREATE ROLE IF NOT EXISTS weir_migrator;
CREATE ROLE IF NOT EXISTS weir_ingest;
CREATE ROLE IF NOT EXISTS weir_web;
CREATE ROLE IF NOT EXISTS weir_tenant;

-- `weir migrate`: makes and changes the tables. Keep its user: views may run in its name.
GRANT SELECT, INSERT, SHOW, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, ALTER TABLE, ALTER VIEW ON weir.* TO weir_migrator;
-- Both are needed where the server asks for them: engines that want a grant, ON CLUSTER.
GRANT TABLE ENGINE ON * TO weir_migrator;
GRANT CLUSTER ON *.* TO weir_migrator;

-- `weir ingest`: puts calls in, looks doubtful ones up, compares roll-ups with them and builds a month anew (TRUNCATE and INSERT in a
-- twin; ALTER DELETE is what REPLACE PARTITION asks for). It can neither delete nor change a call.
GRANT SELECT, INSERT ON weir.requests TO weir_ingest;
GRANT SELECT, INSERT ON weir.request_bodies TO weir_ingest;
GRANT SELECT, INSERT, ALTER DELETE ON weir.r_model_1h TO weir_ingest;
GRANT SELECT, INSERT, ALTER DELETE ON weir.r_attempt_1h TO weir_ingest;
GRANT SELECT, INSERT, ALTER DELETE ON weir.r_user_1d TO weir_ingest;
GRANT SELECT, INSERT, ALTER DELETE ON weir.r_session_1d TO weir_ingest;
GRANT SELECT, INSERT, ALTER DELETE ON weir.r_prop_1d TO weir_ingest;
GRANT SELECT, INSERT, TRUNCATE ON weir.r_model_1h_twin TO weir_ingest;
GRANT SELECT, INSERT, TRUNCATE ON weir.r_attempt_1h_twin TO weir_ingest;
GRANT SELECT, INSERT, TRUNCATE ON weir.r_user_1d_twin TO weir_ingest;
GRANT SELECT, INSERT, TRUNCATE ON weir.r_session_1d_twin TO weir_ingest;
GRANT SELECT, INSERT, TRUNCATE ON weir.r_prop_1d_twin TO weir_ingest;
GRANT SELECT, INSERT ON weir.repriced TO weir_ingest;
GRANT SELECT, INSERT ON weir.cost_adjustments TO weir_ingest;
GRANT SELECT ON weir.request_costs TO weir_ingest;
GRANT SELECT, INSERT ON weir.model_prices TO weir_ingest;
GRANT SELECT, INSERT ON weir.scores TO weir_ingest;
GRANT SELECT, INSERT ON weir.log_gaps TO weir_ingest;
GRANT SELECT, INSERT ON weir.rollup_checks TO weir_ingest;
GRANT SELECT, INSERT ON weir.ingest_pauses TO weir_ingest;
GRANT SELECT ON weir.schema_migrations TO weir_ingest;
-- The views it reads the roll-ups' definitions from; how long calls are kept, and whether any were deleted.
GRANT SHOW ON weir.* TO weir_ingest;
GRANT SELECT ON system.parts TO weir_ingest;
GRANT SELECT ON system.mutations TO weir_ingest;

-- `weir web`: pages, API, SQL page. Reads, within limits nobody can lift, and from no source (file, URL, other server).
CREATE SETTINGS PROFILE IF NOT EXISTS weir_web SETTINGS
  readonly = 1 CONST,
  max_execution_time = 10 CONST,
  max_result_rows = 10000 CONST,
  max_memory_usage = 1073741824 CONST,
  output_format_json_quote_64bit_integers = 1 CONST,
  output_format_json_quote_decimals = 1 CONST,
  session_timezone = 'UTC' CONST
  TO weir_web, weir_tenant;
GRANT SELECT ON weir.requests TO weir_web;
GRANT SELECT ON weir.request_bodies TO weir_web;
GRANT SELECT ON weir.r_model_1h TO weir_web;
GRANT SELECT ON weir.r_attempt_1h TO weir_web;
GRANT SELECT ON weir.r_user_1d TO weir_web;
GRANT SELECT ON weir.r_session_1d TO weir_web;
GRANT SELECT ON weir.r_prop_1d TO weir_web;
GRANT SELECT ON weir.cost_adjustments TO weir_web;
GRANT SELECT ON weir.request_costs TO weir_web;
GRANT SELECT ON weir.model_prices TO weir_web;
GRANT SELECT ON weir.scores TO weir_web;
GRANT SELECT ON weir.log_gaps TO weir_web;
GRANT SELECT ON weir.rollup_checks TO weir_web;
GRANT SELECT ON weir.schema_migrations TO weir_web;

-- A user for one tenant with any ClickHouse client: the tables that say whose a row is, and of them the rows tenant.sql.template lets
-- through. Without that template it reads nothing.
GRANT SELECT ON weir.requests TO weir_tenant;
GRANT SELECT ON weir.request_bodies TO weir_tenant;
GRANT SELECT ON weir.r_model_1h TO weir_tenant;
GRANT SELECT ON weir.r_attempt_1h TO weir_tenant;
GRANT SELECT ON weir.r_user_1d TO weir_tenant;
GRANT SELECT ON weir.r_session_1d TO weir_tenant;
GRANT SELECT ON weir.r_prop_1d TO weir_tenant;
GRANT SELECT ON weir.cost_adjustments TO weir_tenant;
GRANT SELECT ON weir.request_costs TO weir_tenant;
GRANT SELECT ON weir.scores TO weir_tenant;
GRANT SELECT ON weir.log_gaps TO weir_tenant;

-- A table with a policy for one tenant may hide its rows from whoever has none: these roles see all, a tenant nothing but its own.
CREATE ROW POLICY IF NOT EXISTS weir_all ON
  weir.requests, weir.request_bodies, weir.r_model_1h, weir.r_attempt_1h, weir.r_user_1d, weir.r_session_1d, weir.r_prop_1d,
  weir.cost_adjustments, weir.scores, weir.log_gaps
  USING 1 TO weir_migrator, weir_ingest, weir_web;
CREATE ROW POLICY IF NOT EXISTS weir_none ON
  weir.requests, weir.request_bodies, weir.r_model_1h, weir.r_attempt_1h, weir.r_user_1d, weir.r_session_1d, weir.r_prop_1d,
  weir.cost_adjustments, weir.scores, weir.log_gaps
  USING 0 TO weir_tenant;
