import { brotliCompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readUsage } from '../../usage-reader.js'
import type { Usage } from '../../usage.js'
import type { AnswerFacts } from '../answer.js'
import { splitsOf } from '../framing/splits.js'
import { storedZstd } from '../framing/stored-zstd.js'
import { readAnswer, type Answering } from '../read-answer.js'
import { recordings, recordingsDir, type Recording } from '../recordings.js'
import { outputAtStart } from './usage.js'

const asked: Answering = {
  family: 'anthropic',
  api: 'messages',
  provider: 'anthropic',
  streaming: true,
  status: 200,
  contentType: 'text/event-stream',
  contentEncoding: null,
}

type Read = AnswerFacts & { readonly terminal: boolean; readonly content: boolean; readonly usage: Usage }

const read = async (answering: Answering, pieces: readonly Buffer[]): Promise<Read> => {
  const reader = readAnswer(answering)
  for (const piece of pieces) reader.push(piece)
  await reader.end()
  const facts = reader.facts()
  const usage = readUsage(answering.provider, answering.api, facts.usageRaw)
  return { ...facts, terminal: reader.terminal, content: reader.content, usage }
}

interface Event {
  readonly type: string
  readonly [key: string]: unknown
}

const sse = (...events: readonly Event[]): Buffer =>
  Buffer.from(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''))
const streamed = async (...events: readonly Event[]): Promise<Read> => read(asked, [sse(...events)])
const body = async (value: unknown, more: Partial<Answering> = {}): Promise<Read> =>
  read({ ...asked, streaming: false, contentType: 'application/json', ...more }, [Buffer.from(JSON.stringify(value))])

const start = (usage: object | null | undefined): Event => ({
  type: 'message_start',
  message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-sonnet-4-6', content: [], stop_reason: null, usage },
})
const text = (said: string): Event => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: said } })
const delta = (usage: object | null | undefined, stop_reason: string | null = 'end_turn'): Event => ({
  type: 'message_delta',
  delta: { stop_reason, stop_sequence: null },
  usage,
})
const stop: Event = { type: 'message_stop' }
const begun = {
  input_tokens: 2479,
  cache_creation_input_tokens: 300,
  cache_read_input_tokens: 20,
  cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
  output_tokens: 6,
  service_tier: 'standard',
  inference_geo: 'us',
}

describe('the end overwrites the start, field by field', () => {
  test('a field that is left out stays', async () => {
    const { usage } = await streamed(start(begun), text('Hi'), delta({ input_tokens: 404_500, output_tokens: 943 }), stop)
    expect(usage).toMatchObject({
      inputTokens: 404_820, // 404,500 + 300 + 20
      cacheReadTokens: 20,
      cacheWriteTokens: 300,
      cacheWrite5mTokens: 100,
      cacheWrite1hTokens: 200,
      outputTokens: 943,
      reasoningTokens: null,
      serviceTier: 'standard',
      region: 'us',
      usageSource: 'wire',
      notes: [],
    })
  })

  test('so does one that is null, and one of an event that has no usage', async () => {
    const nothing = { input_tokens: null, cache_creation_input_tokens: null, cache_read_input_tokens: null, cache_creation: null }
    const { usage } = await streamed(
      start(begun),
      delta({ ...nothing, output_tokens: 9, server_tool_use: null, service_tier: null, inference_geo: null, iterations: null }),
      delta(null),
      delta(undefined),
    )
    // 2,479 + 300 + 20
    expect(usage).toMatchObject({
      inputTokens: 2799,
      cacheWrite1hTokens: 200,
      outputTokens: 9,
      serviceTier: 'standard',
      region: 'us',
    })
  })

  test('0 is a value: it overwrites', async () => {
    const { usage } = await streamed(start(begun), delta({ cache_read_input_tokens: 0, output_tokens: 0 }))
    // 2,479 + 300
    expect(usage).toMatchObject({ inputTokens: 2779, cacheReadTokens: 0, outputTokens: 0 })
  })

  test('of several the newest value of each field wins', async () => {
    const { usage, finishReason } = await streamed(
      start(begun),
      delta({ input_tokens: 3000, output_tokens: 10, output_tokens_details: { thinking_tokens: 4 } }, null),
      delta({ output_tokens: 40 }),
    )
    expect(usage).toMatchObject({ inputTokens: 3320, outputTokens: 40, reasoningTokens: 4 }) // 3,000 + 300 + 20
    expect(finishReason).toBe('end_turn')
  })

  test('a split that no longer adds up is not believed', async () => {
    const { usage } = await streamed(start(begun), delta({ cache_creation_input_tokens: 450, output_tokens: 1 }))
    expect(usage).toMatchObject({
      cacheWriteTokens: 450,
      cacheWrite5mTokens: null,
      cacheWrite1hTokens: null,
      notes: ['ttl_split_mismatch'],
    })
  })

  test('a whole usage needs no message_stop', async () => {
    const { usage, terminal, finishReason } = await streamed(start(begun), text('Hi'), delta({ output_tokens: 12 }))
    expect({ terminal, finishReason }).toEqual({ terminal: false, finishReason: 'end_turn' })
    expect(usage).toMatchObject({ inputTokens: 2799, outputTokens: 12, usageSource: 'wire' })
  })
})

