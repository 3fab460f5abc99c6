import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Db } from '../clickhouse/db.js'
import { openDb } from '../clickhouse/open.js'
import { anyRequest } from '../clickhouse/queries/any-request.js'
import { arrivals } from '../clickhouse/queries/arrivals.js'
import { arrivedRequests } from '../clickhouse/queries/arrived-requests.js'
import { bodiesById } from '../clickhouse/queries/bodies-by-id.js'
import { callsToReprice, countCalls } from '../clickhouse/queries/calls-to-reprice.js'
import { errorsByKind } from '../clickhouse/queries/errors-by-kind.js'
import { filterValues } from '../clickhouse/queries/filter-values.js'
import { overviewFigures } from '../clickhouse/queries/overview-figures.js'
import { periodTotals } from '../clickhouse/queries/period-totals.js'
import { pricedRows, tableOf } from '../clickhouse/queries/priced-rows.js'
import { propertyKeys } from '../clickhouse/queries/property-keys.js'
import { requestById } from '../clickhouse/queries/request-by-id.js'
import { requestsAt } from '../clickhouse/queries/requests-at.js'
import { requestsPage } from '../clickhouse/queries/requests-page.js'
import { requestsTotal } from '../clickhouse/queries/requests-total.js'
import { rollups, scopeOf, type Scope } from '../clickhouse/queries/scope.js'
import { rollupOfSeries, series, type Group, type Metric } from '../clickhouse/queries/series.js'
import { rollupOfSpender, topSpenders, type SpenderKind } from '../clickhouse/queries/top-spenders.js'
import { unpricedCalls } from '../clickhouse/queries/unpriced-calls.js'
import { unpricedModels } from '../clickhouse/queries/unpriced-models.js'
import { lines } from '../clickhouse/testing.js'
import { deleteView, savedViews, saveView } from '../control/queries/saved-views.js'
import { controlStore, type ControlDb, type ControlStore } from '../control/store.js'
import { tenantId, type TenantId } from '../core/tenant.js'
import { chargesBefore, storedVerdicts } from '../ingest/store/charged.js'
import { storedElsewhere } from '../ingest/store/doubt.js'
import { exchange } from '../ingest/testing.js'
import type { BreakerStore } from '../proxy/state/breaker-store.js'
import type { CacheStore } from '../proxy/state/cache-store.js'
import type { LimitStore } from '../proxy/state/limit-store.js'

// security.md §5: each question is asked as another tenant before and after somebody wrote, and nothing may have changed.

const [writer, other] = [tenantId('acme'), tenantId('beta')]
const id = '01890a5d-ac96-774b-bcce-b302099a8057'
const at = '2026-08-19T10:00:00.000Z'
const period = { from: new Date('2026-08-19T00:00:00Z'), to: new Date('2026-08-20T00:00:00Z') }
const wide = { from: new Date('2026-08-10T00:00:00Z'), to: new Date('2026-08-25T00:00:00Z') }
const asked = { period, filter: null, search: '' }
const ever = { ...asked, period: wide }
/** The same of rows, of roll-ups, and of rows with words looked for in bodies. */
const scopesBy = (rollup: Parameters<typeof scopeOf>[1]): readonly Scope[] => [
  scopeOf(asked, rollup),
  scopeOf(ever, rollup),
  scopeOf({ ...asked, search: 'zebra' }, rollup),
]
const each = async <T, A>(items: readonly T[], ask: (item: T) => Promise<A>): Promise<readonly A[]> => {
  const answers: A[] = []
  for (const item of items) answers.push(await ask(item))
  return answers
}

const read = (tenant: TenantId) => ({
  exchange: exchange({
    tenant,
    id: '01890a5d-ac96-774b-bcce-000000000001',
    provider: 'openai',
    responseId: 'resp_1',
    startedAt: at,
  }),
  at: 900,
})
const place = { id, atMs: String(Date.parse(at)) }
const page = { sort: 'at', direction: 'down', after: null, limit: 10 } as const
const metrics: readonly Metric[] = ['cost', 'requests', 'latency', 'first_chunk', 'errors', 'tokens']
const groups: readonly Group[] = ['none', 'model', 'provider', 'user', 'outcome', 'error_kind', 'property']
const kinds: readonly SpenderKind[] = ['user', 'session', 'model', 'property']

