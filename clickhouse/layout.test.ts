import { describe, expect, onTestFinished, test } from 'vitest'
import { laidOut, oneServer, type Layout } from './layout.js'
import { bookOfMigrations, migrate, ownMigrations, SchemaError, statements } from './migrate.js'
import { openDb } from './open.js'
import { engines, lines, startOneShard, testFolder } from './testing.js'

const cluster: Layout = { cluster: 'weir', replicated: true, sharded: false }
const shards: Layout = { cluster: 'weir', replicated: true, sharded: true }
const all = [bookOfMigrations, ...ownMigrations().flatMap(({ sql }) => statements(sql))]

describe('what a statement becomes', () => {
  const table = `CREATE TABLE IF NOT EXISTS requests (a UInt8) ENGINE = ReplacingMergeTree(ver) ORDER BY a
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1`
  const view =
    'CREATE MATERIALIZED VIEW IF NOT EXISTS x_mv TO r_user_1d AS SELECT a, b FROM requests AS r ARRAY JOIN attempts AS t GROUP BY ALL'

  test('on one server: itself', () => {
    for (const statement of all) expect(laidOut(statement, oneServer, 'weir')).toEqual([statement])
  })

  test('with replicas: a replicated engine, and a window that is a week long', () => {
    expect(laidOut(table, cluster, 'weir')).toEqual([
      `CREATE TABLE IF NOT EXISTS requests ON CLUSTER \`weir\` (a UInt8) ENGINE = ReplicatedReplacingMergeTree(ver) ORDER BY a
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1`,
    ])
    expect(laidOut(view, cluster, 'weir')).toEqual([
      'CREATE MATERIALIZED VIEW IF NOT EXISTS x_mv ON CLUSTER `weir` TO r_user_1d AS SELECT a, b FROM requests AS r ARRAY JOIN attempts AS t GROUP BY ALL',
    ])
    expect(laidOut('DROP TABLE IF EXISTS scores', cluster, 'weir')).toEqual([
      'DROP TABLE IF EXISTS scores ON CLUSTER `weir` SYNC',
    ])
    expect(laidOut('ALTER TABLE requests MATERIALIZE INDEX i7', cluster, 'weir')).toEqual([
      'ALTER TABLE requests ON CLUSTER `weir` MATERIALIZE INDEX i7',
    ])
  })

  test('a table without a window gets none: replicas would have one by themselves', () => {
    expect(
      laidOut(
        'CREATE TABLE IF NOT EXISTS r_user_1d_twin AS r_user_1d ENGINE = AggregatingMergeTree ORDER BY a SETTINGS x = 1',
        cluster,
        'weir',
      ),
    ).toEqual([
      'CREATE TABLE IF NOT EXISTS r_user_1d_twin ON CLUSTER `weir` AS r_user_1d ENGINE = ReplicatedAggregatingMergeTree ORDER BY a SETTINGS replicated_deduplication_window = 0, x = 1',
    ])
    expect(laidOut('CREATE TABLE IF NOT EXISTS scores (a UInt8) ENGINE = MergeTree ORDER BY a', cluster, 'weir')).toEqual([
      'CREATE TABLE IF NOT EXISTS scores ON CLUSTER `weir` (a UInt8) ENGINE = ReplicatedMergeTree ORDER BY a SETTINGS replicated_deduplication_window = 0',
    ])
  })

  test('with replicas and no cluster: the database spreads its own statements', () => {
    expect(laidOut('DROP TABLE IF EXISTS scores', { ...cluster, cluster: null }, 'weir')).toEqual([
      'DROP TABLE IF EXISTS scores SYNC',
    ])
    expect(laidOut(table, { ...cluster, cluster: null }, 'weir')[0]).toMatch(
      /^CREATE TABLE IF NOT EXISTS requests \(a UInt8\) ENGINE = ReplicatedR/,
    )
  })

  test('with shards: a table on each, and one over them', () => {
    expect(laidOut(table, { ...shards, replicated: false }, 'calls')).toEqual([
      table.replace('requests', 'requests_local ON CLUSTER `weir`'),
      "CREATE TABLE IF NOT EXISTS requests ON CLUSTER `weir` AS requests_local ENGINE = Distributed('weir', 'calls', 'requests_local', cityHash64(request_id))",
    ])
    expect(laidOut(view, shards, 'weir')).toEqual([
      'CREATE MATERIALIZED VIEW IF NOT EXISTS x_mv_local ON CLUSTER `weir` TO r_user_1d_local AS SELECT a, b FROM requests_local AS r ARRAY JOIN attempts AS t GROUP BY ALL',
    ])
    expect(
      laidOut(
        'CREATE VIEW IF NOT EXISTS request_costs AS SELECT 1 FROM requests AS r LEFT JOIN (SELECT 1 FROM cost_adjustments) AS a ON 1',
        shards,
        'weir',
      ),
    ).toEqual([
      'CREATE VIEW IF NOT EXISTS request_costs_local ON CLUSTER `weir` AS SELECT 1 FROM requests_local AS r LEFT JOIN (SELECT 1 FROM cost_adjustments_local) AS a ON 1',
      "CREATE TABLE IF NOT EXISTS request_costs ON CLUSTER `weir` AS request_costs_local ENGINE = Distributed('weir', 'weir', 'request_costs_local', cityHash64(request_id))",
    ])
    expect(laidOut('ALTER TABLE requests ADD COLUMN IF NOT EXISTS a UInt8', shards, 'weir')).toEqual([
      'ALTER TABLE requests_local ON CLUSTER `weir` ADD COLUMN IF NOT EXISTS a UInt8',
      'ALTER TABLE requests ON CLUSTER `weir` ADD COLUMN IF NOT EXISTS a UInt8',
    ])
    expect(laidOut('ALTER TABLE requests ADD INDEX IF NOT EXISTS i7 a TYPE minmax', shards, 'weir')).toHaveLength(1)
    expect(laidOut('DROP TABLE IF EXISTS scores', shards, 'weir')).toEqual([
      'DROP TABLE IF EXISTS scores ON CLUSTER `weir` SYNC',
      'DROP TABLE IF EXISTS scores_local ON CLUSTER `weir` SYNC',
    ])
  })

  test('a roll-up built anew is spread as the roll-up is', () => {
    const twin = 'CREATE TABLE IF NOT EXISTS r_user_1d_twin AS r_user_1d ENGINE = AggregatingMergeTree ORDER BY a'
    expect(laidOut(twin, { ...shards, replicated: false }, 'weir')).toEqual([
      'CREATE TABLE IF NOT EXISTS r_user_1d_twin_local ON CLUSTER `weir` AS r_user_1d_local ENGINE = AggregatingMergeTree ORDER BY a',
      "CREATE TABLE IF NOT EXISTS r_user_1d_twin ON CLUSTER `weir` AS r_user_1d_twin_local ENGINE = Distributed('weir', 'weir', 'r_user_1d_twin_local', cityHash64(tenant_id))",
    ])
  })

  test('a form or a table that was not thought of is refused', () => {
    expect(() => laidOut('RENAME TABLE a TO b', cluster, 'weir')).toThrow('cannot be laid out')
    expect(() => laidOut('CREATE TABLE IF NOT EXISTS more (a UInt8) ENGINE = MergeTree ORDER BY a', shards, 'weir')).toThrow(
      'By what is more spread over shards?',
    )
  })
})