describe('a stream that told no end', () => {
  test('the input stands; the output of the start is no result, but as much was made', async () => {
    const { usage, usageRaw } = await streamed(start(begun), text('Hi'))
    expect(usage).toMatchObject({ inputTokens: 2799, outputTokens: null, usageSource: 'wire' })
    expect(outputAtStart(usageRaw)).toBe(6)
  })

  test.each([
    ['zeros', { input_tokens: 0, output_tokens: 0 }],
    ['zeros of all kinds', { input_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 }],
    ['nothing', {}],
    ['null', null],
  ])('%s at the start are no input', async (_, usage) => {
    expect((await streamed(start(usage), text('Hi'))).usage).toMatchObject({
      inputTokens: null,
      cacheReadTokens: null,
      cacheWriteTokens: null,
      usageSource: 'none',
    })
    expect((await streamed(start(usage), delta({ output_tokens: 5 }))).usage).toMatchObject({
      inputTokens: null,
      outputTokens: 5,
    })
  })

  test('what is told at the end alone is told', async () => {
    const told = { input_tokens: 15, output_tokens: 5, cache_read_input_tokens: 30, server_tool_use: { web_search_requests: 0 } }
    expect((await streamed(start({ input_tokens: 0, output_tokens: 0 }), delta(told), stop)).usage).toMatchObject({
      inputTokens: 45, // 15 + 30
      outputTokens: 5,
      cacheReadTokens: 30,
      cacheWriteTokens: null,
      extra: {},
    })
  })
})

describe('one usage object', () => {
  const usageOf = async (usage: object): Promise<Usage> =>
    (await body({ id: 'm', type: 'message', model: 'c', content: [], stop_reason: 'end_turn', usage })).usage

  test('what is not told of the cache is null, not 0', async () => {
    expect(await usageOf({ input_tokens: 7, output_tokens: 3 })).toMatchObject({
      inputTokens: 7,
      outputTokens: 3,
      cacheReadTokens: null,
      cacheWriteTokens: null,
      cacheWrite5mTokens: null,
      cacheWrite1hTokens: null,
      serviceTier: null,
      region: null,
    })
    expect(await usageOf({ input_tokens: 7, output_tokens: 3, cache_read_input_tokens: 2, cache_creation: null })).toMatchObject({
      inputTokens: 9,
      cacheReadTokens: 2,
      cacheWriteTokens: null,
      notes: [],
    })
  })

  test('lifetimes: both, one, none; without the sum they are the sum', async () => {
    const written = { input_tokens: 3, cache_creation_input_tokens: 50, output_tokens: 1 }
    const split = async (cache_creation: object, more: object = written): Promise<readonly unknown[]> => {
      const { cacheWriteTokens, cacheWrite5mTokens, cacheWrite1hTokens, inputTokens, notes } = await usageOf({
        ...more,
        cache_creation,
      })
      return [inputTokens, cacheWriteTokens, cacheWrite5mTokens, cacheWrite1hTokens, ...notes]
    }
    expect(await split({ ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 30 })).toEqual([53, 50, 20, 30])
    expect(await split({ ephemeral_1h_input_tokens: 50 })).toEqual([53, 50, 0, 50])
    expect(await split({})).toEqual([53, 50, null, null])
    expect(await split({ ephemeral_5m_input_tokens: 20 })).toEqual([53, 50, null, null, 'ttl_split_mismatch'])
    expect(await split({ ephemeral_1h_input_tokens: 8 }, { input_tokens: 3, output_tokens: 1 })).toEqual([11, 8, 0, 8])
  })

  test('thoughts, tools of the provider, tier and place', async () => {
    const usage = {
      input_tokens: 1,
      output_tokens: 90,
      output_tokens_details: { thinking_tokens: 53 },
      server_tool_use: { web_search_requests: 2, web_fetch_requests: 3, code_execution_requests: 4, tool_search_requests: 0 },
      service_tier: 'priority',
      inference_geo: 'not_available',
    }
    expect(await usageOf(usage)).toMatchObject({
      reasoningTokens: 53,
      extra: { web_search_requests: 2, web_fetch_requests: 3, code_interpreter_calls: 4 },
      serviceTier: 'priority',
      region: null,
    })
    expect(await usageOf({ ...usage, speed: 'fast', inference_geo: 'us' })).toMatchObject({ serviceTier: 'fast', region: 'us' })
    expect(await usageOf({ ...usage, speed: 'standard', inference_geo: null })).toMatchObject({
      serviceTier: 'priority',
      region: null,
    })
  })

  test('more thoughts than output are clamped', async () => {
    expect(await usageOf({ input_tokens: 1, output_tokens: 5, output_tokens_details: { thinking_tokens: 9 } })).toMatchObject({
      reasoningTokens: 5,
      notes: ['clamped_reasoning'],
    })
  })

  test('a whole usage of 0 is what the provider said', async () => {
    expect(await usageOf({ input_tokens: 0, output_tokens: 0 })).toMatchObject({ inputTokens: 0, outputTokens: 0 })
  })
})

