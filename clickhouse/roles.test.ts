import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { tenantId } from '../core/tenant.js'
import type { Db } from './db.js'
import { openServer, questionSettings } from './engine/server.js'
import { startTestingServer } from './engine/testing-server.js'
import { statements } from './migrate.js'
import { openDb } from './open.js'
import { overviewFigures } from './queries/overview-figures.js'
import { propertyKeys } from './queries/property-keys.js'
import { requestById } from './queries/request-by-id.js'
import { requestsTotal } from './queries/requests-total.js'
import { rollups, scopeOf } from './queries/scope.js'
import { monthOf, rebuildMonth, spanOfMonth } from './rollups/rebuild.js'
import { rollupsOf } from './rollups/rollups.js'
import { wholeSince } from './rollups/whole-since.js'
import { engines, lines, testFolder } from './testing.js'

// clickhouse/server/*.sql are run by hand on a real server. Here the engine reads each statement, and its own access control holds what
// they grant: a role's grants, profile and policies are given to the one user the embedded engine has.

const read = (file: string): readonly string[] => statements(readFileSync(new URL(`./server/${file}`, import.meta.url), 'utf8'))
const filled = (sql: string, values: Readonly<Record<string, string>>): string =>
  sql.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => values[name] ?? `\${${name}}`)

const roles = read('roles.sql')
const tenant = { TENANT: 'acme', TENANT_USER: 'acme_reader', TENANT_PASSWORD_SHA256: 'ab'.repeat(32) }
const ofTenant = read('tenant.sql.template').map((sql) => filled(sql, tenant))

/** The grants of a role, on the database of the embedded engine. */
const grantsOf = (role: string): readonly string[] =>
  roles
    .filter((sql) => sql.startsWith('GRANT ') && sql.endsWith(` TO ${role}`))
    .map((sql) => sql.slice(0, -` TO ${role}`.length).replace(' ON weir.', ' ON default.'))
const tablesOf = (role: string): readonly string[] =>
  grantsOf(role).flatMap((grant) => / ON default\.(\w+)$/.exec(grant)?.[1] ?? [])
const settingsOfProfile = (): readonly (readonly [name: string, value: string])[] => {
  const profile = roles.find((sql) => sql.startsWith('CREATE SETTINGS PROFILE')) ?? ''
  return [...profile.matchAll(/(\w+) = (\S+) CONST/g)].map(([, name = '', value = '']) => [name, value.replaceAll("'", '')])
}

const schema = async (db: Db): Promise<readonly string[]> =>
  (
    await db.rows<{ name: string }>(
      'tables',
      "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'MaterializedView' ORDER BY name",
    )
  ).map(({ name }) => name)

const embedded = async (): Promise<Db> => {
  const db = await (engines()[0] as NonNullable<ReturnType<typeof engines>[number]>).open(testFolder(onTestFinished))
  onTestFinished(() => db.close())
  return db
}

describe('the files', () => {
  test('are read by the engine, statement by statement', async () => {
    const db = await embedded()
    for (const sql of [...roles, ...ofTenant, ...read('users.sql')])
      await expect(db.rows('read', 'SELECT formatQuery({sql:String}) AS sql', { sql }), sql).resolves.toHaveLength(1)
  })

  test('leave no table out: a new one needs its grants, and a policy when it holds rows of tenants', async () => {
    const db = await embedded()
    const tables = await schema(db)
    expect([...tablesOf('weir_ingest')].sort()).toEqual(tables)
    // What is of ingest alone.
    const inner = (table: string): boolean => table.endsWith('_twin') || table === 'repriced' || table === 'ingest_pauses'
    expect([...tablesOf('weir_web')].sort()).toEqual(tables.filter((table) => !inner(table)))
    const withTenant = await db.rows<{ table: string }>(
      'tables-with-tenants',
      `SELECT DISTINCT table FROM system.columns WHERE database = currentDatabase() AND name = 'tenant_id' AND table IN {tables:Array(String)} ORDER BY table`,
      { tables: tables.filter((table) => !inner(table)) },
    )
    expect([...tablesOf('weir_tenant')].sort()).toEqual(withTenant.map(({ table }) => table))
    for (const policy of [...roles, ...ofTenant].filter((sql) => sql.startsWith('CREATE ROW POLICY')))
      // request_costs is a view with the rights of who asks: the policies of its tables hold.
      expect([...policy.matchAll(/weir\.(\w+)/g)].map(([, table]) => table).sort(), policy).toEqual(
        withTenant.map(({ table }) => table).filter((table) => table !== 'request_costs'),
      )
  })

  test('fix the settings that questions are asked with, to the value', () => {
    expect(Object.fromEntries(settingsOfProfile())).toEqual(
      Object.fromEntries(Object.entries(questionSettings(10)).map(([name, value]) => [name, String(value)])),
    )
  })
})