const layouts = [cluster, shards, { ...shards, replicated: false }, { ...cluster, cluster: null }]

test.each(layouts)('the engine reads every statement: $cluster, replicated $replicated, sharded $sharded', async (layout) => {
  const [embedded] = engines()
  const db = await (embedded as NonNullable<typeof embedded>).open(testFolder(onTestFinished))
  onTestFinished(() => db.close())
  for (const statement of all)
    for (const sql of laidOut(statement, layout, 'weir')) {
      if (layout.replicated) expect(sql).not.toContain('non_replicated_')
      const [read] = await db.rows<{ sql: string }>('read', 'SELECT formatQuerySingleLine({sql:String}) AS sql', { sql })
      if (layout.cluster !== null && !sql.startsWith('SELECT')) expect(read?.sql).toContain('ON CLUSTER weir')
    }
})

describe('a cluster of one shard', () => {
  const opened = async () => {
    const dir = testFolder(onTestFinished)
    const server = await startOneShard(dir)
    onTestFinished(() => server.close())
    return (layout: Layout) => openDb({ clickhouseUrl: server.url, dataDir: dir, clickhouse: layout })
  }
  const sharded = { cluster: 'weir', replicated: false, sharded: true }

  test('is written and read through its Distributed tables: a token once, roll-ups included', async () => {
    const db = await (await opened())(sharded)
    onTestFinished(() => db.close())
    const row = {
      tenant_id: 'acme',
      ts: '2026-11-25 10:00:00.123',
      request_id: '01890a5d-ac96-774b-bcce-b302099a8057',
      retention_days: 400,
      user_id: 'ada',
      session_id: 's',
      properties: { team: 'blue' },
      attempts: [[1, 'a', 'openai', 'm', 200, '', 0, 1, '0.1']],
      cost_total: '0.1',
    }
    for (const _ of [1, 2]) await db.insert('requests', lines(row), 'one')
    await db.insert('requests', lines(row), 'two')
    const counts = `SELECT (SELECT count() FROM requests) AS rows, (SELECT count() FROM requests FINAL) AS once, (SELECT sum(n) FROM r_user_1d) AS users,
      (SELECT sum(n) FROM r_model_1h) AS models, (SELECT sum(n) FROM r_attempt_1h) AS attempts, (SELECT sum(n) FROM r_session_1d) AS sessions,
      (SELECT sum(n) FROM r_prop_1d) AS props, (SELECT toString(sum(cost_total)) FROM request_costs) AS cost`
    expect(await db.rows('counts', counts)).toEqual([
      { rows: '2', once: '1', users: '2', models: '2', attempts: '2', sessions: '2', props: '2', cost: '0.2' },
    ])
    const repriced = { ...row, at: row.ts, delta: '0.05', cost_status: 'priced', attempts: [['a', 'openai', 'm', '', '0.05']] }
    const { cost_total: _cost, retention_days: _days, ...line } = repriced
    for (const _ of [1, 2]) await db.insert('repriced', lines(line), 'again')
    expect(await db.rows('cost', 'SELECT toString(sum(cost)) AS cost FROM r_user_1d')).toEqual([{ cost: '0.25' }])
    expect(await migrate(db, { layout: sharded })).toEqual([])
  })

  test('tables that were made for one server are not taken for a cluster, nor the other way round', async () => {
    const open = await opened()
    await (await open(sharded)).close()
    await expect(open(oneServer)).rejects.toThrow(SchemaError)
    await expect(open(oneServer)).rejects.toThrow(
      'were made without replicas and with shards, but weir.yaml (clickhouse:) says without replicas and without shards',
    )
  })
})
