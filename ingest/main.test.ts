import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Db } from '../clickhouse/db.js'
import { openTestDb } from '../clickhouse/testing.js'
import { loadConfig, type Config } from '../core/config.js'
import { parseConfigFile } from '../core/config/parse.js'
import { nobody, encodeExchange, type Exchange } from '../core/exchange.js'
import { startOtlpReceiver, type OtlpReceiver } from '../e2e/otlp-receiver.js'
import { openJournal } from '../journal/open.js'
import type { JournalWriter } from '../journal/port.js'
import { openJournalSource } from '../journal/source.js'
import { consumersOf, startIngest, type Ingest } from './main.js'
import { exchange, idOf, testFolder } from './testing.js'

const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 20_000, interval: 20 })

/** One data folder: its journal as the proxy writes it, its store, its configuration. */
const house = async (exports: readonly Partial<Config['exports'][number]>[] = []) => {
  const dataDir = testFolder(onTestFinished)
  const base = loadConfig({ WEIR_DATA: dataDir }, dataDir)
  const config: Config = {
    ...base,
    exports: exports.map((more) => ({
      name: 'd',
      profile: 'otlp',
      endpoint: '',
      protocol: 'protobuf',
      headers: {},
      content: 'none',
      respectSampled: true,
      maxLag: 512 * 1024 ** 2,
      ...more,
    })),
  }
  const db = await openTestDb(config.dataDir)
  const journal = await openJournal({
    dir: join(dataDir, 'journal'),
    durability: 'standard',
    limitBytes: 1024 ** 3,
    now: Date.now,
  })
  onTestFinished(async () => {
    await journal.close()
    await db.close()
  })
  return { config, db, journal }
}

const write = (journal: JournalWriter, more: Partial<Exchange>): Promise<void> =>
  new Promise((resolve, reject) => {
    const event = exchange({ writer: journal.writer, startedAt: new Date().toISOString(), ...more })
    journal.append(
      'end',
      event.id,
      event.tenant,
      encodeExchange({ ...event, reqBody: null, resBody: null }),
      'standard',
      (failure) => (failure === null ? resolve() : reject(failure)),
    )
  })

const started = async (
  config: Config,
  db: Db,
  rows: number[] = [],
  checks = { firstMs: 3_600_000, everyMs: 3_600_000 },
): Promise<Ingest & { close: () => Promise<void> }> => {
  const source = await openJournalSource({ dir: join(config.dataDir, 'journal'), consumers: consumersOf(config) })
  const ingest = await startIngest({
    config,
    sourceOf: () => source,
    db,
    now: Date.now,
    log: { warn: () => undefined, info: () => undefined },
    onStored: (n) => rows.push(n),
    checks,
    version: '0.1.0',
  })
  return {
    ...ingest,
    async close() {
      await ingest.stop()
      await source.close()
    },
  }
}

const receiver = async (): Promise<OtlpReceiver> => {
  const to = await startOtlpReceiver()
  onTestFinished(() => to.close())
  return to
}

test('other prices hold from the next call on, and what was stored stays as it was booked', async () => {
  const { config, db, journal } = await house()
  const rows: number[] = []
  const ingest = await started(config, db, rows)
  await write(journal, { id: idOf(1) })
  await eventually(() => expect(rows).toEqual([1]))
  const { prices } = parseConfigFile(
    { path: 'weir.yaml', text: 'prices: [{ provider: openai, model: gpt-4o-mini, prices: { input: "1", output: "2" } }]' },
    {},
  )
  const before = ingest.book().id
  ingest.usePrices({ ...config, prices })
  await write(journal, { id: idOf(2) })
  await eventually(() => expect(rows).toEqual([1, 1]))
  // 1,000 x 0.15 + 100 x 0.60 a million, then 1,000 x 1 + 100 x 2.
  expect(
    await db.rows('costs', 'SELECT toString(cost_total) AS cost, price_id AS book FROM requests ORDER BY request_id'),
  ).toEqual([
    { cost: '0.00021', book: before },
    { cost: '0.0012', book: ingest.book().id },
  ])
  expect(() => ingest.usePrices({ prices: [], providers: { mine: {} } })).toThrow('an own provider needs an origin')
  expect(ingest.book().id).not.toBe(before)
  await eventually(async () =>
    expect(await db.rows('kept', 'SELECT DISTINCT price_id AS book FROM model_prices ORDER BY price_id')).toEqual(
      [before, ingest.book().id].sort().map((book) => ({ book })),
    ),
  )
  await ingest.close()
})

