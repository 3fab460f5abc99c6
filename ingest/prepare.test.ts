import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Db } from '../clickhouse/db.js'
import { openTestDb } from '../clickhouse/testing.js'
import type { Exchange, StoredBody } from '../core/exchange.js'
import { openPriceBook } from '../core/prices/book.js'
import { consume, type Enrich } from './consume.js'
import { openDeadLetters } from './dead-letters.js'
import { enrich as enrichWith } from './enrich/enrich.js'
import { createMetrics } from './metrics.js'
import { createPrepare } from './prepare.js'
import { createStore } from './store/store.js'
import { exchange, idOf, memorySource, payloadOf, testFolder } from './testing.js'
import type { CallToCount, Counts } from './tokens/count-call.js'
import { createTokenCounter, type TokenCounter } from './tokens/counter.js'

const stored = (value: unknown): StoredBody => ({ bytes: Buffer.from(JSON.stringify(value)), encoding: null, truncated: false })
/** A chat whose answer told no usage. */
const untold = (n: number, more: Partial<Exchange> = {}): Exchange =>
  exchange({
    id: idOf(n),
    usageRaw: [],
    requestModel: 'gpt-4o',
    responseModel: 'gpt-4o',
    reqBody: stored({ messages: [{ role: 'user', content: 'hello world' }] }),
    resBody: stored({ choices: [{ message: { role: 'assistant', content: 'hello world' } }] }),
    counts: { ...exchange().counts, contentChars: 11 },
    ...more,
  })

const counting = (answer: (call: CallToCount) => Counts | null = () => ({ inputTokens: 8, outputTokens: 2, notes: [] })) => {
  const asked: CallToCount[][] = []
  return {
    asked,
    count: async (calls: readonly CallToCount[]): Promise<readonly (Counts | null)[]> => {
      asked.push([...calls])
      return calls.map(answer)
    },
  }
}

describe('what is asked for', () => {
  test('nothing, and nothing is waited for, where every call told its usage', () => {
    const counter = counting()
    const known = createPrepare(counter)([exchange(), exchange({ id: idOf(2) })])
    expect(known).not.toBeInstanceOf(Promise)
    expect(known).toMatchObject([{ usage: { inputTokens: 1000 }, counts: null, charged: null }, { usage: { inputTokens: 1000 } }])
    expect(counter.asked).toEqual([])
  })

  test('all that need it at once, in their places', async () => {
    const counter = counting()
    const known = await createPrepare(counter)([exchange(), untold(2), exchange({ id: idOf(3) }), untold(4)])
    expect(known.map(({ counts }) => counts?.inputTokens ?? null)).toEqual([null, 8, null, 8])
    expect(counter.asked.map((calls) => calls.length)).toEqual([2])
  })

  test('only the bodies that are needed', async () => {
    const counter = counting()
    const cut = untold(1, {
      provider: 'anthropic',
      api: 'messages',
      outcome: 'client_abort',
      finishReason: null,
      usageRaw: [{ source: 'message_start', json: '{"input_tokens":2000,"output_tokens":1}' }],
    })
    await createPrepare(counter)([cut])
    expect(counter.asked[0]).toMatchObject([{ need: { input: false, output: true }, request: null, contentChars: 11 }])
    expect(counter.asked[0]?.[0]?.response).not.toBeNull()
  })

  test('once for the store and the exporters, failures too: they show the same figures', async () => {
    let fails = true
    const counter = counting(() => (fails ? null : { inputTokens: 8, outputTokens: 2, notes: [] }))
    const prepare = createPrepare(counter)
    expect((await prepare([untold(1)]))[0]?.counts).toBeNull()
    fails = false
    expect((await prepare([untold(1), untold(2)])).map(({ counts }) => counts?.inputTokens ?? null)).toEqual([null, 8])
    expect((await prepare([untold(2)]))[0]?.counts?.inputTokens).toBe(8)
    expect(counter.asked.map((calls) => calls.length)).toEqual([1, 1])
  })

  test('what was counted is forgotten in its turn', async () => {
    const counter = counting()
    const prepare = createPrepare(counter)
    const many = Array.from({ length: 4097 }, (_, i) => untold(i))
    await prepare(many)
    await prepare([many[0] as Exchange, many[4096] as Exchange])
    expect(counter.asked.map((calls) => calls.length)).toEqual([4097, 1])
  })
})

describe('a thousand calls that told nothing', () => {
  let db: Db
  const undo: (() => void)[] = []
  beforeAll(async () => {
    db = await openTestDb(testFolder((remove) => undo.push(remove)))
  })
  afterAll(async () => {
    await db.close()
    for (const remove of undo) remove()
  })

  const book = openPriceBook()
  const enrich: Enrich = (event, position, known) => enrichWith(event, position, known === undefined ? { book } : { book, known })

  const takenIn = async (tenant: string, counter: Pick<TokenCounter, 'count'>): Promise<void> => {
    const source = memorySource()
    for (let n = 0; n < 1000; n++) source.append(`${tenant}-a`, payloadOf(untold(n, { tenant })))
    const consumer = consume({
      source,
      consumer: 'ingest',
      store: createStore({ db, now: Date.now, random: () => 0.01, onRetry: () => undefined }),
      enrich,
      prepare: createPrepare(counter),
      deadLetters: await openDeadLetters({ dir: join(testFolder(onTestFinished), 'dlq'), limitBytes: null, now: Date.now }),
      metrics: createMetrics(),
      bounds: { events: 4000, bytes: 8 * 1024 * 1024, everyMs: 5, insertShare: 1, latestMs: 1000 },
      now: Date.now,
      random: () => 0.01,
      onStored: () => undefined,
      onFault: () => undefined,
    })
    await consumer.stop(30_000)
  }
  const rows = (tenant: string) =>
    db.rows(
      'estimated',
      `SELECT toString(count()) AS n, input_tokens AS input, output_tokens AS output, usage_source AS source, usage_reason AS reason,
         usage_notes AS notes, toString(cost_total) AS cost, cost_status AS status
       FROM requests WHERE tenant_id = {t:String} GROUP BY ALL`,
      { t: tenant },
    )

  test('are counted in one message for each read of the log, and priced', async () => {
    const counter = createTokenCounter({ now: Date.now, onFault: () => undefined })
    onTestFinished(() => counter.close())
    await takenIn('counted', counter)
    // "hello world": 2, and twice 3; 8 x 2.50 + 2 x 10 USD per million.
    expect(await rows('counted')).toEqual([
      {
        n: '1000',
        input: 8,
        output: 2,
        source: 'estimated',
        reason: 'not_on_wire',
        notes: [],
        cost: '0.00004',
        status: 'estimated',
      },
    ])
    expect(counter.messages).toBe(2)
  })

  test('without the tokenizer they are counted roughly, and none is lost', async () => {
    await takenIn('roughly', { count: async (calls) => calls.map(() => null) })
    // 11 characters are 3 tokens; 9 x 2.50 + 3 x 10 USD per million.
    expect(await rows('roughly')).toMatchObject([
      { n: '1000', input: 9, output: 3, source: 'estimated', notes: ['tokenizer_failed'], cost: '0.0000525' },
    ])
  })
})