describe('iterations', () => {
  const compaction = {
    type: 'compaction',
    input_tokens: 100,
    output_tokens: 83,
    cache_read_input_tokens: 55_096,
    cache_creation_input_tokens: 40,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 40 },
  }
  const last = {
    type: 'message',
    input_tokens: 181,
    output_tokens: 8,
    cache_read_input_tokens: 0,
    cache_creation_input_tokens: 60,
    cache_creation: { ephemeral_5m_input_tokens: 60, ephemeral_1h_input_tokens: 0 },
  }
  const top = { input_tokens: 181, output_tokens: 8, cache_read_input_tokens: 0, cache_creation_input_tokens: 60 }
  const both = {
    inputTokens: 55_477, // 100 + 55,096 + 40 and 181 + 60
    outputTokens: 91, // 83 + 8
    cacheReadTokens: 55_096,
    cacheWriteTokens: 100,
    cacheWrite5mTokens: 60,
    cacheWrite1hTokens: 40,
    notes: [],
  }

  test('the call is their sum: the top level leaves the first one out', async () => {
    const { usage } = await streamed(start(begun), delta({ ...top, iterations: [compaction, last] }), stop)
    expect(usage).toMatchObject(both)
    expect(usage.parts).toMatchObject([
      { type: 'compaction', model: null, inputTokens: 55_236, cacheWrite1hTokens: 40, outputTokens: 83, region: 'us' },
      { type: 'message', model: null, inputTokens: 241, cacheWrite5mTokens: 60, outputTokens: 8, serviceTier: 'standard' },
    ])
  })

  test('they stay when a later message_delta has none', async () => {
    const { usage } = await streamed(start(begun), delta({ ...top, iterations: [compaction, last] }, null), delta(top), stop)
    expect(usage).toMatchObject(both)
    const grown = await streamed(
      start(begun),
      delta({ ...top, iterations: [compaction, last] }, null),
      delta({ output_tokens: 100 }),
    )
    // The top level has gone on to 100, the iterations hold 91: the 9 are of the last one.
    expect(grown.usage).toMatchObject({ inputTokens: 55_477, outputTokens: 100, notes: ['total_mismatch'] })
    expect(grown.usage.parts).toMatchObject([{ outputTokens: 83 }, { outputTokens: 17 }])
  })

  test('an advisor has its own model; what it thought is in its own part', async () => {
    const { usage } = await body({
      id: 'm',
      type: 'message',
      model: 'claude-sonnet-4-6',
      content: [],
      usage: {
        input_tokens: 412,
        output_tokens: 531,
        server_tool_use: { web_search_requests: 1 },
        speed: 'fast',
        iterations: [
          { type: 'message', input_tokens: 412, output_tokens: 89, cache_read_input_tokens: 0 },
          {
            type: 'advisor_message',
            model: 'claude-opus-4-8',
            input_tokens: 823,
            output_tokens: 1612,
            output_tokens_details: { thinking_tokens: 1000 },
            service_tier: 'standard',
          },
          { type: 'message', input_tokens: 1348, output_tokens: 442, cache_read_input_tokens: 412 },
        ],
      },
    })
    expect(usage).toMatchObject({
      inputTokens: 2995, // 412 + 823 + 1,348 + 412
      outputTokens: 2143, // 89 + 1,612 + 442
      cacheReadTokens: 412,
      cacheWriteTokens: null,
      reasoningTokens: 1000,
      extra: { web_search_requests: 1 },
      serviceTier: 'fast',
      notes: [],
    })
    expect(
      usage.parts.map(({ type, model, inputTokens, serviceTier, extra }) => [type, model, inputTokens, serviceTier, extra]),
    ).toEqual([
      ['message', null, 412, 'fast', {}],
      ['advisor_message', 'claude-opus-4-8', 823, 'standard', {}],
      ['message', null, 1760, 'fast', {}],
    ])
  })

  test('one alone is the call itself; what the top level left out of it counts', async () => {
    const one = async (entry: object): Promise<Usage> =>
      (await body({ id: 'm', type: 'message', content: [], usage: { ...top, iterations: [entry] } })).usage
    expect(await one(last)).toMatchObject({ inputTokens: 241, outputTokens: 8, cacheWrite5mTokens: 60, parts: [], notes: [] })
    expect(await one({ ...last, output_tokens: 20 })).toMatchObject({ outputTokens: 20, parts: [] })
    expect(await one({ type: 'message', model: 'claude-opus-4-8', ...top })).toMatchObject({
      parts: [{ model: 'claude-opus-4-8' }],
    })
  })

  test.each([[[]], [null], ['x'], [[null, 3, 'x']], [{}]])('%j is none', async (iterations) => {
    const { usage } = await body({ id: 'm', type: 'message', content: [], usage: { ...top, iterations } })
    expect(usage).toMatchObject({ inputTokens: 241, outputTokens: 8, parts: [] })
  })
})

