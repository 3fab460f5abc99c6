-- Run once, by the first start of the ClickHouse server of docker-compose.yml, as `operator` (deploy/clickhouse/users.xml).
CREATE DATABASE IF NOT EXISTS weir;
