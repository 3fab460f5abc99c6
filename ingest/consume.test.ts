import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { DbError, type Db } from '../clickhouse/db.js'
import { openTestDb } from '../clickhouse/testing.js'
import { nobody, type Exchange } from '../core/exchange.js'
import { consume, roundMs, type Bounds, type Consumer, type Enrich } from './consume.js'
import { openDeadLetters } from './dead-letters.js'
import { createMetrics } from './metrics.js'
import { createPrepare, type Prepare } from './prepare.js'
import { createStore } from './store/store.js'
import { enrichedFrom, exchange, idOf, memorySource, payloadOf, testFolder, type MemorySource } from './testing.js'

/** Waits for a condition; how long says nothing about the code but that it hangs. */
const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 20_000, interval: 20 })

const undo: (() => void)[] = []
let db: Db
beforeAll(async () => {
  db = await openTestDb(testFolder((remove) => undo.push(remove)))
})
afterAll(async () => {
  await db.close()
  for (const remove of undo) remove()
})

const bounds: Bounds = { events: 100, bytes: 1024 * 1024, everyMs: 5, insertShare: 1, latestMs: 1000 }
let tenants = 0
/** Every test has rows, sums and partitions of its own: a partition's name is part of the insert token. */
const ownTenant = (): string => `t${++tenants}`

/** Calls of these tests tell their usage, unless they say so. */
const prepare = createPrepare({ count: () => Promise.reject(new Error('Nothing is to be counted.')) })

const enrich: Enrich = (event, position) =>
  enrichedFrom(
    event,
    {
      bodies: {
        tenant_id: event.tenant,
        ts: event.startedAt.replace('T', ' ').replace('Z', ''),
        request_id: event.id,
        ver: 1,
        retention_days: 30,
        request_body: `asked ${event.id}`,
        response_body: '',
        request_state: 'stored',
        response_state: 'none',
        request_sha256: '',
        response_sha256: '',
        spill: '',
        request_headers: [],
        response_headers: [],
      },
    },
    position,
  )

interface Setup {
  readonly source: MemorySource
  readonly dir: string
  readonly insert?: Db['insert']
  readonly enrich?: Enrich
  readonly prepare?: Prepare
  readonly bounds?: Bounds
}

const started = async (setup: Setup) => {
  const deadLetters = await openDeadLetters({ dir: join(setup.dir, 'dlq'), limitBytes: null, now: Date.now })
  const metrics = createMetrics()
  const retries: unknown[] = []
  const store = createStore({
    db: { rows: db.rows.bind(db), insert: setup.insert ?? db.insert.bind(db) },
    now: Date.now,
    random: () => 0.01,
    onRetry: (cause) => retries.push(cause),
  })
  const stored: number[] = []
  const consumer = consume({
    source: setup.source,
    consumer: 'ingest',
    store,
    enrich: setup.enrich ?? enrich,
    prepare: setup.prepare ?? prepare,
    deadLetters,
    metrics,
    bounds: setup.bounds ?? bounds,
    now: Date.now,
    random: () => 0.01,
    onStored: (rows) => stored.push(rows),
    onFault: () => undefined,
  })
  return { consumer, deadLetters, metrics, retries, stored, store }
}

const drained = async (setup: Setup) => {
  const running = await started(setup)
  await running.consumer.stop(20_000)
  return running
}

const calls = (tenant: string, from: number, to: number, more: (n: number) => Partial<Exchange> = () => ({})): Exchange[] =>
  Array.from({ length: to - from }, (_, i) => exchange({ tenant, id: idOf(from + i), seq: from + i, ...more(from + i) }))

const counted = async (tenant: string) => {
  const [row] = await db.rows<Record<string, string>>(
    'counted',
    `SELECT (SELECT count() FROM requests WHERE tenant_id = {t:String}) AS rows,
       (SELECT uniqExact(request_id) FROM requests WHERE tenant_id = {t:String}) AS ids,
       (SELECT count() FROM request_bodies WHERE tenant_id = {t:String}) AS bodies,
       (SELECT sum(n) FROM r_model_1h WHERE tenant_id = {t:String}) AS models,
       (SELECT sum(n) FROM r_user_1d WHERE tenant_id = {t:String}) AS users,
       (SELECT sum(n) FROM r_attempt_1h WHERE tenant_id = {t:String}) AS attempts,
       (SELECT toString(sum(cost)) FROM r_user_1d WHERE tenant_id = {t:String}) AS cost,
       (SELECT toString(sum(cost_total)) FROM requests WHERE tenant_id = {t:String}) AS rowCost`,
    { t: tenant },
  )
  return row
}