describe('events', () => {
  const whole: readonly Event[] = [
    start(begun),
    { type: 'ping' },
    { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'hm' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'EqQB' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: 't', name: 'f', input: {} } },
    { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{"x":' } },
    { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '"é"}' } },
    text('Zoë "👋"'),
    {
      type: 'content_block_delta',
      index: 2,
      delta: { type: 'citations_delta', citation: { type: 'char_location', cited_text: 'not counted', document_title: 'd' } },
    },
    { type: 'content_block_delta', index: 3, delta: { type: 'compaction_delta', content: 'sum' } },
    { type: 'something_new', index: 4, message: 'of later days' },
    delta({ output_tokens: 60 }, 'tool_use'),
    stop,
  ]
  const seen = {
    responseId: 'msg_1',
    responseModel: 'claude-sonnet-4-6',
    finishReason: 'tool_use',
    error: null,
    events: 15,
    // hm 2, {"x":"é"} 9, Zoë "👋" 8, sum 3
    contentChars: 22,
    toolCalls: 1,
    notes: [],
    terminal: true,
    content: true,
  }
  const total = { inputTokens: 2799, outputTokens: 60 }

  test('all kinds, in all pieces', async () => {
    for (const { name, pieces } of splitsOf(sse(...whole)))
      expect(await read(asked, pieces), name).toMatchObject({ ...seen, usage: total })
  })

  const written = (line: (event: Event) => string): Buffer => Buffer.from(whole.map(line).join(''))
  const backwards = (event: Event): Event => Object.fromEntries(Object.entries(event).toReversed()) as Event

  test.each([
    ['without names', written((event) => `data: ${JSON.stringify(event)}\n\n`)],
    ['with names of its own (Vertex)', written((event) => `event: vertex_event\ndata: ${JSON.stringify(event)}\n\n`)],
    ['named message', written((event) => `event: message\r\ndata:${JSON.stringify(event)}\r\n\r\n`)],
    [
      'padded with blanks',
      written((event) => `event: ${event.type}\ndata: ${JSON.stringify(event).slice(0, -1)}     }      \n\n`),
    ],
    ['their type last', written((event) => `data: ${JSON.stringify(backwards(event))}\n\n`)],
    ['with the end of OpenAI', Buffer.concat([sse(...whole), Buffer.from('data: [DONE]\n\n')])],
  ])('%s', async (_, bytes) => {
    expect(await read(asked, [bytes])).toMatchObject({ ...seen, usage: total })
  })

  test('an error after a 200, and what was told before it', async () => {
    const failed = await streamed(start(begun), text('Hi'), {
      type: 'error',
      error: { type: 'overloaded_error', message: 'Overloaded' },
    })
    expect(failed).toMatchObject({
      error: { kind: 'overloaded', code: 'overloaded_error', message: 'Overloaded' },
      terminal: false,
    })
    expect(failed.usage).toMatchObject({ inputTokens: 2799, outputTokens: null })
  })

  test('thoughts in cipher have begun the answer', async () => {
    const block = { type: 'redacted_thinking', data: 'EmwKAhgB' }
    expect(await streamed(start(begun), { type: 'content_block_start', index: 0, content_block: block })).toMatchObject({
      content: true,
      contentChars: 0,
    })
  })

  test('broken data is noted, and the rest is read', async () => {
    const bytes = Buffer.concat([
      Buffer.from('event: message_start\ndata: {"type":"message_st\n\n'),
      sse(delta({ input_tokens: 4, output_tokens: 5 })),
    ])
    expect(await read(asked, [bytes])).toMatchObject({ notes: ['malformed'], usage: { inputTokens: 4, outputTokens: 5 } })
  })
})

