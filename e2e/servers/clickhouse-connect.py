"""Asks Weir's SQL front through clickhouse-connect and checks that values come unchanged.

    pip install clickhouse-connect && python clickhouse-connect.py http://127.0.0.1:8123 [admin secret]
"""

import sys
from datetime import datetime, timezone
from decimal import Decimal
from uuid import UUID

import clickhouse_connect

secret = sys.argv[2] if len(sys.argv) > 2 else ""
client = clickhouse_connect.get_client(dsn=sys.argv[1], username="weir", password=secret)

sql = """SELECT toDecimal64('123456.123456789012', 12) AS money, toDecimal128({tiny:String}, 12) AS tiny, toUUID({id:String}) AS id,
    map('doc', 'd77') AS properties, ['a', 'b'] AS tags, toUInt64('18446744073709551615') AS big,
    toDateTime64('2026-11-25 10:00:00.123', 3, 'UTC') AS ts, CAST(NULL AS Nullable(UInt32)) AS unknown,
    toLowCardinality('gpt') AS model, {users:Array(String)} AS users, {day:Date} AS day, number
    FROM numbers({rows:UInt32}) ORDER BY number"""
text_id = "01890a5d-ac96-774b-bcce-b302099a8057"
given = {"tiny": "0.000000000001", "id": text_id, "users": ["it's", "b\\c"], "day": datetime(2026, 11, 25).date(), "rows": 3}
at = datetime(2026, 11, 25, 10, 0, 0, 123000)

result = client.query(sql, parameters=given)
rows = [tuple(v.astimezone(timezone.utc).replace(tzinfo=None) if isinstance(v, datetime) and v.tzinfo else v for v in row) for row in result.result_rows]
assert rows == [
    (Decimal("123456.123456789012"), Decimal("0.000000000001"), UUID(text_id), {"doc": "d77"}, ["a", "b"], 2**64 - 1, at, None, "gpt", ["it's", "b\\c"], given["day"], n)
    for n in range(3)
], rows
assert client.command("SELECT count() FROM system.tables WHERE name = 'requests'") == 1
for row in client.query("SELECT * FROM requests LIMIT 100").named_results():
    assert isinstance(row["request_id"], UUID) and isinstance(row["properties"], dict), row
try:
    client.command("INSERT INTO log_gaps (tenant_id) VALUES ('x')")
    raise SystemExit("a write went through")
except clickhouse_connect.driver.exceptions.DatabaseError as error:
    assert "164" in str(error), error
print("ok", client.server_version)