const row = (tenantName: string, id: string) => ({
  tenant_id: tenantName,
  ts: '2026-11-25 10:00:00.123',
  request_id: id,
  retention_days: 400,
  user_id: 'ada',
  session_id: 's',
  properties: { team: 'blue' },
  provider: 'openai',
  model: 'm',
  attempts: [[1, 'a', 'openai', 'm', 200, '', 0, 1, '0.1']],
  cost_total: '0.1',
})
const ids = ['019ab000-0000-7000-8000-000000000001', '019ab000-0000-7000-8000-000000000002'] as const

interface Rights {
  readonly grants?: readonly string[]
  readonly profile?: readonly (readonly [name: string, value: string])[]
  readonly filters?: readonly (readonly [table: string, filter: string])[]
}

const xml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** A server whose one user has these rights and no more. */
const serverFor = async (dir: string, { grants = [], profile = [], filters = [] }: Rights) => {
  const [users, config] = [join(dir, 'users.xml'), join(dir, 'config.xml')]
  const granted = grants.length === 0 ? '' : `<grants>${grants.map((grant) => `<query>${xml(grant)}</query>`).join('')}</grants>`
  const filtered = filters.map(([table, filter]) => `<${table}><filter>${xml(filter)}</filter></${table}>`).join('')
  const settings = profile.map(([name, value]) => `<${name}>${value}</${name}>`).join('')
  const constraints = profile.map(([name]) => `<${name}><const/></${name}>`).join('')
  writeFileSync(
    users,
    `<clickhouse><profiles><default>${settings}<constraints>${constraints}</constraints></default></profiles><quotas><default/></quotas>
     <users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
     ${granted}<databases><default>${filtered}</default></databases></default></users></clickhouse>`,
  )
  writeFileSync(config, `<clickhouse><users_config>${users}</users_config></clickhouse>`)
  return await startTestingServer(join(dir, 'chdb'), { configFile: config })
}

/** Tables and two tenants' calls, made by who may do all; then a server for who may do less. */
const restricted = async (rights: Rights): Promise<{ db: Db; url: string }> => {
  const dir = testFolder(onTestFinished)
  mkdirSync(join(dir, 'chdb'))
  const whole = await serverFor(dir, {})
  const maker = await openDb({ clickhouseUrl: whole.url, dataDir: dir })
  await maker.insert('requests', lines(row('acme', ids[0]), row('other', ids[1])), 'first')
  await maker.close()
  await whole.close()
  const server = await serverFor(dir, rights)
  onTestFinished(() => server.close())
  const db = openServer(server.url)
  onTestFinished(() => db.close())
  return { db, url: server.url }
}

const denied = { name: 'DbError', code: 497 }

test('weir_migrator makes the tables, and may do nothing about users, sources or other databases', async () => {
  const dir = testFolder(onTestFinished)
  mkdirSync(join(dir, 'chdb'))
  const server = await serverFor(dir, { grants: grantsOf('weir_migrator') })
  onTestFinished(() => server.close())
  const db = await openDb({ clickhouseUrl: server.url, dataDir: dir })
  onTestFinished(() => db.close())
  expect((await schema(db)).length).toBeGreaterThan(10)
  for (const sql of [
    'CREATE USER x',
    'CREATE DATABASE x',
    "INSERT INTO log_gaps SELECT * FROM remote('127.0.0.1:1', 'system', 'one')",
    'DROP DATABASE default',
  ])
    await expect(db.exec(sql), sql).rejects.toMatchObject(denied)
})

test('weir_ingest stores, looks up, compares and rebuilds; it changes no table and no call', async () => {
  const { db, url } = await restricted({ grants: grantsOf('weir_ingest') })
  await (await openDb({ clickhouseUrl: url, dataDir: '' })).close()
  await db.insert('requests', lines(row('acme', ids[0])), 'again')
  await db.insert('request_bodies', lines({ tenant_id: 'acme', ts: '2026-11-25 10:00:00.123', request_id: ids[0] }), 'bodies')
  for (const table of ['log_gaps', 'model_prices', 'scores', 'rollup_checks']) await db.insert(table, lines({}), `some ${table}`)
  await db.insert('repriced', lines({ tenant_id: 'acme', delta: '0.5', attempts: [] }), 'repriced')
  await db.exec("INSERT INTO ingest_pauses (owner, until) SELECT 'me', now64(3)")
  expect((await wholeSince(db, { now: Date.now(), retentionDays: 400, shards: null })).shortest).toBe(400)
  const at = Date.parse('2026-11-25T10:00:00Z')
  for (const rollup of await rollupsOf(db)) await rebuildMonth(db, rollup, monthOf(at), spanOfMonth(monthOf(at)))
  expect(await db.rows('sum', "SELECT sum(n) AS n FROM r_user_1d WHERE tenant_id = 'acme' AND day = '2026-11-25'")).toEqual([
    { n: '1' },
  ])
  for (const sql of [
    'ALTER TABLE requests DELETE WHERE 1',
    'ALTER TABLE requests ADD COLUMN x UInt8',
    "ALTER TABLE requests UPDATE user_id = '' WHERE 1",
    'TRUNCATE TABLE requests',
    'DROP TABLE requests',
    'CREATE TABLE x (a UInt8) ENGINE = Memory',
    "INSERT INTO log_gaps SELECT * FROM remote('127.0.0.1:1', 'system', 'one')",
    'DROP TABLE r_user_1d',
  ])
    await expect(db.exec(sql), sql).rejects.toMatchObject(denied)
})

