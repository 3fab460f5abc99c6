import { describe, expect, test } from 'vitest'
import { readConversation } from '../../conversation.js'
import type { Block } from '../../messages.js'
import { readUsage } from '../../usage-reader.js'
import type { Usage } from '../../usage.js'
import type { AnswerFacts } from '../answer.js'
import { splitsOf } from '../framing/splits.js'
import { readAnswer, type Answering } from '../read-answer.js'

const asked: Answering = {
  family: 'gemini',
  api: 'interactions',
  provider: 'gemini',
  streaming: true,
  status: 200,
  contentType: 'text/event-stream',
  contentEncoding: null,
}

type Read = AnswerFacts & { readonly terminal: boolean; readonly usage: Usage }

const read = (pieces: readonly Buffer[], answering: Partial<Answering> = {}): Read => {
  const reader = readAnswer({ ...asked, ...answering })
  for (const piece of pieces) reader.push(piece)
  void reader.end()
  const facts = reader.facts()
  return { ...facts, terminal: reader.terminal, usage: readUsage('gemini', 'interactions', facts.usageRaw) }
}

interface Event {
  readonly event_type: string
  readonly [key: string]: unknown
}

const stream = (...events: readonly Event[]): Buffer =>
  Buffer.from(
    `${events.map((event) => `event: ${event.event_type}\ndata: ${JSON.stringify(event)}\n\n`).join('')}event: done\ndata: [DONE]\n\n`,
  )
const body = (value: unknown, more: Partial<Answering> = {}): Read =>
  read([Buffer.from(JSON.stringify(value))], { streaming: false, contentType: 'application/json', ...more })

const delta = (index: number, value: object, event_type = 'step.delta'): Event => ({ index, delta: value, event_type })
const completed = (usage: object | undefined, more: object = {}, event_type = 'interaction.completed'): Event => ({
  interaction: { id: 'v1_a', status: 'completed', model: 'gemini-2.5-flash', object: 'interaction', usage, ...more },
  event_type,
})

