import { describe, expect, test } from 'vitest'
import type { Exchange } from '../../core/exchange.js'
import { openPriceBook } from '../../core/prices/book.js'
import { exchange } from '../testing.js'
import { enrich } from './enrich.js'
import type { RequestRow } from './enriched.js'

const book = openPriceBook()
const rowOf = (more: Partial<Exchange>): RequestRow => enrich(exchange(more), { source: 'w', offset: 1 }, { book }).row
const lines = (...events: readonly unknown[]): Exchange['reqBody'] => ({
  bytes: Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join('')),
  encoding: null,
  truncated: false,
})

const counts = (contentChars: number): Exchange['counts'] => ({ ...exchange().counts, contentChars, reqBytes: 10, resBytes: 10 })
/** A response of gpt-realtime that was open when its connection ended; 40 characters of it had come. */
const cut: Partial<Exchange> = {
  provider: 'openai',
  api: 'realtime',
  operation: 'chat',
  endpoint: 'GET /openai/v1/realtime',
  streaming: true,
  status: 101,
  outcome: 'client_abort',
  requestModel: 'gpt-realtime',
  responseModel: 'gpt-realtime',
  finishReason: null,
  usageRaw: [],
  connection: exchange().id,
  reqBody: lines({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'What is a weir?' }] },
  }),
  resBody: lines({ type: 'response.output_text.delta', response_id: 'r', delta: 'x'.repeat(40) }),
  counts: counts(40),
}

describe('a response that was cut', () => {
  test('is estimated from what was said', () => {
    const row = rowOf(cut)
    expect(row).toMatchObject({ usage_source: 'estimated', usage_reason: 'cut', cost_status: 'estimated', output_tokens: 10 })
    expect(row.input_tokens).toBeGreaterThan(0)
  })

  test('claims no output where sound was delivered, and no input where something was said before', () => {
    const row = rowOf({ ...cut, notes: ['sound_not_counted', 'context_not_counted'] })
    expect([row.input_tokens, row.output_tokens, row.cost_total]).toEqual([null, null, null])
    expect(row).toMatchObject({ usage_reason: 'cut', cost_status: 'unpriced' })
    expect(rowOf({ ...cut, notes: ['context_not_counted'] })).toMatchObject({
      input_tokens: null,
      output_tokens: 10,
      // 10 x 16 per million, and what the input cost.
      cost_total: '0.00016',
      cost_status: 'partial',
    })
  })
})

describe('a connection', () => {
  const connection: Partial<Exchange> = { ...cut, api: 'realtime_session', operation: '', outcome: 'complete' }

  test('costs nothing beside its responses', () => {
    expect(rowOf(connection)).toMatchObject({
      input_tokens: null,
      usage_source: 'none',
      usage_reason: 'not_applicable',
      cost_total: '0',
      cost_status: 'not_billable',
      cost_reason: 'connection',
    })
  })

  test('that could not be read, or was lost with its proxy, may have held responses: its cost is unknown', () => {
    const unreadable = [{ source: 'frames', json: '"unreadable"' }]
    expect(rowOf({ ...connection, usageRaw: unreadable, notes: ['unreadable'] })).toMatchObject({
      usage_reason: 'unreadable',
      cost_total: null,
      cost_status: 'unpriced',
    })
    expect(rowOf({ ...connection, outcome: 'proxy_lost', status: 0 })).toMatchObject({
      usage_reason: 'lost',
      cost_total: null,
      cost_status: 'unpriced',
    })
    expect(rowOf({ ...connection, status: 401 })).toMatchObject({ cost_total: '0', cost_status: 'not_billable' })
  })
})