test('from the journal into the store and out to a destination, priced', async () => {
  const to = await receiver()
  const { config, db, journal } = await house([{ name: 'jaeger', endpoint: to.endpoint }])
  const rows: number[] = []
  const ingest = await started(config, db, rows)
  await write(journal, { id: idOf(1), identity: { ...nobody, userId: 'ada', sessionId: 's1' } })
  await eventually(() => expect(rows).toEqual([1]))
  // gpt-4o-mini: 1,000 x 0.15 / 10^6 + 100 x 0.60 / 10^6 USD
  expect(
    await db.rows(
      'row',
      'SELECT toString(request_id) AS id, user_id, source, input_tokens, output_tokens, toString(cost_total) AS cost FROM requests',
    ),
  ).toEqual([{ id: idOf(1), user_id: 'ada', source: journal.writer, input_tokens: 1000, output_tokens: 100, cost: '0.00021' }])

  await eventually(() => expect(to.accepted()).toHaveLength(2))
  expect(to.accepted()[1]).toMatchObject({
    name: 'chat gpt-4o-mini',
    attributes: {
      'gen_ai.usage.cost': 0.00021,
      'weir.cost.total': '0.00021',
      'weir.cost.status': 'exact',
      'gen_ai.usage.input_tokens': 1000,
    },
    resource: { 'service.name': 'weir', 'service.version': '0.1.0', 'service.instance.id': journal.writer },
  })
  // The row and the span name the same trace and span.
  expect(await db.rows('ids', 'SELECT trace_id, span_id FROM requests')).toEqual([
    { trace_id: to.accepted()[1]?.traceId, span_id: to.accepted()[1]?.spanId },
  ])

  await eventually(() =>
    expect(ingest.health()).toEqual({ causes: [], ingest: { lagSeconds: 0, lagBytes: 0, events: 1, deadLetters: 0 } }),
  )
  await eventually(() =>
    expect(ingest.destinations()).toMatchObject([{ name: 'jaeger', state: 'ok', sent: 2, dropped: 0, lagSeconds: null }]),
  )
  const metrics = await ingest.metrics.metrics()
  for (const line of [
    'weir_ingest_events_total 1',
    'weir_stored_requests_total{provider="openai",model="gpt-4o-mini-2024-07-18",outcome="complete",error_kind=""} 1',
    'weir_cost_usd_total{provider="openai",model="gpt-4o-mini-2024-07-18"} 0.00021',
    'weir_attempts_total{target="openai",error_kind=""} 1',
    'weir_export_sent_total{destination="jaeger"} 2',
    'weir_export_lag_seconds{destination="jaeger"} 0',
    'gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt-4o-mini",gen_ai_response_model="gpt-4o-mini-2024-07-18",error_type="",gen_ai_token_type="input"} 1000',
    'gen_ai_client_operation_duration_seconds_sum{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt-4o-mini",gen_ai_response_model="gpt-4o-mini-2024-07-18",error_type=""} 1.5',
  ])
    expect(metrics).toContain(line)
  expect(metrics).not.toMatch(/ada|s1"|default"/)
  await ingest.close()
})