describe('a stream', () => {
  const events: readonly Event[] = [
    { interaction: { id: 'v1_a', status: 'in_progress', model: 'gemini-2.5-flash' }, event_type: 'interaction.created' },
    { index: 0, step: { type: 'thought' }, event_type: 'step.start' },
    delta(0, { type: 'thought_summary', content: { type: 'text', text: 'hm' } }),
    delta(0, { signature: 'CiUBDDnW', type: 'thought_signature' }),
    { index: 0, event_type: 'step.stop' },
    { index: 1, step: { type: 'function_call', id: 'c', name: 'f', arguments: {} }, event_type: 'step.start' },
    delta(1, { type: 'arguments_delta', arguments: '{"city":' }),
    delta(1, { type: 'arguments_delta', arguments: '"Oslo"}' }),
    { index: 2, step: { type: 'model_output' }, event_type: 'step.start' },
    delta(2, { text: 'Zoë "👋"', type: 'text' }),
    completed(
      { total_tokens: 130, total_input_tokens: 70, total_output_tokens: 20, total_thought_tokens: 30, total_tool_use_tokens: 10 },
      { service_tier: 'flex' },
    ),
  ]

  test('thoughts are output, what tools gave to read is input; the same in all pieces', () => {
    for (const { name, pieces } of splitsOf(stream(...events)))
      expect(read(pieces), name).toMatchObject({
        responseId: 'v1_a',
        responseModel: 'gemini-2.5-flash',
        finishReason: 'completed',
        events: 11,
        // hm 2, {"city":"Oslo"} 15, Zoë "👋" 8
        contentChars: 25,
        toolCalls: 1,
        terminal: true,
        error: null,
        notes: [],
        usage: {
          inputTokens: 80, // 70 + 10
          outputTokens: 50, // 20 + 30
          reasoningTokens: 30,
          cacheReadTokens: 0,
          cacheWriteTokens: null,
          extra: { tool_use_prompt_tokens: 10 },
          serviceTier: 'flex',
          usageSource: 'wire',
          notes: [],
        },
      })
  })

  test('names of the first months, without event lines', () => {
    const text = [
      { interaction: { id: 'v1_a', status: 'in_progress' }, event_type: 'interaction.start' },
      { index: 0, content: { type: 'text' }, event_type: 'content.start' },
      delta(0, { type: 'text', text: 'Hi' }, 'content.delta'),
      delta(1, { type: 'function_call', id: 'c', name: 'f', arguments: { x: 1 } }, 'content.delta'),
      { index: 1, event_type: 'content.stop' },
      completed({ total_input_tokens: 4, total_output_tokens: 2, total_reasoning_tokens: 3 }, {}, 'interaction.complete'),
    ]
      .map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`)
      .join('')
    expect(read([Buffer.from(text)])).toMatchObject({
      contentChars: 9, // Hi, {"x":1}
      toolCalls: 1,
      terminal: true,
      usage: { inputTokens: 4, outputTokens: 5, reasoningTokens: 3 },
    })
  })

  test('the newest value of each field wins; steps may tell it before the end does', () => {
    const usage = read([
      stream(
        { index: 0, usage: { total_input_tokens: 7, total_output_tokens: 3 }, event_type: 'step.stop' },
        { index: 1, usage: { total_output_tokens: 9, total_cached_tokens: 5 }, event_type: 'step.stop' },
        completed(undefined),
      ),
    ]).usage
    expect(usage).toMatchObject({ inputTokens: 7, outputTokens: 9, cacheReadTokens: 5 })
  })

  test('cut before its end: no usage, and no promise of one', () => {
    const { usage, terminal, finishReason, contentChars } = read([stream(...events.slice(0, 10)).subarray(0, 900)])
    expect({ terminal, finishReason, chars: contentChars > 0 }).toEqual({ terminal: false, finishReason: null, chars: true })
    expect(usage).toMatchObject({ usageSource: 'none', reason: 'not_on_wire' })
  })

  test('an error in the middle of it', () => {
    const told = { error: { message: 'Quota exceeded', code: 429, status: 'RESOURCE_EXHAUSTED' }, event_type: 'error' }
    expect(read([stream(...events.slice(0, 3), told)]).error).toEqual({
      kind: 'rate_limit',
      code: 'RESOURCE_EXHAUSTED',
      message: 'Quota exceeded',
    })
    expect(read([stream({ error: { message: 'x', code: 'gateway_timeout' }, event_type: 'error' })]).error).toMatchObject({
      kind: 'server',
    })
  })

  test('modalities, searches and pages', () => {
    const { usage } = read([
      stream(
        { index: 0, step: { type: 'google_search_call', id: 's' }, event_type: 'step.start' },
        delta(0, { type: 'google_search_call', arguments: { queries: ['a', 'b'] } }),
        { index: 1, step: { type: 'google_search_result', result: [{ text: 'found' }] }, event_type: 'step.start' },
        { index: 2, step: { type: 'url_context_call', arguments: { urls: ['u'] } }, event_type: 'step.start' },
        delta(3, { type: 'image', mime_type: 'image/png', data: 'aGk=' }),
        completed({
          total_input_tokens: 700,
          total_tool_use_tokens: 40,
          total_cached_tokens: 300,
          total_output_tokens: 1300,
          total_thought_tokens: 0,
          total_tokens: 2040,
          input_tokens_by_modality: [
            { modality: 'text', tokens: 100 },
            { modality: 'image', tokens: 500 },
            { modality: 'audio', tokens: 100 },
          ],
          tool_use_tokens_by_modality: [{ modality: 'image', tokens: 30 }],
          cached_tokens_by_modality: [
            { modality: 'image', tokens: 250 },
            { modality: 'audio', tokens: 50 },
          ],
          output_tokens_by_modality: [
            { modality: 'image', tokens: 1120 },
            { modality: 'text', tokens: 180 },
          ],
        }),
      ),
    ])
    expect(usage).toMatchObject({
      inputTokens: 740,
      outputTokens: 1300,
      cacheReadTokens: 300,
      reasoningTokens: 0,
      inputAudioTokens: 100,
      inputImageTokens: 530,
      outputImageTokens: 1120,
      outputAudioTokens: null,
      cacheReadImageTokens: 250,
      cacheReadAudioTokens: 50,
      extra: { web_search_requests: 2, web_fetch_requests: 1, tool_use_prompt_tokens: 40 },
      notes: [],
    })
  })

  test('what the provider counted of its tools goes before our count', () => {
    const { usage } = read([
      stream(
        { index: 0, step: { type: 'google_search_call', arguments: { queries: ['a'] } }, event_type: 'step.start' },
        completed({
          total_input_tokens: 1,
          total_output_tokens: 1,
          grounding_tool_count: [
            { type: 'google_search', count: 2, search_query_count: 3 },
            { type: 'google_maps', count: 1 },
          ],
        }),
      ),
    ])
    expect(usage.extra).toEqual({ web_search_requests: 3, google_maps_requests: 1 })
  })
})

describe('a body', () => {
  const usage = { total_input_tokens: 5, total_output_tokens: 6, total_thought_tokens: 7, total_tokens: 18 }

  test('steps and, before them, outputs: what was asked and what tools answered is not content', () => {
    const now = body({
      id: 'v1_b',
      object: 'interaction',
      model: 'gemini-3-pro',
      status: 'completed',
      usage,
      steps: [
        { type: 'user_input', content: [{ type: 'text', text: 'not counted' }] },
        { type: 'thought', signature: 's', summary: [{ type: 'text', text: 'hm' }] },
        { type: 'function_call', id: 'c', name: 'f', arguments: { x: 1 } },
        { type: 'function_result', result: 'not counted' },
        { type: 'model_output', content: [{ type: 'text', text: 'Hello' }] },
      ],
    })
    // hm 2, {"x":1} 7, Hello 5
    expect(now).toMatchObject({ contentChars: 14, toolCalls: 1, finishReason: 'completed', usage: { outputTokens: 13 } })
    const old = body({
      id: 'v1_b',
      agent: 'deep-research',
      status: 'completed',
      usage,
      outputs: [{ type: 'text', text: 'Hello' }],
    })
    expect(old).toMatchObject({ contentChars: 5, responseModel: 'deep-research', usage: { inputTokens: 5, outputTokens: 13 } })
  })

  test.each(['queued', 'in_progress'])('%s: its usage comes with the read that finds it done', (status) => {
    expect(body({ id: 'v1_c', status, object: 'interaction' })).toMatchObject({
      responseId: 'v1_c',
      finishReason: null,
      error: null,
      usage: { usageSource: 'none', reason: 'not_applicable' },
    })
  })

  test('an end that is none', () => {
    expect(body({ id: 'v1_d', status: 'requires_action', usage })).toMatchObject({ finishReason: 'requires_action', error: null })
    expect(body({ id: 'v1_d', status: 'failed' }).error).toEqual({ kind: 'server', code: 'failed', message: '' })
    expect(body({ id: 'v1_d', status: 'failed', error: { code: 503, status: 'UNAVAILABLE', message: 'm' } }).error).toEqual({
      kind: 'overloaded',
      code: 'UNAVAILABLE',
      message: 'm',
    })
  })

  test('an error status', () => {
    const refused = {
      error: { code: 400, message: 'API key not valid.', status: 'INVALID_ARGUMENT', details: [{ reason: 'API_KEY_INVALID' }] },
    }
    expect(body(refused, { status: 400 })).toMatchObject({
      error: { kind: 'auth', code: 'API_KEY_INVALID' },
      usage: { usageSource: 'none' },
    })
    expect(body([refused], { status: 400 })).toMatchObject({ error: { kind: 'auth' } })
  })

  test('a total that fits nothing is noted; null and nonsense are not figures', () => {
    expect(body({ id: 'x', status: 'completed', usage: { ...usage, total_tokens: 99 } }).usage.notes).toEqual(['total_mismatch'])
    expect(
      body({
        id: 'x',
        status: 'completed',
        usage: { total_input_tokens: null, total_output_tokens: -3, input_tokens_by_modality: 'x', grounding_tool_count: [null] },
      }).usage,
    ).toMatchObject({ inputTokens: null, outputTokens: null, cacheReadTokens: null, usageSource: 'none', notes: ['malformed'] })
  })
})

describe('as a conversation', () => {
  const spoken = (requestBody: unknown, responseBody: string) =>
    readConversation({
      family: 'gemini',
      api: 'interactions',
      requestBody: JSON.stringify(requestBody),
      responseBody,
      streaming: false,
    })
  const text = (words: string): Block => ({ type: 'text', text: words })

  test('turns, steps and loose parts asked; steps answered', () => {
    const found = spoken(
      {
        system_instruction: 'Be brief.',
        input: [
          { role: 'user', content: 'Hi' },
          { role: 'model', content: [{ type: 'text', text: 'Hello' }] },
          { type: 'function_call', id: 'c', name: 'f', arguments: { x: 1 } },
          { type: 'function_result', call_id: 'c', name: 'f', result: { y: 2 } },
          { type: 'text', text: 'And this?' },
          { type: 'image', data: 'aGk=', mime_type: 'image/png' },
        ],
      },
      JSON.stringify({
        id: 'v1_a',
        steps: [
          { type: 'user_input', content: [{ type: 'text', text: 'Hi' }] },
          { type: 'thought', summary: [{ type: 'text', text: 'hm' }] },
          { type: 'google_search_call', id: 's', arguments: { queries: ['a'] } },
          { type: 'model_output', content: [{ type: 'text', text: 'A cat.' }] },
        ],
      }),
    )
    expect(found).toEqual({
      answerAt: 5,
      notes: [],
      messages: [
        { role: 'system', name: null, blocks: [text('Be brief.')] },
        { role: 'user', name: null, blocks: [text('Hi')] },
        { role: 'assistant', name: null, blocks: [text('Hello')] },
        { role: 'assistant', name: null, blocks: [{ type: 'tool_call', id: 'c', name: 'f', arguments: '{"x":1}' }] },
        {
          role: 'user',
          name: null,
          blocks: [
            { type: 'tool_result', id: 'c', name: 'f', text: '{"y":2}', error: false },
            text('And this?'),
            { type: 'media', kind: 'image', mediaType: 'image/png', url: null, bytes: 2 },
          ],
        },
        {
          role: 'assistant',
          name: null,
          blocks: [
            { type: 'thinking', text: 'hm', redacted: false },
            { type: 'tool_call', id: 's', name: 'google_search', arguments: '{"queries":["a"]}' },
            text('A cat.'),
          ],
        },
      ],
    })
  })

  test('a stream is put together again, by either names of its events', () => {
    const answer = stream(
      { interaction: { id: 'v1_a', status: 'in_progress' }, event_type: 'interaction.created' },
      { index: 0, step: { type: 'thought' }, event_type: 'step.start' },
      delta(0, { type: 'thought_summary', content: { type: 'text', text: 'h' } }),
      delta(0, { type: 'thought_summary', content: { type: 'text', text: 'm' } }),
      delta(0, { type: 'thought_signature', signature: 'x' }),
      { index: 1, step: { type: 'function_call', id: 'c', name: 'f', arguments: {} }, event_type: 'step.start' },
      delta(1, { type: 'arguments_delta', arguments: '{"x":' }),
      delta(1, { type: 'arguments_delta', arguments: '1}' }),
      { index: 2, step: { type: 'model_output' }, event_type: 'step.start' },
      delta(2, { type: 'text', text: 'A ' }),
      delta(2, { type: 'text', text: 'cat.' }),
      completed({ total_tokens: 1 }),
    ).toString()
    const blocks = [
      { type: 'thinking', text: 'hm', redacted: false },
      { type: 'tool_call', id: 'c', name: 'f', arguments: '{"x":1}' },
      text('A cat.'),
    ]
    for (const body of [answer, answer.replaceAll('step.', 'content.').replaceAll('"step":', '"content":')])
      expect(spoken({ input: 'What?' }, body)?.messages).toEqual([
        { role: 'user', name: null, blocks: [text('What?')] },
        { role: 'assistant', name: null, blocks },
      ])
  })

  test('a stream that tells its steps only in the end; outputs of the first months', () => {
    const told = stream(completed(undefined, { steps: [{ type: 'model_output', content: [{ type: 'text', text: 'Hi' }] }] }))
    expect(spoken({}, told.toString())?.messages).toEqual([{ role: 'assistant', name: null, blocks: [text('Hi')] }])
    expect(spoken({}, JSON.stringify({ outputs: [{ type: 'text', text: 'Hi' }] }))?.messages).toEqual([
      { role: 'assistant', name: null, blocks: [text('Hi')] },
    ])
  })

  test('odd bodies leave notes, not errors', () => {
    for (const body of ['', 'data: {', '{"steps":[null,1,{"type":7}],"outputs":{}}', '{"steps":"x"}'])
      expect(spoken({ input: [null, 3, { role: 'user' }, { content: null }] }, body)?.answerAt).toBeGreaterThanOrEqual(0)
  })
})

test('what predict was given and made', () => {
  const said = (request: unknown, answer: unknown) =>
    readConversation({
      family: 'gemini',
      api: 'predict',
      requestBody: JSON.stringify(request),
      responseBody: JSON.stringify(answer),
      streaming: false,
    })?.messages.map(({ role, blocks }) => [role, ...blocks])
  const image: Block = { type: 'media', kind: 'image', mediaType: 'image/png', url: null, bytes: 2 }
  expect(
    said({ instances: [{ prompt: 'A cat' }] }, { predictions: [{ mimeType: 'image/png', bytesBase64Encoded: 'aGk=' }] }),
  ).toEqual([
    ['user', { type: 'text', text: 'A cat' }],
    ['assistant', image],
  ])
  expect(said({ instances: [{ content: 'a' }, { content: 'b' }] }, { predictions: [{ embeddings: { values: [1] } }] })).toEqual([
    ['user', { type: 'text', text: 'a' }],
    ['user', { type: 'text', text: 'b' }],
  ])
})
