import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Db } from '../clickhouse/db.js'
import { openTestDb } from '../clickhouse/testing.js'
import type { Exchange } from '../core/exchange.js'
import { tenantId } from '../core/tenant.js'
import { consume, type Enrich } from './consume.js'
import { openDeadLetters } from './dead-letters.js'
import { createMetrics } from './metrics.js'
import { createPrepare } from './prepare.js'
import { storedVerdicts } from './store/charged.js'
import { createStore } from './store/store.js'
import {
  chatCost,
  chatUsage,
  enrichedFrom,
  exchange,
  idOf,
  memorySource,
  payloadOf,
  testFolder,
  type MemorySource,
} from './testing.js'

// A response is charged once, by the row at the lowest position of its log; reads that come later are not (cost.md §4).

const undo: (() => void)[] = []
let db: Db
beforeAll(async () => {
  db = await openTestDb(testFolder((remove) => undo.push(remove)))
})
afterAll(async () => {
  await db.close()
  for (const remove of undo) remove()
})

let tenants = 0
const ownTenant = (): string => `c${++tenants}`

/** Every call costs 0.00021 USD; charged by the wire before, nothing; charged by an estimate before, what that left. */
const enrich: Enrich = (event, position, known) => {
  const estimated = event.outcome !== 'complete'
  const usage = estimated ? { ...chatUsage, usageSource: 'estimated' as const } : chatUsage
  const charged = known?.charged ?? null
  const facts: Record<string, string> = charged === null ? {} : { charged_usd: charged.usd, charged_source: charged.source }
  const row = { price_facts: facts }
  const costs = (totalUsd: string, reason: string | null) => ({ ...chatCost, totalUsd, reason })
  if (charged === null) return enrichedFrom(event, { usage, cost: costs(estimated ? '0.00001' : '0.00021', null), row }, position)
  const cost = charged.source === 'wire' ? costs('0', 'already_charged') : costs('0.0002', 'less_already_charged')
  return enrichedFrom(event, { usage, cost, row }, position)
}

const usageRaw = [{ source: 'usage', json: '{"input_tokens":1000,"output_tokens":100,"total_tokens":1100}' }]
const response = (tenant: string, n: number, more: Partial<Exchange> = {}): Exchange =>
  exchange({ tenant, id: idOf(n), api: 'responses', endpoint: 'POST /v1/responses', responseId: 'resp_1', usageRaw, ...more })
const read = (tenant: string, n: number, more: Partial<Exchange> = {}): Exchange =>
  response(tenant, n, { endpoint: 'GET /v1/responses/{id}', ...more })

const started = async (source: MemorySource, events: number, insert: Db['insert'] = db.insert.bind(db)) => {
  const asked: string[] = []
  return {
    asked,
    consumer: consume({
      source,
      consumer: 'ingest',
      store: createStore({
        db: {
          rows: (name, ...rest) => {
            asked.push(name)
            return db.rows(name, ...rest)
          },
          insert,
        },
        now: Date.now,
        random: () => 0.01,
        onRetry: () => undefined,
      }),
      enrich,
      prepare: createPrepare({ count: async (calls) => calls.map(() => null) }),
      deadLetters: await openDeadLetters({ dir: join(testFolder(onTestFinished), 'dlq'), limitBytes: null, now: Date.now }),
      metrics: createMetrics(),
      bounds: { events, bytes: 1024 * 1024, everyMs: 5, insertShare: 1, latestMs: 1000 },
      now: Date.now,
      random: () => 0.01,
      onStored: () => undefined,
      onFault: () => undefined,
    }),
  }
}
/** Takes in all of it, in batches of so many. */
const drained = async (source: MemorySource, events = 100): Promise<readonly string[]> => {
  const { consumer, asked } = await started(source, events)
  await consumer.stop(20_000)
  return asked
}

const sourceOf = (partition: string, ...events: readonly Exchange[]): MemorySource => {
  const source = memorySource()
  for (const event of events) source.append(partition, payloadOf(event))
  return source
}

/** Cost and reason of each call, in the order of their numbers. */
const costs = async (tenant: string): Promise<string[]> => {
  const rows = await db.rows<{ cost: string; reason: string }>(
    'costs',
    `SELECT toString(cost_total) AS cost, cost_reason AS reason FROM requests WHERE tenant_id = {t:String} ORDER BY toString(request_id)`,
    { t: tenant },
  )
  return rows.map(({ cost, reason }) => `${Number(cost)} ${reason}`.trim())
}
const paid = '0.00021'
const free = '0 already_charged'