describe('a body', () => {
  test('text, thoughts, a tool of ours and one of theirs; what theirs answered is no output', async () => {
    const answer = await body({
      id: 'msg_2',
      type: 'message',
      role: 'assistant',
      model: 'claude-haiku-4-5',
      stop_reason: 'tool_use',
      content: [
        { type: 'thinking', thinking: 'hm', signature: 's' },
        { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'q' } },
        { type: 'web_search_tool_result', tool_use_id: 's', content: [{ type: 'web_search_result', title: 'not counted' }] },
        { type: 'compaction', content: 'sum' },
        { type: 'text', text: 'Hello' },
        { type: 'tool_use', id: 't', name: 'f', input: {} },
      ],
      usage: { input_tokens: 2, output_tokens: 3 },
    })
    expect(answer).toMatchObject({
      responseId: 'msg_2',
      responseModel: 'claude-haiku-4-5',
      finishReason: 'tool_use',
      contentChars: 25, // hm 2, {"query":"q"} 13, sum 3, Hello 5, {} 2
      toolCalls: 2,
      usage: { inputTokens: 2, outputTokens: 3, usageSource: 'wire' },
    })
  })

  test('of a server that leaves out what it is', async () => {
    expect(
      await body({ id: 'm', model: 'c', content: [{ text: 'ab' }], usage: { input_tokens: 2, output_tokens: 3 } }),
    ).toMatchObject({
      contentChars: 2,
      usage: { inputTokens: 2, outputTokens: 3 },
    })
  })

  test('an error', async () => {
    const refused = { type: 'error', error: { type: 'rate_limit_error', message: 'later' } }
    expect(await body(refused, { status: 429 })).toMatchObject({
      error: { kind: 'rate_limit', code: 'rate_limit_error' },
      usage: { usageSource: 'none' },
    })
  })
})

test.each(['anthropic', 'vertex', 'azure-ai', 'deepseek', 'zai'])('%s: counting tokens is free', async (provider) => {
  const { usage } = await body(
    { input_tokens: 14, context_management: { original_input_tokens: 90 } },
    { api: 'count_tokens', provider },
  )
  expect(usage).toMatchObject({ inputTokens: null, outputTokens: null, usageSource: 'none', reason: 'not_applicable' })
})

const ours = recordings().filter(({ family }) => family === 'anthropic')
const snake = (usage: Omit<Usage, 'parts'>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(usage).map(([field, value]) => [field.replace(/5m|1h|[A-Z]/g, (found) => `_${found.toLowerCase()}`), value]),
  )

describe.skipIf(recordingsDir === null)('recordings', () => {
  test('WEIR_WIRE_FIXTURES names their folder', () => {
    expect(ours.length).toBeGreaterThan(5)
  })

  const expectTold = (recording: Recording, told: Read, how: string): void => {
    expect(snake(told.usage), how).toMatchObject(recording.expect)
    expect(told, how).toMatchObject({ responseModel: recording.modelResponded, events: recording.events, notes: [] })
    expect(told.usage.usageSource, how).toBe(recording.usageSource)
    expect(
      told.usage.parts.map((part) => ({ type: part.type, model: part.model, usage: snake(part) })),
      how,
    ).toMatchObject(recording.lines ?? [])
  }

  test.each(ours)('$id: the same figures in every split and coding', async (recording) => {
    const plain = recording.encoding === 'gzip' ? gunzipSync(recording.body) : recording.body
    const answering: Answering = { ...recording, contentEncoding: null }
    for (const { name, pieces } of splitsOf(plain, plain.length > 30_000 ? 2 : 20))
      expectTold(recording, await read(answering, pieces), name)
    for (const [contentEncoding, bytes] of [
      ['gzip', gzipSync(plain)],
      ['br', brotliCompressSync(plain)],
      ['zstd', storedZstd(plain)],
    ] as const)
      expectTold(recording, await read({ ...answering, contentEncoding }, [bytes]), contentEncoding)
  })
})