/** n calls of 0.00021 USD, each once, in the table and in every roll-up. */
const exactly = (n: number) => {
  const cost = ((n * 21) / 100_000).toFixed(5).replace(/0+$/, '')
  const each = String(n)
  return { rows: each, ids: each, bodies: each, models: each, users: each, attempts: each, cost, rowCost: cost }
}

/** Runs until it reaches `at` for the n-th time, then never goes on: the process was killed there. */
const killedAt = (at: string, nth = 1) => {
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

const stepped =
  (step: (name: string) => Promise<void> | undefined): Db['insert'] =>
  async (table, lines, token) => {
    await step(`before ${table}`)
    await db.insert(table, lines, token)
    await step(`after ${table}`)
  }

describe('events become rows', () => {
  test('each once, from several partitions, in batches; roll-ups and exact cost follow', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    for (const event of calls(tenant, 0, 250)) source.append(`${tenant}-a`, payloadOf(event))
    for (const event of calls(tenant, 1000, 1030)) source.append(`${tenant}-b`, payloadOf(event))
    const dir = testFolder(onTestFinished)
    const { stored } = await drained({ source, dir })
    expect(await counted(tenant)).toEqual(exactly(280))
    expect(stored).toEqual([100, 100, 50, 30])
    expect(source.log.slice(0, 4)).toEqual([
      `plan ${tenant}-a/ingest 100-1090`,
      `commit ${tenant}-a/ingest 1100`,
      `plan ${tenant}-a/ingest 1100-2090`,
      `commit ${tenant}-a/ingest 2100`,
    ])
  })

  test('a row says where in the log it came from, and its bodies are there', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    for (const event of calls(tenant, 0, 2)) source.append(`${tenant}-a`, payloadOf(event))
    await drained({ source, dir: testFolder(onTestFinished) })
    expect(
      await db.rows(
        'where-from',
        `SELECT source, source_offset AS at, request_body AS asked FROM requests AS r JOIN request_bodies AS b USING (tenant_id, ts, request_id)
         WHERE tenant_id = {t:String} ORDER BY at`,
        { t: tenant },
      ),
    ).toEqual([
      { source: `${tenant}-a`, at: '100', asked: `asked ${idOf(0)}` },
      { source: `${tenant}-a`, at: '110', asked: `asked ${idOf(1)}` },
    ])
  })

  test('an event is visible soon after it was written, while the loop runs', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    const { consumer } = await started({ source, dir: testFolder(onTestFinished) })
    onTestFinished(() => consumer.stop(1000))
    source.append(`${tenant}-a`, payloadOf(exchange({ tenant })))
    await eventually(async () => expect(await counted(tenant)).toEqual(exactly(1)))
    source.append(`${tenant}-a`, payloadOf(exchange({ tenant, id: idOf(2) })))
    await eventually(async () => expect(await counted(tenant)).toEqual(exactly(2)))
  })
})

describe('killed at any step, every call is there once', () => {
  const steps = [
    'before plan',
    'after plan',
    'before request_bodies',
    'after request_bodies',
    'before requests',
    'after requests',
    'before commit',
    'after commit',
  ]
  test.each(steps)('%s', async (at) => {
    const tenant = ownTenant()
    const source = memorySource()
    for (const event of calls(tenant, 0, 230)) source.append(`${tenant}-a`, payloadOf(event))
    const dir = testFolder(onTestFinished)

    const { step, dead } = killedAt(at, 2)
    source.step = step
    await started({ source, dir, insert: stepped(step) })
    await dead
    // More has been written since: the planned range must be cut as it was, not longer.
    for (const event of calls(tenant, 230, 300)) source.append(`${tenant}-a`, payloadOf(event))

    source.step = () => undefined
    await drained({ source, dir, bounds: { ...bounds, events: 70 } })
    expect(await counted(tenant)).toEqual(exactly(300))
  })

  test('the same batch three times: the commit was lost twice', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    for (const event of calls(tenant, 0, 80)) source.append(`${tenant}-a`, payloadOf(event))
    const dir = testFolder(onTestFinished)
    for (let life = 0; life < 2; life++) {
      const { step, dead } = killedAt('before commit')
      source.step = step
      await started({ source, dir })
      await dead
    }
    source.step = () => undefined
    await drained({ source, dir })
    expect(await counted(tenant)).toEqual(exactly(80))
    expect(source.log).toEqual([`plan ${tenant}-a/ingest 100-890`, `commit ${tenant}-a/ingest 900`])
  })
})

