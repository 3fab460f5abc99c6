import { hash } from 'node:crypto'
import { brotliCompressSync, deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { storedZstd } from '../../core/providers/framing/stored-zstd.js'
import { nobody, type Exchange, type StoredBody } from '../../core/exchange.js'
import { openPriceBook } from '../../core/prices/book.js'
import { exchange, idOf } from '../testing.js'
import { enrich } from './enrich.js'
import type { Enriched } from './enriched.js'

const book = openPriceBook()
const at = { source: 'writer-a', offset: 42 }
const enriched = (more: Partial<Exchange> = {}): Enriched => enrich(exchange(more), at, { book })

const stored = (value: unknown, more: Partial<StoredBody> = {}): StoredBody => ({
  bytes: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  encoding: null,
  truncated: false,
  ...more,
})
const counts = (more: Partial<Exchange['counts']> = {}): Exchange['counts'] => ({
  reqBytes: 100,
  resBytes: 200,
  chunks: 1,
  events: 1,
  contentChars: 0,
  toolCalls: 0,
  ...more,
})

const request = {
  model: 'gpt-5',
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'What is a weir?' },
  ],
}
const answer = { id: 'c1', model: 'gpt-5-2025-08-07', choices: [{ message: { role: 'assistant', content: 'A low wall.' } }] }
const usageRaw = [
  {
    source: 'usage',
    json: '{"prompt_tokens":10000,"completion_tokens":3000,"total_tokens":13000,"prompt_tokens_details":{"cached_tokens":8000}}',
  },
]

/** A chat of gpt-5: example 5 of cost.md, $0.0335. */
const call: Partial<Exchange> = {
  provider: 'openai',
  api: 'chat',
  startedAt: '2026-08-19T00:00:00.123Z',
  requestModel: 'gpt-5',
  responseModel: 'gpt-5-2025-08-07',
  responseId: 'c1',
  finishReason: 'stop',
  usageRaw,
  reqBody: stored(request),
  resBody: stored(answer),
  counts: counts(),
  sha256: { req: 'aa', res: 'bb' },
}

describe('a hit of our cache', () => {
  const cache = { status: 'hit', originalId: idOf(7), bucket: 2, savedMs: 812 } as const
  const hit: Partial<Exchange> = { ...call, outcome: 'cached', attempts: [], cache }

  // The call is example 5 of cost.md: 10,000 tokens in, 3,000 out, $0.0335.
  test('costs nothing, uses nothing, and says whose answer it is and what it saved', () => {
    const { row, usage } = enriched(hit)
    expect(row).toMatchObject({
      outcome: 'cached',
      cache_status: 'hit',
      cached_from: idOf(7),
      saved_tokens: 13_000,
      saved_ms: 812,
      cost_saved: '0.0335',
      cost_total: '0',
      cost_status: 'not_billable',
      cost_reason: 'cached',
      input_tokens: null,
      output_tokens: null,
      usage_source: 'none',
      usage_reason: 'cached',
      response_model: 'gpt-5-2025-08-07',
      attempts: [],
    })
    expect(row.usage_raw).toContain('prompt_tokens')
    expect(usage.usageSource).toBe('none')
  })

  test.each(['client_abort', 'upstream_abort', 'error_event', 'stall'] as const)(
    'costs nothing, whatever became of it: %s',
    (outcome) => {
      const { row } = enriched({ ...hit, outcome, finishReason: null })
      expect(row).toMatchObject({ outcome, cost_total: '0', cost_saved: '0.0335', input_tokens: null, cache_status: 'hit' })
    },
  )

  test('of an answer that told no usage saved what is not known', () => {
    expect(enriched({ ...hit, usageRaw: [] }).row).toMatchObject({ cost_total: '0', cost_saved: null, saved_tokens: null })
  })

  test('of a model without a price saved what is not known', () => {
    const unknown = { requestModel: 'own-1', responseModel: 'own-1' }
    expect(enriched({ ...hit, ...unknown }).row).toMatchObject({ cost_total: '0', cost_saved: null, saved_tokens: 13_000 })
  })

  test('a miss is told, and charged like any other', () => {
    const { row } = enriched({ ...call, cache: { status: 'miss', originalId: null, bucket: null, savedMs: 0 } })
    expect(row).toMatchObject({
      cache_status: 'miss',
      cached_from: '00000000-0000-0000-0000-000000000000',
      saved_tokens: null,
      saved_ms: 0,
      cost_total: '0.0335',
      cost_saved: null,
    })
  })
})

