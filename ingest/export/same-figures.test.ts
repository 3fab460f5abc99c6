import { expect, onTestFinished, test, vi } from 'vitest'
import type { Db } from '../../clickhouse/db.js'
import { openTestDb } from '../../clickhouse/testing.js'
import { loadConfig, type Config } from '../../core/config.js'
import type { Exchange, StoredBody } from '../../core/exchange.js'
import { startOtlpReceiver, type OtlpReceiver } from '../../e2e/otlp-receiver.js'
import { startIngest } from '../main.js'
import { exchange, idOf, memorySource, payloadOf, testFolder, type MemorySource } from '../testing.js'

// A trace destination shows the figures of the row, whichever of the two was made first.

const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 20_000, interval: 20 })

const body = (value: unknown): StoredBody => ({ bytes: Buffer.from(JSON.stringify(value)), encoding: null, truncated: false })
const said = (more: Partial<Exchange>): Exchange =>
  exchange({ startedAt: new Date().toISOString(), requestModel: 'gpt-4o', responseModel: 'gpt-4o', ...more })

/** "hello world" is 2 tokens: 8 in and 2 out, 8 x 2.50 + 2 x 10 USD per million = 0.00004. */
const untold = (n: number): Exchange =>
  said({
    id: idOf(n),
    usageRaw: [],
    reqBody: body({ messages: [{ role: 'user', content: 'hello world' }] }),
    resBody: body({ choices: [{ message: { role: 'assistant', content: 'hello world' } }] }),
    counts: { ...exchange().counts, contentChars: 11 },
  })
/** 1,000 x 2.50 + 100 x 10 USD per million = 0.0035. */
const read = (n: number, more: Partial<Exchange> = {}): Exchange =>
  said({
    id: idOf(n),
    api: 'responses',
    endpoint: 'GET /v1/responses/{id}',
    responseId: 'resp_1',
    usageRaw: [{ source: 'usage', json: '{"input_tokens":1000,"output_tokens":100,"total_tokens":1100}' }],
    ...more,
  })
/** A stream of the same response that was cut before its usage: 8 in, 2 out by our count. */
const cut = (n: number): Exchange =>
  read(n, {
    endpoint: 'POST /v1/responses',
    usageRaw: [],
    streaming: true,
    outcome: 'client_abort',
    finishReason: null,
    reqBody: body({ input: 'hello world' }),
    resBody: {
      ...body(''),
      bytes: Buffer.from('event: response.output_text.delta\ndata: {"output_index":0,"delta":"hello world"}\n\n'),
    },
    counts: { ...exchange().counts, contentChars: 11 },
  })

interface Figures {
  readonly id: string
  readonly input: number | null
  readonly output: number | null
  readonly source: string
  readonly cost: string | null
  readonly status: string
}

const rows = (db: Db): Promise<Figures[]> =>
  db.rows<Figures>(
    'figures',
    `SELECT toString(request_id) AS id, input_tokens AS input, output_tokens AS output, usage_source AS source,
       toString(cost_total) AS cost, cost_status AS status
     FROM requests ORDER BY id`,
  )
const spans = (to: OtlpReceiver): Figures[] =>
  to
    .accepted()
    .filter(({ name }) => name.startsWith('chat '))
    .map(({ attributes }) => ({
      id: String(attributes['weir.request.id']),
      input: (attributes['gen_ai.usage.input_tokens'] as number | undefined) ?? null,
      output: (attributes['gen_ai.usage.output_tokens'] as number | undefined) ?? null,
      source: String(attributes['weir.usage.source']),
      cost: (attributes['weir.cost.total'] as string | undefined) ?? null,
      status: String(attributes['weir.cost.status']),
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))

const house = async (source: MemorySource, to: OtlpReceiver, held: Promise<void> = Promise.resolve()) => {
  const dataDir = testFolder(onTestFinished)
  const base = loadConfig({ WEIR_DATA: dataDir }, dataDir)
  const destination: Config['exports'][number] = {
    name: 'd',
    profile: 'otlp',
    endpoint: to.endpoint,
    protocol: 'protobuf',
    headers: {},
    content: 'none',
    respectSampled: true,
    maxLag: 512 * 1024 ** 2,
  }
  const db = await openTestDb(base.dataDir)
  const ingest = await startIngest({
    config: { ...base, exports: [destination] },
    sourceOf: () => source,
    db: {
      ...db,
      async insert(table, lines, token) {
        await held
        await db.insert(table, lines, token)
      },
    },
    now: Date.now,
    log: { warn: () => undefined, info: () => undefined },
  })
  onTestFinished(async () => {
    await ingest.stop()
    await db.close()
  })
  return db
}

test('calls that were counted, and reads of a response that was charged', async () => {
  const to = await startOtlpReceiver()
  onTestFinished(() => to.close())
  const source = memorySource()
  const events = [
    untold(1),
    cut(2),
    read(3),
    read(4),
    untold(5),
    read(6, { responseId: 'resp_2' }),
    read(7, { responseId: 'resp_2' }),
  ]
  for (const event of events) source.append('writer-a', payloadOf(event))
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const db = await house(source, to, held)

  // The store is away: what needs no verdict is shown, and what comes behind a read waits with it.
  await eventually(() => expect(spans(to).map(({ id }) => id)).toEqual([idOf(1), idOf(2)]))
  expect(await rows(db)).toEqual([])
  release()
  await eventually(() => expect(spans(to)).toHaveLength(7))

  const estimated = { input: 8, output: 2, source: 'estimated', cost: '0.00004', status: 'estimated' }
  const told = { input: 1000, output: 100, source: 'wire' }
  expect(await rows(db)).toEqual([
    { id: idOf(1), ...estimated },
    { id: idOf(2), ...estimated },
    // What the estimate left of 0.0035.
    { id: idOf(3), ...told, cost: '0.00346', status: 'exact' },
    { id: idOf(4), ...told, cost: '0', status: 'not_billable' },
    { id: idOf(5), ...estimated },
    { id: idOf(6), ...told, cost: '0.0035', status: 'exact' },
    { id: idOf(7), ...told, cost: '0', status: 'not_billable' },
  ])
  expect(spans(to)).toEqual(await rows(db))
})