describe('what cannot be stored is set aside, untouched, and stops nothing', () => {
  const letters = (dir: string) =>
    readdirSync(join(dir, 'dlq'))
      .sort()
      .map((name) => {
        const bytes = readFileSync(join(dir, 'dlq', name))
        const cut = bytes.indexOf(10)
        return {
          name,
          head: JSON.parse(bytes.toString('utf8', 0, cut)) as Record<string, unknown>,
          payload: bytes.subarray(cut + 1),
        }
      })

  test('garbage, a newer version, and a row the store refuses', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    const dir = testFolder(onTestFinished)
    const good = calls(tenant, 0, 40)
    const garbage = Buffer.from('this is no event')
    const newer = payloadOf({ ...exchange({ tenant, id: idOf(900) }), v: 2 as 1 })
    const poison = payloadOf(exchange({ tenant, id: idOf(901) }))
    for (const event of good.slice(0, 10)) source.append(`${tenant}-a`, payloadOf(event))
    source.append(`${tenant}-a`, garbage)
    source.append(`${tenant}-a`, newer)
    source.append(`${tenant}-a`, poison)
    const unpriceable = payloadOf(exchange({ tenant, id: idOf(902) }))
    source.append(`${tenant}-a`, unpriceable)
    for (const event of good.slice(10)) source.append(`${tenant}-a`, payloadOf(event))

    const refusing: Enrich = (event, position) => {
      if (event.id === idOf(902)) throw new RangeError('no such thing')
      const enriched = enrich(event, position)
      return event.id === idOf(901) ? { ...enriched, row: { ...enriched.row, prompt_hash: 'no number' } } : enriched
    }
    const { stored, metrics } = await drained({ source, dir, enrich: refusing })

    // The refused row's bodies were in before it was refused: bodies go first.
    expect(await counted(tenant)).toEqual({ ...exactly(40), bodies: '41' })
    expect(stored).toEqual([40])
    expect(letters(dir)).toMatchObject([
      { head: { reason: 'undecodable', source: { partition: `${tenant}-a`, first: 200, last: 200 } }, payload: garbage },
      {
        head: { reason: 'newer_version', error: expect.stringContaining('version 2') as string, source: { first: 210 } },
        payload: newer,
      },
      {
        head: { reason: 'refused', error: expect.stringContaining('DB::Exception') as string, source: { first: 220 } },
        payload: poison,
      },
      { head: { reason: 'enrich_failed', error: 'no such thing', source: { first: 230 } }, payload: unpriceable },
    ])
    expect(await metrics.registry.getSingleMetricAsString('weir_dead_letters_total')).toContain(
      'weir_dead_letters_total{where="ingest"} 4',
    )
  })

  test('killed while a batch is halved: still once each, one letter', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    const dir = testFolder(onTestFinished)
    for (const event of calls(tenant, 0, 33)) source.append(`${tenant}-a`, payloadOf(event))
    const refusing: Enrich = (event, position) => {
      const enriched = enrich(event, position)
      return event.id === idOf(20) ? { ...enriched, row: { ...enriched.row, total_ms: 'x' as unknown as number } } : enriched
    }
    const { step, dead } = killedAt('after requests', 2)
    await started({ source, dir, enrich: refusing, insert: stepped(step) })
    await dead
    await drained({ source, dir, enrich: refusing })
    expect(await counted(tenant)).toEqual({ ...exactly(32), bodies: '33' })
    expect(letters(dir).map(({ name }) => name)).toEqual([`${tenant}-a_300-300_refused.dead`])
  })

  test('an unknown column is no fault of the data: the batch waits', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    const dir = testFolder(onTestFinished)
    source.append(`${tenant}-a`, payloadOf(exchange({ tenant })))
    let migrated = false
    const insert: Db['insert'] = async (table, lines, token) => {
      if (!migrated)
        throw new DbError(117, 'Code: 117. DB::Exception: Unknown field found while parsing JSONEachRow format: new_column')
      await db.insert(table, lines, token)
    }
    const { consumer, store, retries } = await started({ source, dir, insert })
    await eventually(() => expect(retries.length).toBeGreaterThan(2))
    expect(store.trouble?.message).toContain('new_column')
    migrated = true
    await consumer.stop(10_000)
    expect(await counted(tenant)).toEqual(exactly(1))
    expect(existsSync(join(dir, 'dlq')) ? readdirSync(join(dir, 'dlq')) : []).toEqual([])
  })
})