describe('the row', () => {
  test('of a plain call', () => {
    const { row, bodies, usage, cost } = enriched({
      ...call,
      identity: { ...nobody, userId: 'ada', sessionId: 's1', properties: { team: 'a' }, tags: ['x'] },
    })
    expect(row).toMatchObject({
      ts: '2026-08-19 00:00:00.123',
      source: 'writer-a',
      source_offset: 42,
      user_id: 'ada',
      session_id: 's1',
      properties: { team: 'a' },
      tags: ['x'],
      model: 'gpt-5-2025-08-07',
      request_model: 'gpt-5',
      input_tokens: 10_000,
      cache_read_tokens: 8000,
      output_tokens: 3000,
      usage_source: 'wire',
      usage_reason: '',
      cost_input: '0.0035',
      cost_output: '0.03',
      cost_total: '0.0335',
      cost_status: 'exact',
      cost_reason: '',
      cost_lines: [
        ['input', 'gpt-5', 1, 0, '2000', '1.25', 1_000_000, '1', '0.0025', 'base'],
        ['cache_read', 'gpt-5', 1, 0, '8000', '0.125', 1_000_000, '1', '0.001', 'base'],
        ['output', 'gpt-5', 1, 0, '3000', '10', 1_000_000, '1', '0.03', 'base'],
      ],
      input_preview: 'What is a weir?',
      output_preview: 'A low wall.',
      total_ms: 1500,
      time_to_first_chunk_ms: null,
      prompt_hash: BigInt(`0x${hash('sha256', 'Be brief.', 'hex').slice(0, 16)}`).toString(),
    })
    // 300 until it was sent, 100 after the last byte.
    expect(row.overhead_us).toBe(400)
    expect(bodies).toMatchObject({
      request_body: JSON.stringify(request),
      response_body: JSON.stringify(answer),
      request_state: 'stored',
      response_state: 'stored',
      request_sha256: 'aa',
      response_sha256: 'bb',
    })
    expect([usage.inputTokens, cost.totalUsd]).toEqual([10_000, '0.0335'])
  })

  test('the same event gives the same row', () => {
    expect(JSON.stringify(enriched(call).row)).toBe(JSON.stringify(enriched(call).row))
  })

  test('time to the first chunk is that of the first content, of streams only', () => {
    expect(enriched({ ...call, streaming: true }).row.time_to_first_chunk_ms).toBe(900)
  })

  test('a model override names the model, and its price', () => {
    const { row } = enriched({ ...call, identity: { ...nobody, modelOverride: 'gpt-5-mini' } })
    expect([row.model, row.response_model]).toEqual(['gpt-5-mini', 'gpt-5-2025-08-07'])
    // gpt-5-mini costs a fifth of gpt-5, on both sides.
    expect(Number(row.cost_total) * 5).toBeCloseTo(Number(enriched(call).row.cost_total), 12)
  })
})

describe('trace ids', () => {
  test('of a traceparent', () => {
    const trace = { traceId: 'a'.repeat(32), parentSpanId: 'b'.repeat(16), sampled: false }
    expect(enriched({ ...call, identity: { ...nobody, sessionId: 's', trace } }).row).toMatchObject({
      trace_id: trace.traceId,
      parent_span_id: trace.parentSpanId,
      sampled: false,
    })
  })
  test('of a session, else of the call', () => {
    const first = (text: string): string => hash('sha256', text, 'hex').slice(0, 32)
    expect(enriched({ ...call, identity: { ...nobody, sessionId: 's' } }).row).toMatchObject({
      trace_id: first('t1|default|s'),
      parent_span_id: '',
      sampled: true,
    })
    expect(enriched(call).row.trace_id).toBe(first(`t1|default|${idOf(1)}`))
  })
})