/** One case for each question, by module and name: whoever adds one without a case fails below. */
const questions: Record<string, (db: Db, tenant: TenantId) => Promise<unknown>> = {
  'clickhouse/queries/any-request.ts anyRequest': anyRequest,
  'clickhouse/queries/arrivals.ts arrivals': (db, tenant) => arrivals(db, tenant, period.from),
  'clickhouse/queries/arrived-requests.ts arrivedRequests': (db, tenant) =>
    arrivedRequests(db, tenant, {
      since: period.from,
      stretches: [{ source: 'w1', after: null, upTo: 1000n }],
      filter: null,
      limit: 10,
    }),
  'clickhouse/queries/bodies-by-id.ts bodiesById': (db, tenant) => bodiesById(db, tenant, { id, at }),
  'clickhouse/queries/calls-to-reprice.ts countCalls': (db, tenant) => countCalls(db, tenant, { ...period, model: null }),
  'clickhouse/queries/calls-to-reprice.ts callsToReprice': (db, tenant) =>
    callsToReprice(db, tenant, { ...period, model: null }, null, 10),
  'clickhouse/queries/errors-by-kind.ts errorsByKind': (db, tenant) =>
    each(scopesBy(rollups.model), (scope) => errorsByKind(db, tenant, scope)),
  'clickhouse/queries/filter-values.ts filterValues': (db, tenant) => filterValues(db, tenant, period.from),
  'clickhouse/queries/overview-figures.ts overviewFigures': (db, tenant) =>
    each(scopesBy(rollups.model), (scope) => overviewFigures(db, tenant, scope)),
  'clickhouse/queries/period-totals.ts periodTotals': (db, tenant) =>
    each(scopesBy(rollups.model), (scope) => periodTotals(db, tenant, scope)),
  'clickhouse/queries/priced-rows.ts pricedRows': (db, tenant) => pricedRows(db, tenant, period),
  'clickhouse/queries/priced-rows.ts tableOf': (db, tenant) => tableOf(db, tenant, scopeOf(asked, null), 'r_model_1h'),
  'clickhouse/queries/property-keys.ts propertyKeys': (db, tenant) => propertyKeys(db, tenant, period.from),
  'clickhouse/queries/request-by-id.ts requestById': (db, tenant) => requestById(db, tenant, id),
  'clickhouse/queries/requests-at.ts requestsAt': (db, tenant) => requestsAt(db, tenant, [place]),
  'clickhouse/queries/requests-page.ts requestsPage': (db, tenant) =>
    each(scopesBy(null), (scope) => requestsPage(db, tenant, { scope, ...page })),
  'clickhouse/queries/requests-total.ts requestsTotal': (db, tenant) =>
    each(scopesBy(null), (scope) => requestsTotal(db, tenant, scope)),
  'clickhouse/queries/series.ts series': (db, tenant) =>
    each(
      [
        ...metrics.map((metric) => ({ metric, group: 'none' as const })),
        ...groups.map((group) => ({ metric: 'latency' as const, group })),
        ...groups.map((group) => ({ metric: 'cost' as const, group })),
      ].flatMap(({ metric, group }) => scopesBy(rollupOfSeries(metric, group)).map((scope) => ({ metric, group, scope }))),
      (question) => series(db, tenant, { ...question, property: 'feature', stepSeconds: 86_400 }),
    ),
  'clickhouse/queries/top-spenders.ts topSpenders': (db, tenant) =>
    each(
      kinds.flatMap((kind) => scopesBy(rollupOfSpender(kind)).map((scope) => ({ kind, scope }))),
      (question) => topSpenders(db, tenant, { ...question, property: 'feature', limit: 10 }),
    ),
  'clickhouse/queries/unpriced-calls.ts unpricedCalls': (db, tenant) => unpricedCalls(db, tenant, period),
  'clickhouse/queries/unpriced-models.ts unpricedModels': (db, tenant) =>
    each(scopesBy(rollups.model), (scope) => unpricedModels(db, tenant, scope)),
  'ingest/store/charged.ts chargesBefore': (db, tenant) => chargesBefore(db, tenant, 'w2', [read(tenant)]),
  'ingest/store/charged.ts storedVerdicts': (db, tenant) => storedVerdicts(db, tenant, [exchange({ tenant, id, startedAt: at })]),
  'ingest/store/doubt.ts storedElsewhere': (db, tenant) =>
    storedElsewhere(db, tenant, [{ id, startedAt: at }], { partition: 'w2', first: 0, last: 10 }),
}