describe('the store is away', () => {
  test('the batch is tried until it is taken, health says so, and nothing is doubled', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    const dir = testFolder(onTestFinished)
    for (const event of calls(tenant, 0, 50)) source.append(`${tenant}-a`, payloadOf(event))
    let away = true
    const insert: Db['insert'] = async (table, lines, token) => {
      if (away && table === 'requests') {
        // It had the rows, and the answer was lost: the worst case of an unreachable store.
        await db.insert(table, lines, token)
        throw new DbError(210, 'Code: 210. DB::NetException: Connection refused')
      }
      await db.insert(table, lines, token)
    }
    const { consumer, retries, store, metrics } = await started({ source, dir, insert })
    await eventually(() => expect(retries.length).toBeGreaterThan(3))
    expect(store.trouble).toMatchObject({ message: expect.stringContaining('Connection refused') as string })
    expect(consumer.lagSeconds()).toBeGreaterThan(0)
    away = false
    await consumer.stop(10_000)
    expect(store.trouble).toBeNull()
    expect(consumer.lagSeconds()).toBe(0)
    expect(await counted(tenant)).toEqual(exactly(50))
    expect(await metrics.registry.getSingleMetricAsString('weir_ingest_events_total')).toContain('weir_ingest_events_total 50')
  })

  test('stopping does not wait for it beyond its time; the next life ends the batch', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    const dir = testFolder(onTestFinished)
    source.append(`${tenant}-a`, payloadOf(exchange({ tenant })))
    const { consumer } = await started({ source, dir, insert: () => Promise.reject(new DbError(0, 'gone')) })
    await consumer.stop(50)
    expect(source.log).toEqual([`plan ${tenant}-a/ingest 100-100`])
    await drained({ source, dir })
    expect(await counted(tenant)).toEqual(exactly(1))
  })
})

describe('events that may lie in the log twice', () => {
  test('one that is stored from elsewhere, or earlier in its batch, is left out; a new one is taken', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    const dir = testFolder(onTestFinished)
    const [a, b, c] = calls(tenant, 0, 3, (n) => ({ identity: { ...nobody, userId: `user-${n}` } })) as [
      Exchange,
      Exchange,
      Exchange,
    ]
    source.append(`${tenant}-a`, payloadOf(a))
    await drained({ source, dir })
    source.append(`${tenant}-again`, payloadOf(a), true) // stored from the other partition
    source.append(`${tenant}-again`, payloadOf(b), true) // new
    source.append(`${tenant}-again`, payloadOf(b), true) // earlier in this batch
    source.append(`${tenant}-again`, payloadOf(c))
    await drained({ source, dir })
    expect(await counted(tenant)).toEqual(exactly(3))
  })

  test('after a crash its own rows do not make it a double', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    const dir = testFolder(onTestFinished)
    for (const event of calls(tenant, 0, 5)) source.append(`${tenant}-again`, payloadOf(event), true)
    const { step, dead } = killedAt('before commit')
    source.step = step
    await started({ source, dir })
    await dead
    source.step = () => undefined
    const { stored } = await drained({ source, dir })
    expect(stored).toEqual([5])
    expect(await counted(tenant)).toEqual(exactly(5))
  })
})