describe('bodies', () => {
  test('allow-listed headers lie beside them, in their order; what looks like a key is masked in all of it', () => {
    const { bodies, row } = enriched({
      ...call,
      reqHeaders: [
        ['user-agent', 'a'],
        ['x-request-id', 'sk-abcdefghijklmnop1234'],
      ],
      resHeaders: [['openai-version', '2020-10-01']],
      reqBody: stored(JSON.stringify({ messages: [{ role: 'user', content: 'my key is sk-abcdefghijklmnop1234' }] })),
      spill: 'default/20260819/id',
    })
    expect(bodies?.request_headers).toEqual([
      ['user-agent', 'a'],
      ['x-request-id', 'sk-abc***'],
    ])
    expect(bodies?.response_headers).toEqual([['openai-version', '2020-10-01']])
    expect(bodies?.request_body).toContain('my key is sk-abc***')
    expect(row.input_preview).toBe('my key is sk-abc***')
    expect(bodies?.spill).toBe('default/20260819/id')
  })

  const text = JSON.stringify(answer)
  test.each([
    ['gzip', gzipSync(text)],
    ['deflate', deflateRawSync(text)],
    ['br', brotliCompressSync(text)],
    ['zstd', storedZstd(Buffer.from(text))],
    ['gzip, br', brotliCompressSync(gzipSync(text))],
    ['gzip', Buffer.from(text)],
  ] as const)('%s is undone', (encoding, bytes) => {
    expect(enriched({ ...call, resBody: { bytes, encoding, truncated: false } }).bodies).toMatchObject({
      response_body: text,
      response_state: 'stored',
    })
  })

  test('what is no text says so', () => {
    expect(
      enriched({ ...call, resBody: { bytes: Buffer.from([0xff, 0x00, 1]), encoding: null, truncated: false } }).bodies,
    ).toMatchObject({ response_body: '', response_state: 'binary' })
    expect(
      enriched({ ...call, resBody: { bytes: Buffer.from('x'), encoding: 'compress', truncated: false } }).bodies,
    ).toMatchObject({ response_body: '', response_state: 'undecodable' })
  })

  test('a cut body shows where it was cut', () => {
    const { bodies } = enriched({ ...call, resBody: stored('aaabbb', { truncated: true }) })
    expect(bodies).toMatchObject({
      response_state: 'truncated',
      response_body: 'aaab\n\n[... the middle of this body was not stored ...]\n\nbb',
    })
  })

  test('left out, and never there', () => {
    expect(enriched({ ...call, reqBody: null, resBody: null }).bodies).toMatchObject({
      request_state: 'omitted',
      response_state: 'omitted',
    })
    expect(
      enriched({
        ...call,
        reqBody: null,
        resBody: null,
        reqHeaders: [],
        resHeaders: [],
        counts: counts({ reqBytes: 0, resBytes: 0 }),
      }).bodies,
    ).toBeNull()
  })
})