const view = { id: '01890a5d-ac96-774b-bcce-000000000002', name: 'Mine', page: '/requests', query: 'a=b', createdAt: at }
const views: Record<string, (db: ControlDb, tenant: TenantId) => Promise<unknown>> = {
  'control/queries/saved-views.ts savedViews': savedViews,
  // What another tenant saves under the same name, or deletes by the id, leaves the first one's as it was.
  'control/queries/saved-views.ts saveView': (db, tenant) => saveView(db, tenant, { ...view, id: randomUUID(), query: tenant }),
  'control/queries/saved-views.ts deleteView': (db, tenant) => deleteView(db, tenant, view.id),
}

/** They ask about no tenant's data, or are the operator's (docs/decisions/0068). */
const aboutNobody = [
  'clickhouse/queries/engine-version.ts engineVersion',
  'clickhouse/queries/calls-to-reprice.ts tenantsIn',
  'clickhouse/queries/stored-positions.ts storedPositions',
]

const root = new URL('..', import.meta.url)
interface Found {
  readonly name: string
  readonly parameters: string
}

/** Every function of these folders that is given a store, with its first parameters as they are written. */
const asking = async (): Promise<readonly Found[]> => {
  const found: Found[] = []
  for (const folder of ['clickhouse/queries', 'control/queries', 'ingest/store'])
    for (const file of readdirSync(new URL(folder, root)).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))) {
      const path = `${folder}/${file}`
      const exported = (await import(pathToFileURL(new URL(path, root).pathname).href)) as Record<string, unknown>
      for (const [name, value] of Object.entries(exported)) {
        const parameters = typeof value === 'function' ? (/^(?:async )?\(([^)]*)/.exec(String(value))?.[1] ?? '') : ''
        if (/^db\b/.test(parameters)) found.push({ name: `${path} ${name}`, parameters })
      }
    }
  return found
}

test('every question has a case here, and takes the tenant first', async () => {
  const found = (await asking()).filter(({ name }) => !aboutNobody.includes(name))
  expect(found.map(({ name }) => name).sort()).toEqual([...Object.keys(questions), ...Object.keys(views)].sort())
  for (const { name, parameters } of found) expect([name, parameters]).toEqual([name, expect.stringMatching(/^db, tenant(,|$)/)])
})

const row = (more: object = {}) => ({
  tenant_id: writer,
  ts: '2026-08-19 10:00:00.000',
  request_id: id,
  source: 'w1',
  source_offset: 100,
  retention_days: 20_000,
  user_id: 'ada',
  session_id: 's1',
  session_name: 'Refund',
  properties: { feature: 'search' },
  operation: 'chat',
  provider: 'openai',
  api: 'responses',
  endpoint: 'POST /v1/responses',
  request_model: 'gpt-5',
  response_model: 'gpt-5',
  model: 'gpt-5',
  response_id: 'resp_1',
  status: 200,
  outcome: 'complete',
  attempts: [[1, 'openai', 'openai', 'gpt-5', 200, '', 0, 5000, '0.5']],
  total_ms: 900,
  time_to_first_chunk_ms: 90,
  input_tokens: 1000,
  output_tokens: 100,
  usage_source: 'wire',
  price_facts: { charged_usd: '0.1', charged_source: 'wire' },
  cost_total: '0.5',
  cost_status: 'exact',
  input_preview: 'a zebra',
  ...more,
})