test('a round lasts as long as its inserts leave it, and no longer than it may', () => {
  const pace: Bounds = { ...bounds, everyMs: 750, insertShare: 1 / 4, latestMs: 5000 }
  expect([0, 100, 600, 1200, 90_000].map((ms) => roundMs(pace, ms))).toEqual([750, 750, 2400, 4800, 5000])
})

test('many partitions share one pace: what is not full waits until inserts are no more than their share', async () => {
  const tenant = ownTenant()
  const source = memorySource()
  const partitions = ['a', 'b', 'c', 'd'].map((name) => `${tenant}-${name}`)
  const add = (n: number): void => {
    for (const [i, partition] of partitions.entries())
      source.append(partition, payloadOf(exchange({ tenant, id: idOf(n * 4 + i) })))
  }
  const begun: number[] = []
  source.step = (name) => {
    if (name === 'before plan') begun.push(performance.now())
    return undefined
  }
  const insert: Setup['insert'] = async (...asked) => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    return db.insert(...asked)
  }
  add(1)
  const pace: Bounds = { ...bounds, insertShare: 1 / 5 }
  const { consumer } = await started({ source, dir: testFolder(onTestFinished), insert, bounds: pace })
  onTestFinished(() => consumer.stop(1000))
  await eventually(() => expect(begun).toHaveLength(partitions.length))
  add(2)
  await eventually(() => expect(begun).toHaveLength(2 * partitions.length))
  const [first = 0, , , , next = 0] = begun
  // Four batches, each of two inserts of 20 ms and more: timers may be a millisecond early.
  expect(next - first).toBeGreaterThan(4 * 2 * 19 * 5)
})

test('a log that fails is read again from what is on disk', async () => {
  const tenant = ownTenant()
  const source = memorySource()
  for (const event of calls(tenant, 0, 20)) source.append(`${tenant}-a`, payloadOf(event))
  let failures = 3
  source.step = (name) => (name === 'before commit' && failures-- > 0 ? Promise.reject(new Error('EIO: i/o error')) : undefined)
  const { consumer } = await started({ source, dir: testFolder(onTestFinished) })
  const troubled: Consumer['trouble'][] = []
  await eventually(() => {
    if (consumer.trouble !== null) troubled.push(consumer.trouble)
    expect(source.log.at(-1)).toBe(`commit ${tenant}-a/ingest 300`)
  })
  expect(troubled[0]?.message).toBe('EIO: i/o error')
  await consumer.stop(1000)
  expect(await counted(tenant)).toEqual(exactly(20))
})

describe('what the log had no room for is told once', () => {
  const gap = (tenant: string, at: number) => ({
    at,
    next: at + 10,
    tenant,
    reason: 'limit',
    n: 7,
    fromMs: 1_795_600_800_000,
    toMs: 1_795_600_801_500,
  })
  const told = (tenant: string) =>
    db.rows(
      'gaps',
      'SELECT writer, reason, n, toString(from_ts) AS begins, toString(to_ts) AS ends FROM log_gaps WHERE tenant_id = {t:String}',
      { t: tenant },
    )
  const row = (tenant: string) => ({
    writer: `${tenant}-a`,
    reason: 'limit',
    n: '7',
    begins: '2026-11-25 10:00:00.000',
    ends: '2026-11-25 10:00:01.500',
  })

  test('with the batch that passes it, also when the commit is lost', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    const dir = testFolder(onTestFinished)
    for (const event of calls(tenant, 0, 3)) source.append(`${tenant}-a`, payloadOf(event))
    source.tell(`${tenant}-a`, gap(tenant, 105))
    const { step, dead } = killedAt('before commit')
    source.step = step
    await started({ source, dir })
    await dead
    source.step = () => undefined
    await drained({ source, dir })
    expect(await told(tenant)).toEqual([row(tenant)])
    expect(await counted(tenant)).toEqual(exactly(3))
  })

  test('when nothing else comes', async () => {
    const tenant = ownTenant()
    const source = memorySource()
    source.append(`${tenant}-a`, payloadOf(exchange({ tenant })))
    source.tell(`${tenant}-a`, gap(tenant, 110))
    await drained({ source, dir: testFolder(onTestFinished) })
    expect(await told(tenant)).toEqual([row(tenant)])
    expect(source.log.at(-1)).toBe(`commit ${tenant}-a/ingest 120`)
  })
})