test('a destination that is away shows in health, delays neither the store nor the other one, and gets all of it later', async () => {
  const [away, there] = [await receiver(), await receiver()]
  away.answer(() => ({ kind: 'status', status: 404 }))
  const { config, db, journal } = await house([
    { name: 'away', endpoint: away.endpoint },
    { name: 'there', endpoint: there.endpoint, protocol: 'json' },
  ])
  const rows: number[] = []
  const first = await started(config, db, rows)
  for (let n = 0; n < 50; n++) await write(journal, { id: idOf(n) })
  await eventually(() => expect(there.accepted()).toHaveLength(100))
  await eventually(() => expect(rows.reduce((sum, n) => sum + n, 0)).toBe(50))
  await eventually(() => expect(first.health().causes.map(({ cause }) => cause)).toEqual(['export_failing{away}']))
  expect(first.health().causes[0]?.effect).toContain('HTTP 404')
  await eventually(() =>
    expect(first.destinations()).toMatchObject([
      { name: 'away', state: 'failing', sent: 0 },
      { name: 'there', state: 'ok', sent: 100 },
    ]),
  )
  await first.close()

  away.answer(() => ({ kind: 'ok' }))
  const second = await started(config, db)
  await eventually(() => expect(away.accepted()).toHaveLength(100))
  expect(second.health().causes).toEqual([])
  await second.close()
  expect(there.accepted()).toHaveLength(100) // its own position: nothing again
  expect(await db.rows('n', 'SELECT count() AS n FROM requests')).toEqual([{ n: '50' }])
})

test('stopping takes in what was written before', async () => {
  const to = await receiver()
  const { config, db, journal } = await house([{ name: 'd', endpoint: to.endpoint }])
  const ingest = await started(config, db)
  for (let n = 0; n < 20; n++) await write(journal, { id: idOf(n) })
  await ingest.close()
  expect(await db.rows('n', 'SELECT count() AS n FROM requests')).toEqual([{ n: '20' }])
  expect(to.accepted()).toHaveLength(40)
})

test('a record that cannot be stored is a cause of degradation, with its folder', async () => {
  const { config, db, journal } = await house()
  const ingest = await started(config, db)
  await new Promise<void>((resolve, reject) => {
    journal.append('end', idOf(1), 'default', [Buffer.from('not an event')], 'standard', (failure) =>
      failure === null ? resolve() : reject(failure),
    )
  })
  await eventually(() => expect(ingest.health().causes.map(({ cause }) => cause)).toEqual(['dead_letters']))
  expect(ingest.health().causes[0]?.effect).toContain(join(config.dataDir, 'dlq'))
  expect(ingest.health().ingest.deadLetters).toBe(1)
  await ingest.close()
})

test('the log keeps records for the store and each destination that is configured, and for no other', async () => {
  const { config } = await house([{ name: 'a' }, { name: 'b' }])
  expect(consumersOf(config)).toEqual(['ingest', 'otlp-a', 'otlp-b'])
  expect(consumersOf({ exports: [] })).toEqual(['ingest'])
})

test('a roll-up that counts a call twice is mended while ingest goes on, and counted', async () => {
  const { config, db, journal } = await house()
  const rows: number[] = []
  const dayMs = 86_400_000
  const yesterday = new Date(Math.floor(Date.now() / dayMs) * dayMs - dayMs / 2).toISOString()
  const first = await started(config, db, rows)
  await write(journal, { id: idOf(1), startedAt: yesterday })
  await eventually(() => expect(rows).toEqual([1]))
  await first.close()
  const sum = () => db.rows('sum', 'SELECT sum(n) AS n, toString(sum(cost)) AS cost FROM r_user_1d')
  await db.exec('INSERT INTO r_user_1d SELECT * FROM r_user_1d SETTINGS insert_deduplicate = 0')
  await db.exec('INSERT INTO r_model_1h SELECT * FROM r_model_1h SETTINGS insert_deduplicate = 0')
  expect(await sum()).toEqual([{ n: '2', cost: '0.00042' }])

  const second = await started(config, db, rows, { firstMs: 10, everyMs: 3_600_000 })
  onTestFinished(() => second.close())
  await eventually(async () =>
    expect(await second.metrics.getSingleMetricAsString('weir_rollup_repairs_total')).toContain('weir_rollup_repairs_total 1'),
  )
  expect(await sum()).toEqual([{ n: '1', cost: '0.00021' }])
  await write(journal, { id: idOf(2) })
  await eventually(async () => expect(await sum()).toEqual([{ n: '2', cost: '0.00042' }]))
})