const writeAll = async (db: Db): Promise<void> => {
  const failed = { request_id: '01890a5d-ac96-774b-bcce-000000000003', status: 500, error_kind: 'server', source_offset: 200 }
  const unpriced = {
    request_id: '01890a5d-ac96-774b-bcce-000000000004',
    cost_total: null,
    cost_status: 'unpriced',
    source_offset: 300,
  }
  await db.insert('requests', lines(row(), row(failed), row(unpriced)), randomUUID())
  const { tenant_id, ts, request_id, retention_days, provider, model, outcome, user_id, session_id, session_name, properties } =
    row()
  const bodies = { request_body: 'a zebra', response_body: 'stripes', request_state: 'stored', response_state: 'stored' }
  await db.insert('request_bodies', lines({ tenant_id, ts, request_id, retention_days, ...bodies }), randomUUID())
  const repriced = {
    tenant_id,
    ts,
    request_id,
    provider,
    model,
    outcome,
    user_id,
    session_id,
    session_name,
    properties,
    delta: '0.25',
    cost_status: 'exact',
    price_id: 'p',
    at: '2026-08-20 00:00:00.000',
    unpriced_delta: 0,
    attempts: [['openai', 'openai', 'gpt-5', '', '0.25']],
  }
  await db.insert('repriced', lines(repriced), randomUUID())
}

describe('the analytics store', () => {
  const answers = new Map<string, unknown>()
  let dir: string
  let db: Db
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'weir-tenants-'))
    db = await openDb({ clickhouseUrl: null, dataDir: dir })
    for (const [name, ask] of Object.entries(questions)) answers.set(name, await ask(db, other))
    await writeAll(db)
  })
  afterAll(async () => {
    await db.close()
    rmSync(dir, { recursive: true, force: true })
  })

  test.each(Object.entries(questions))('%s', async (name, ask) => {
    const empty = answers.get(name)
    // Whoever wrote does see something: a case that could not tell proves nothing.
    expect(await ask(db, writer)).not.toEqual(empty)
    expect(await ask(db, other)).toEqual(empty)
  })
})

describe('the control store', () => {
  let dir: string
  let store: ControlStore
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'weir-tenants-'))
    store = controlStore({ dataDir: dir, databaseUrl: null })
  })
  afterAll(async () => {
    await store.close()
    rmSync(dir, { recursive: true, force: true })
  })

  test('views of one tenant are read, replaced and deleted by that tenant alone', async () => {
    const kept = await store.write((db) => saveView(db, writer, view))
    for (const ask of Object.values(views)) await store.write((db) => ask(db, other))
    expect(await store.write((db) => savedViews(db, writer))).toEqual([kept])
    expect(await store.write((db) => savedViews(db, other))).toEqual([expect.objectContaining({ query: other })])
    expect(await store.write((db) => deleteView(db, writer, view.id))).toBe(true)
  })
})

/** The methods of a store whose first argument is not a TenantId and nothing else. */
type WithoutTenant<S> = {
  [M in keyof S]: S[M] extends (first: infer T, ...rest: never[]) => unknown ? ([T] extends [TenantId] ? never : M) : M
}[keyof S]

test('what the proxy keeps takes the tenant first, by type', () => {
  // A method that is added without a tenant makes one of these assignments an error of the compiler.
  const exempt: {
    cache: Exclude<WithoutTenant<CacheStore>, 'close' | 'bytes'>[]
    limits: Exclude<WithoutTenant<LimitStore>, 'close'>[]
    breaker: Exclude<WithoutTenant<BreakerStore>, 'standing'>[]
  } = { cache: [], limits: [], breaker: [] }
  const none: Record<keyof typeof exempt, never[]> = exempt
  expect(none).toEqual({ cache: [], limits: [], breaker: [] })
})