describe('previews', () => {
  const said = (content: string): Enriched => enriched({ ...call, reqBody: stored({ messages: [{ role: 'user', content }] }) })
  test('are 300 characters and never end in half of one', () => {
    expect(said('x'.repeat(400)).row.input_preview).toBe('x'.repeat(300))
    expect(said(`${'x'.repeat(299)}👋`).row.input_preview).toBe('x'.repeat(299))
  })
  test('hold no lone surrogate: the store refuses such text', () => {
    expect(said('a\uD83Db').row.input_preview).toBe('a\uFFFDb')
  })
  test('show a tool call where nothing was said', () => {
    const choices = [{ message: { content: null, tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{"x":1}' } }] } }]
    expect(enriched({ ...call, resBody: stored({ choices }) }).row.output_preview).toBe('f({"x":1})')
  })
})

describe('what the provider did not tell', () => {
  const untold: Partial<Exchange> = { ...call, usageRaw: [], counts: counts({ contentChars: 41 }) }

  test('is what the tokenizer counted, where it was asked', () => {
    const known = { usage: null, counts: { inputTokens: 17, outputTokens: 4, notes: [] }, charged: null }
    const { row } = enrich(exchange(untold), at, { book, known })
    // 17 x 1.25 + 4 x 10 per million.
    expect(row).toMatchObject({ input_tokens: 17, output_tokens: 4, usage_notes: [], cost_total: '0.00006125' })
    expect(JSON.stringify(enrich(exchange(untold), at, { book, known }).row)).toBe(JSON.stringify(row))
  })

  test('and could not be counted leaves a lower bound', () => {
    const known = { usage: null, counts: { inputTokens: 17, outputTokens: 4, notes: ['media_not_counted'] }, charged: null }
    expect(enrich(exchange(untold), at, { book, known }).row).toMatchObject({
      cost_total: '0.00006125',
      cost_status: 'partial',
      cost_reason: 'media_not_counted',
    })
  })

  test('is else counted roughly, and marked: four characters a token, three a message', () => {
    // 9 + 15 characters: 6, and 3 x (2 + 1) = 15 in; 41 characters: 11 out.
    expect(enriched(untold).row).toMatchObject({
      input_tokens: 15,
      output_tokens: 11,
      usage_source: 'estimated',
      usage_reason: 'not_on_wire',
      usage_notes: ['tokenizer_failed'],
      cost_status: 'estimated',
      cost_reason: 'not_on_wire',
    })
  })

  test('of a stream that was cut', () => {
    const cut: Partial<Exchange> = { ...untold, streaming: true, outcome: 'upstream_abort', finishReason: null }
    expect(enriched(cut).row).toMatchObject({ usage_source: 'estimated', usage_reason: 'cut', output_tokens: 11 })
    const anthropic: Partial<Exchange> = {
      ...cut,
      provider: 'anthropic',
      api: 'messages',
      responseModel: 'claude-sonnet-4-5',
      usageRaw: [{ source: 'message_start', json: '{"input_tokens":2000,"output_tokens":1}' }],
    }
    // 2,000 x 3 + 11 x 15 per million.
    expect(enriched(anthropic).row).toMatchObject({
      input_tokens: 2000,
      output_tokens: 11,
      usage_reason: 'cut',
      cost_total: '0.006165',
      cost_status: 'estimated',
    })
  })

  test('a usage that had come whole before the cut stays what it is', () => {
    expect(enriched({ ...call, outcome: 'client_abort', finishReason: 'stop' }).row).toMatchObject({
      usage_source: 'wire',
      cost_status: 'exact',
      cost_total: '0.0335',
    })
  })

  test('growing counts are never made smaller', () => {
    const gemini: Partial<Exchange> = {
      ...untold,
      provider: 'gemini',
      api: 'generate_content',
      responseModel: 'gemini-2.5-flash',
      outcome: 'upstream_abort',
      finishReason: null,
      usageRaw: [{ source: 'usageMetadata', json: '{"promptTokenCount":10,"candidatesTokenCount":50,"totalTokenCount":60}' }],
    }
    expect(enriched(gemini).row).toMatchObject({ input_tokens: 10, output_tokens: 50 })
    expect(enriched({ ...gemini, counts: counts({ contentChars: 800 }) }).row).toMatchObject({
      output_tokens: 200,
      usage_source: 'estimated',
      usage_reason: 'cut',
    })
  })
})

test('what was charged before stands in the row', () => {
  const known = { usage: null, counts: null, charged: { usd: '0.01', source: 'estimated' as const } }
  expect(enrich(exchange(call), at, { book, known }).row.price_facts).toEqual({
    charged_usd: '0.01',
    charged_source: 'estimated',
  })
})

describe('each ending', () => {
  const nothing: Partial<Exchange> = {
    ...call,
    usageRaw: [],
    responseModel: null,
    finishReason: null,
    resBody: null,
    counts: counts({ resBytes: 0 }),
  }
  const unanswered = { ...exchange().marksUs, headers: null, firstByte: null, firstContent: null }
  test.each([
    ['refused', { ...nothing, outcome: 'refused', status: 403 }, 'refused', 'not_billable', '0'],
    ['an HTTP error', { ...nothing, status: 429 }, 'not_applicable', 'not_billable', '0'],
    [
      'a client that left before the answer',
      { ...nothing, outcome: 'client_abort', status: 0, marksUs: unanswered },
      'cut',
      'not_billable',
      '0',
    ],
    ['a killed proxy', { ...nothing, outcome: 'proxy_lost', status: 0, marksUs: unanswered }, 'lost', 'unpriced', null],
    ['counting tokens', { ...nothing, provider: 'anthropic', api: 'count_tokens' }, 'not_applicable', 'not_billable', '0'],
  ] as const)('%s', (_, more, reason, status, total) => {
    expect(enriched(more as Partial<Exchange>).row).toMatchObject({
      input_tokens: null,
      output_tokens: null,
      usage_source: 'none',
      usage_reason: reason,
      cost_status: status,
      cost_total: total,
    })
  })
})

test('whatever a provider sent, there is a row', () => {
  for (const json of [
    '',
    '{',
    '[]',
    '{"prompt_tokens":-1}',
    '{"prompt_tokens":1e308,"completion_tokens":1e308}',
    '{"iterations":[null]}',
  ])
    for (const api of ['chat', 'messages', 'generate_content', 'responses', 'embeddings'])
      expect(() =>
        JSON.stringify(
          enriched({
            ...call,
            api,
            usageRaw: [{ source: api === 'generate_content' ? 'usageMetadata' : 'usage', json }],
            reqBody: stored('{{{'),
            resBody: stored('data: {\n'),
          }).row,
        ),
      ).not.toThrow()
})