test('a schema that lacks a migration is told to who may not change it, with the way out', async () => {
  const dir = testFolder(onTestFinished)
  mkdirSync(join(dir, 'chdb'))
  const server = await serverFor(dir, { grants: grantsOf('weir_ingest') })
  onTestFinished(() => server.close())
  await expect(openDb({ clickhouseUrl: server.url, dataDir: '' })).rejects.toThrow(
    /ACCESS_DENIED\) Run `weir migrate` with a CLICKHOUSE_URL whose user may change tables\.$/,
  )
})

describe('weir_web', () => {
  const web: Rights = { grants: grantsOf('weir_web'), profile: settingsOfProfile() }
  const acme = tenantId('acme')
  const period = { from: new Date('2026-11-20'), to: new Date('2026-11-27') }

  test('answers every kind of question under a profile that nobody can change', async () => {
    const { db, url } = await restricted(web)
    await (await openDb({ clickhouseUrl: url, dataDir: '' }, { schema: 'await' })).close()
    const asked = { period, filter: null, search: '' }
    expect(await overviewFigures(db, acme, scopeOf(asked, rollups.model))).toMatchObject({ requests: 1 })
    expect(await requestsTotal(db, acme, scopeOf({ ...asked, search: 'words' }, null))).toMatchObject({ requests: 0 })
    expect(await propertyKeys(db, acme, period.from)).toEqual(['team'])
    expect(await requestById(db, acme, ids[0])).toMatchObject({ id: ids[0], costUsd: '0.1' })
    const { bytes } = await db.raw('SELECT toString(sum(cost_total)) FROM request_costs', { format: 'TSV', params: {} })
    expect(Buffer.from(bytes).toString()).toBe('0.2\n')
  })

  test('writes nothing, reads no source, and lifts no limit', async () => {
    const { db, url } = await restricted(web)
    for (const sql of ['INSERT INTO log_gaps (n) VALUES (1)', 'DROP TABLE requests', 'ALTER TABLE requests DELETE WHERE 1'])
      await expect(db.exec(sql), sql).rejects.toMatchObject({
        code: expect.toSatisfy((code) => code === 164 || code === 497) as number,
      })
    for (const sql of [
      "SELECT * FROM file('/etc/hostname', 'LineAsString')",
      "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    ])
      await expect(db.rows('source', sql), sql).rejects.toMatchObject({ name: 'DbError' })
    await expect(db.rows('table', 'SELECT * FROM ingest_pauses')).rejects.toMatchObject(denied)
    const ask = async (settings: string): Promise<string> =>
      await (await fetch(`${url}/?${settings}`, { method: 'POST', body: 'SELECT 1' })).text()
    expect(await ask('max_execution_time=10&readonly=1')).toBe('1\n')
    expect(await ask('max_execution_time=11')).toMatch(/^Code: (164|452)\./)
    expect(await ask('readonly=0')).toMatch(/^Code: (164|452)\./)
  })
})

test('a tenant reads its own rows in every table, in roll-ups and by the view, and none of another', async () => {
  const policy = ofTenant.find((sql) => sql.startsWith('CREATE ROW POLICY')) ?? ''
  const condition = /USING (.*) TO /.exec(policy)?.[1] ?? ''
  const filters = [...policy.matchAll(/weir\.(\w+)/g)].map(([, table = '']) => [table, condition] as const)
  const { db } = await restricted({ grants: grantsOf('weir_tenant'), profile: settingsOfProfile(), filters })
  const tables = tablesOf('weir_tenant')
  expect(tables).toContain('request_costs')
  for (const table of tables) {
    const seen = await db.rows<{ tenant: string }>('seen', `SELECT DISTINCT toString(tenant_id) AS tenant FROM ${table}`)
    expect(seen, table).toEqual(/^(request|r_)/.test(table) && table !== 'request_bodies' ? [{ tenant: 'acme' }] : [])
  }
})