describe('a response is charged once', () => {
  test.each([
    ['in one batch', 100],
    ['in batches of one', 1],
    ['in batches of two', 2],
  ])('%s', async (_, events) => {
    const tenant = ownTenant()
    const source = sourceOf(
      `${tenant}-a`,
      response(tenant, 1),
      read(tenant, 2),
      read(tenant, 3),
      read(tenant, 4, { responseId: 'resp_2' }),
      read(tenant, 5, { responseId: 'resp_2' }),
      read(tenant, 6),
    )
    await drained(source, events)
    // The second response was made elsewhere: its first read is charged.
    expect(await costs(tenant)).toEqual([paid, free, free, paid, free, free])
  })

  test('one look-up for a whole read of the log, none where there is no read', async () => {
    const tenant = ownTenant()
    const many = Array.from({ length: 90 }, (_, i) => read(tenant, i, { responseId: `resp_${i % 30}` }))
    expect(await drained(sourceOf(`${tenant}-a`, ...many))).toEqual(['charged-before'])
    expect((await costs(tenant)).filter((cost) => cost === paid)).toHaveLength(30)
    const other = ownTenant()
    expect(await drained(sourceOf(`${other}-a`, response(other, 1), response(other, 2)))).toEqual([])
    expect(await costs(other)).toEqual([paid, paid])
  })

  test('by the rows of another log', async () => {
    const tenant = ownTenant()
    await drained(sourceOf(`${tenant}-a`, response(tenant, 1)))
    await drained(sourceOf(`${tenant}-b`, read(tenant, 2)))
    expect(await costs(tenant)).toEqual([paid, free])
  })

  test('tenants, providers and responses are apart', async () => {
    const [one, two] = [ownTenant(), ownTenant()]
    const source = sourceOf(
      `${one}-a`,
      response(one, 1),
      read(two, 2),
      read(one, 3, { provider: 'azure' }),
      read(one, 4, { responseId: 'resp_9' }),
      read(two, 5),
    )
    await drained(source, 1)
    expect([await costs(one), await costs(two)]).toEqual([
      [paid, paid, paid],
      [paid, free],
    ])
  })

  test('an answer that was cut was charged by our count: the read owes the rest, the next one nothing', async () => {
    const tenant = ownTenant()
    const cut = response(tenant, 1, { outcome: 'client_abort', finishReason: null })
    await drained(sourceOf(`${tenant}-a`, cut, read(tenant, 2), read(tenant, 3)), 1)
    expect(await costs(tenant)).toEqual(['0.00001', '0.0002 less_already_charged', free])
  })

  test('a call in the background may end after the read of what it made', async () => {
    const tenant = ownTenant()
    const started = response(tenant, 2, { priceFacts: { background: 1 } })
    await drained(sourceOf(`${tenant}-a`, read(tenant, 1), started))
    expect(await costs(tenant)).toEqual([paid, free])
  })

  test('what was charged 61 days before is forgotten', async () => {
    const tenant = ownTenant()
    const long = response(tenant, 1, { startedAt: '2026-09-25T09:00:00.000Z' })
    const near = response(tenant, 2, { startedAt: '2026-09-27T10:00:00.000Z', responseId: 'resp_2' })
    await drained(sourceOf(`${tenant}-a`, long, near, read(tenant, 3), read(tenant, 4, { responseId: 'resp_2' })), 1)
    expect(await costs(tenant)).toEqual([paid, paid, paid, free])
  })
})

describe('the same event gives the same row', () => {
  const killedAt = (at: string, nth: number) => {
    let seen = 0
    let reached = (): void => undefined
    const dead = new Promise<void>((resolve) => {
      reached = resolve
    })
    const step = (name: string): Promise<void> | undefined => {
      if (name !== at || ++seen < nth) return undefined
      reached()
      return new Promise(() => undefined)
    }
    return { step, dead }
  }

  test.each([
    ['before its insert', 'before requests'],
    ['after its insert', 'after requests'],
    ['before its commit', 'before commit'],
  ])('killed %s', async (_, at) => {
    const tenant = ownTenant()
    const source = sourceOf(`${tenant}-a`, response(tenant, 1), read(tenant, 2), read(tenant, 3), read(tenant, 4))
    const { step, dead } = killedAt(at, 2)
    source.step = step
    await started(source, 2, async (table, lines, token) => {
      await step(`before ${table}`)
      await db.insert(table, lines, token)
      await step(`after ${table}`)
    })
    await dead
    source.step = () => undefined
    await drained(source, 2)
    expect(await costs(tenant)).toEqual([paid, free, free, free])
  })

  test('delivered again, at the same position: no row of its own range or behind it was before it', async () => {
    const tenant = ownTenant()
    const events = [read(tenant, 1), read(tenant, 2), read(tenant, 3)]
    await drained(sourceOf(`${tenant}-a`, ...events))
    expect(await costs(tenant)).toEqual([paid, free, free])
    // The same log read by a consumer that has lost its positions; another cut, so that the tokens do not help.
    await db.exec(
      `ALTER TABLE requests DELETE WHERE tenant_id = '${tenant}' AND request_id = '${idOf(2)}' SETTINGS mutations_sync = 2`,
    )
    await drained(sourceOf(`${tenant}-a`, ...events), 2)
    const rows = await db.rows<{ id: string; n: string }>(
      'costs-by-id',
      `SELECT toString(request_id) AS id, toString(uniqExact(cost_total)) AS n FROM requests WHERE tenant_id = {t:String} GROUP BY id`,
      { t: tenant },
    )
    expect(rows.map(({ n }) => n)).toEqual(['1', '1', '1'])
  })

  test('delivered twice in one log: its own row does not charge it', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    for (const event of [read(tenant, 1), read(tenant, 1)]) source.append(`${tenant}-a`, payloadOf(event), true)
    await drained(source, 1)
    expect(await costs(tenant)).toEqual([paid])
  })
})

test('the verdict stands in the row, for exporters', async () => {
  const tenant = ownTenant()
  const cut = response(tenant, 1, { outcome: 'client_abort', finishReason: null })
  const events = [cut, read(tenant, 2), read(tenant, 3)]
  await drained(sourceOf(`${tenant}-a`, ...events))
  expect([...(await storedVerdicts(db, tenantId(tenant), events))].sort()).toEqual([
    [idOf(2), { usd: '0.00001', source: 'estimated' }],
    [idOf(3), { usd: '0.00021', source: 'wire' }],
  ])
})

test('the look-up has an index', async () => {
  expect(
    await db.rows('index', "SELECT expr, type FROM system.data_skipping_indices WHERE table = 'requests' AND name = 'i7'"),
  ).toEqual([{ expr: 'response_id', type: 'bloom_filter' }])
})
