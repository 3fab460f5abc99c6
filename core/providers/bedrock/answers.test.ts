import { describe, expect, test } from 'vitest'
import { readUsage } from '../../usage-reader.js'
import type { Usage } from '../../usage.js'
import type { AnswerFacts } from '../answer.js'
import { chunkFrame, errorFrame, eventFrame, exceptionFrame } from '../framing/event-frames.js'
import { splitsOf } from '../framing/splits.js'
import { readAnswer } from '../read-answer.js'

type Facts = AnswerFacts & { readonly terminal: boolean; readonly content: boolean; readonly usage: Usage }

interface Answer {
  readonly api: 'converse' | 'invoke'
  readonly bytes: Buffer
  readonly status?: number
  readonly contentType?: string | null
  readonly errorType?: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly requestModel?: string
}

const readPieces = (answer: Answer, pieces: readonly Buffer[]): Facts => {
  const { api, status = 200, errorType, headers = [], requestModel = null } = answer
  const contentType = answer.contentType === undefined ? 'application/vnd.amazon.eventstream' : answer.contentType
  const reader = readAnswer({
    family: 'bedrock',
    api,
    provider: 'bedrock',
    streaming: contentType !== 'application/json',
    status,
    contentType,
    contentEncoding: null,
    errorType,
  })
  for (const piece of pieces) reader.push(piece)
  void reader.end()
  const facts = reader.facts()
  const usage = readUsage('bedrock', api, facts.usageRaw, { resHeaders: headers, requestModel })
  return { ...facts, terminal: reader.terminal, content: reader.content, usage }
}

/** Reads an answer whole, and makes sure that every split gives the same. */
const read = (answer: Answer): Facts => {
  const whole = readPieces(answer, [answer.bytes])
  for (const { name, pieces } of splitsOf(answer.bytes, 5)) expect(readPieces(answer, pieces), name).toEqual(whole)
  return whole
}
const converse = (...frames: readonly Buffer[]): Facts => read({ api: 'converse', bytes: Buffer.concat(frames) })
const chunks = (...values: readonly unknown[]): Facts => read({ api: 'invoke', bytes: Buffer.concat(values.map(chunkFrame)) })
const body = (api: 'converse' | 'invoke', value: unknown, more: Partial<Answer> = {}): Facts =>
  read({ api, bytes: Buffer.from(JSON.stringify(value)), contentType: 'application/json', ...more })

const metrics = (inputTokenCount: number, outputTokenCount: number, more: object = {}): object => ({
  'amazon-bedrock-invocationMetrics': { inputTokenCount, outputTokenCount, invocationLatency: 9, firstByteLatency: 3, ...more },
})

describe('converse', () => {
  test('a stream: text, reasoning and tools are counted, the last frame tells the usage', () => {
    const facts = converse(
      eventFrame('messageStart', { role: 'assistant', p: 'abcd' }),
      eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { reasoningContent: { text: 'hmm "é"' } }, p: 'ab' }),
      eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { reasoningContent: { signature: 'c2ln' } } }),
      eventFrame('contentBlockStop', { contentBlockIndex: 0 }),
      eventFrame('contentBlockDelta', { contentBlockIndex: 1, delta: { text: 'Zoë 👋' }, p: '"text":"no"' }),
      eventFrame('contentBlockDelta', {
        contentBlockIndex: 1,
        delta: { citation: { title: 't', sourceContent: [{ text: 'long' }] } },
      }),
      eventFrame('contentBlockStart', { contentBlockIndex: 2, start: { toolUse: { toolUseId: 't1', name: 'f' } } }),
      eventFrame('contentBlockDelta', { contentBlockIndex: 2, delta: { toolUse: { input: '{"a":' } } }),
      eventFrame('contentBlockDelta', { contentBlockIndex: 2, delta: { toolUse: { input: '1}' } } }),
      eventFrame('messageStop', { stopReason: 'tool_use' }),
      eventFrame('metadata', {
        usage: { inputTokens: 11, outputTokens: 5, totalTokens: 146, cacheReadInputTokens: 100, cacheWriteInputTokens: 30 },
        metrics: { latencyMs: 9 },
        serviceTier: { type: 'priority' },
        performanceConfig: { latency: 'optimized' },
      }),
    )
    // `hmm "é"` 7, `Zoë 👋` 6 (two units for the hand), `{"a":1}` 7.
    expect(facts).toMatchObject({
      events: 11,
      contentChars: 20,
      toolCalls: 1,
      finishReason: 'tool_use',
      terminal: true,
      responseModel: null,
      error: null,
      notes: [],
    })
    expect(facts.usage).toMatchObject({
      // 11 + 100 + 30
      inputTokens: 141,
      outputTokens: 5,
      cacheReadTokens: 100,
      cacheWriteTokens: 30,
      cacheWrite5mTokens: null,
      serviceTier: 'priority',
      usageSource: 'wire',
      notes: [],
    })
  })

  test('messageStop is not the end: the usage comes behind it', () => {
    const frames = [
      eventFrame('contentBlockDelta', { delta: { text: 'a' } }),
      eventFrame('messageStop', { stopReason: 'end_turn' }),
    ]
    expect(converse(...frames)).toMatchObject({ terminal: false, finishReason: 'end_turn', usage: { usageSource: 'none' } })
  })

  test('cache counts that are left out are 0; both spellings; writes by how long they live', () => {
    const usageOf = (usage: object): Usage => body('converse', { output: { message: { content: [] } }, usage }).usage
    expect(usageOf({ inputTokens: 7, outputTokens: 2, totalTokens: 9 })).toMatchObject({
      inputTokens: 7,
      outputTokens: 2,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      cacheWrite5mTokens: null,
      cacheWrite1hTokens: null,
      reasoningTokens: null,
    })
    expect(usageOf({ inputTokens: 7, outputTokens: 2, cacheReadInputTokenCount: 40, cacheReadInputTokens: 0 })).toMatchObject({
      inputTokens: 47,
      cacheReadTokens: 40,
    })
    const details = [
      { inputTokens: 30, ttl: '5m' },
      { inputTokens: 50, ttl: '1h' },
      { inputTokens: 20, ttl: '5m' },
    ]
    expect(usageOf({ inputTokens: 1, outputTokens: 2, cacheWriteInputTokens: 100, cacheDetails: details })).toMatchObject({
      inputTokens: 101,
      cacheWriteTokens: 100,
      cacheWrite5mTokens: 50,
      cacheWrite1hTokens: 50,
      notes: [],
    })
    expect(usageOf({ inputTokens: 1, outputTokens: 2, cacheWriteInputTokens: 90, cacheDetails: details })).toMatchObject({
      cacheWriteTokens: 90,
      cacheWrite5mTokens: null,
      cacheWrite1hTokens: null,
      notes: ['ttl_split_mismatch'],
    })
    expect(usageOf({ inputTokens: 1, outputTokens: 2, totalTokens: 500 }).notes).toEqual(['total_mismatch'])
    expect(usageOf({ inputTokens: null, outputTokens: null })).toMatchObject({ cacheReadTokens: null, usageSource: 'none' })
  })

  test('a body: blocks of all kinds; the router says which model answered', () => {
    const facts = body('converse', {
      output: {
        message: {
          role: 'assistant',
          content: [
            { reasoningContent: { reasoningText: { text: 'hm', signature: 's' } } },
            { text: 'abc' },
            { toolUse: { toolUseId: 't', name: 'f', input: { a: 1 } } },
            { citationsContent: { content: [{ text: 'de' }], citations: [] } },
          ],
        },
      },
      stopReason: 'tool_use',
      usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7, serverToolUsage: { webSearchRequests: 2 } },
      trace: {
        promptRouter: {
          invokedModelId: 'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-5-sonnet-20240620-v1:0',
        },
      },
    })
    expect(facts).toMatchObject({
      // 2 + 3 + 7 + 2
      contentChars: 14,
      toolCalls: 1,
      finishReason: 'tool_use',
      responseModel: 'us.anthropic.claude-3-5-sonnet-20240620-v1:0',
      usage: { extra: { web_search_requests: 2 } },
    })
  })

  test.each([
    ['throttlingException', { message: 'Too many requests' }, 'rate_limit'],
    ['modelStreamErrorException', { message: 'm', originalStatusCode: 500, originalMessage: 'o' }, 'server'],
    ['internalServerException', { message: 'm' }, 'server'],
    ['serviceUnavailableException', { message: 'm' }, 'overloaded'],
    ['modelTimeoutException', { message: 'm' }, 'server'],
    ['validationException', { message: 'm' }, 'bad_request'],
    ['validationException', { message: 'Input is too long for requested model.' }, 'context_length'],
    ['somethingNewException', {}, 'server'],
  ] as const)('%s %j in a stream is an error of the kind %s', (type, payload, kind) => {
    const facts = converse(eventFrame('contentBlockDelta', { delta: { text: 'ab' } }), exceptionFrame(type, payload))
    expect(facts).toMatchObject({ error: { kind, code: type }, contentChars: 2, terminal: false, events: 2 })
    const chunked = read({
      api: 'invoke',
      bytes: Buffer.concat([chunkFrame({ outputText: 'ab' }), exceptionFrame(type, payload)]),
    })
    expect(chunked).toMatchObject({ error: { kind, code: type }, contentChars: 2, events: 2 })
  })

  test('an error frame without a payload', () => {
    expect(converse(errorFrame('InternalFailure', 'It broke.'))).toMatchObject({
      error: { kind: 'server', code: 'InternalFailure', message: 'It broke.' },
    })
  })

  test('a damaged frame ends the reading, what was read before it stays', () => {
    const last = eventFrame('metadata', { usage: { inputTokens: 1, outputTokens: 1 } })
    last[last.length - 10] = 0
    const facts = converse(eventFrame('contentBlockDelta', { delta: { text: 'ab' } }), last)
    expect(facts).toMatchObject({ contentChars: 2, notes: ['bad_checksum'], terminal: false, usage: { usageSource: 'none' } })
  })

  test('a payload that is no JSON is noted; an unknown event is nothing', () => {
    const broken = converse(
      eventFrame('metadata', 'x'),
      eventFrame('newEvent', { a: 1 }),
      eventFrame('messageStop', { stopReason: 'a' }),
    )
    expect(broken).toMatchObject({ notes: ['malformed'], finishReason: 'a', error: null, events: 3 })
  })

  test('frames without a content type are known by their first byte', () => {
    const bytes = eventFrame('contentBlockDelta', { delta: { text: 'ab' } })
    expect(read({ api: 'converse', bytes, contentType: null })).toMatchObject({ contentChars: 2, notes: [] })
  })
})

describe('errors of a status', () => {
  test.each([
    [
      400,
      'ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/',
      'Input Tokens Exceeded',
      'context_length',
      'ValidationException',
    ],
    [400, 'ValidationException', 'The provided model identifier is invalid.', 'not_found', 'ValidationException'],
    [400, 'ServiceQuotaExceededException', 'm', 'quota', 'ServiceQuotaExceededException'],
    [429, 'ModelNotReadyException', 'm', 'overloaded', 'ModelNotReadyException'],
    [429, 'ThrottlingException', 'm', 'rate_limit', 'ThrottlingException'],
    [403, 'ExpiredTokenException', 'm', 'auth', 'ExpiredTokenException'],
    [403, 'UnrecognizedClientException', 'm', 'auth', 'UnrecognizedClientException'],
    [404, 'ResourceNotFoundException', 'm', 'not_found', 'ResourceNotFoundException'],
    [424, 'ModelErrorException', 'm', 'server', 'ModelErrorException'],
    [408, 'ModelTimeoutException', 'm', 'server', 'ModelTimeoutException'],
    [503, undefined, 'm', 'overloaded', '503'],
    [429, undefined, 'm', 'rate_limit', '429'],
    [400, undefined, 'prompt is too long', 'context_length', '400'],
  ] as const)('%i %s "%s" is %s', (status, errorType, message, kind, code) => {
    for (const api of ['converse', 'invoke'] as const)
      expect(body(api, { message }, { status, ...(errorType === undefined ? {} : { errorType }) }), api).toMatchObject({
        error: { kind, code, message },
        usage: { usageSource: 'none' },
      })
  })

  test('the type in the body', () => {
    for (const told of [
      { __type: 'com.amazon.coral.service#ThrottlingException', message: 'm' },
      { __type: 'ThrottlingException', Message: 'm' },
    ])
      expect(body('converse', told, { status: 400 }).error).toEqual({
        kind: 'rate_limit',
        code: 'ThrottlingException',
        message: 'm',
      })
    expect(
      body(
        'converse',
        { Output: { __type: 'com.amazon.coral.service#UnknownOperationException' }, Version: '1.0' },
        { status: 404 },
      ).error,
    ).toMatchObject({ kind: 'not_found', code: 'UnknownOperationException' })
  })
})

describe('invoke: Claude', () => {
  const start = (usage: object): object => ({
    type: 'message_start',
    message: { id: 'm1', type: 'message', model: 'claude-x', usage },
  })

  test('message_delta may tell the output alone: what message_start told stays', () => {
    const facts = chunks(
      start({ input_tokens: 5, cache_read_input_tokens: 40, cache_creation_input_tokens: 3, output_tokens: 1 }),
      { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 't', name: 'f', input: {} } },
      { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{}' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 9 } },
      { type: 'message_stop', ...metrics(5, 9, { cacheReadInputTokenCount: 40, cacheWriteInputTokenCount: 3 }) },
    )
    expect(facts).toMatchObject({
      events: 6,
      responseModel: 'claude-x',
      responseId: 'm1',
      finishReason: 'tool_use',
      toolCalls: 1,
      contentChars: 2,
      terminal: true,
      notes: [],
      usage: { inputTokens: 48, outputTokens: 9, cacheReadTokens: 40, cacheWriteTokens: 3, usageSource: 'wire' },
    })
  })

  test('keys in another order', () => {
    const facts = chunks(
      { message: { id: 'm1', model: 'c', type: 'message', usage: { input_tokens: 5, output_tokens: 1 } }, type: 'message_start' },
      { delta: { text: 'ab', type: 'text_delta' }, index: 0, type: 'content_block_delta' },
      { delta: { stop_reason: 'end_turn' }, type: 'message_delta', usage: { output_tokens: 2 } },
    )
    expect(facts).toMatchObject({
      contentChars: 2,
      responseModel: 'c',
      usage: { inputTokens: 5, outputTokens: 2 },
      notes: [],
      error: null,
    })
  })

  test('the metrics fill in what the messages did not tell', () => {
    const facts = chunks({ type: 'message_stop', ...metrics(5, 9, { cacheReadInputTokenCount: 40 }) })
    expect(facts.usage).toMatchObject({
      inputTokens: 45,
      outputTokens: 9,
      cacheReadTokens: 40,
      cacheWriteTokens: null,
      usageSource: 'wire',
    })
  })

  test('an error in a chunk', () => {
    expect(
      chunks(start({ input_tokens: 5 }), { type: 'error', error: { type: 'overloaded_error', message: 'm' } }),
    ).toMatchObject({
      error: { kind: 'overloaded', code: 'overloaded_error' },
    })
  })

  test('a body, and the completions before Messages', () => {
    const told = { input_tokens: 5, output_tokens: 2, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
    const content = [{ type: 'text', text: 'ab' }]
    expect(body('invoke', { id: 'm', type: 'message', model: 'c', content, stop_reason: 'end_turn', usage: told })).toMatchObject(
      { contentChars: 2, responseModel: 'c', usage: { inputTokens: 5, outputTokens: 2 } },
    )
    expect(
      chunks(
        { type: 'completion', completion: ' Hi', stop_reason: null, stop: null },
        { type: 'completion', completion: '', stop_reason: 'stop_sequence', stop: '\n\nHuman:', ...metrics(14, 3) },
      ),
    ).toMatchObject({
      contentChars: 3,
      finishReason: 'stop_sequence',
      terminal: true,
      usage: { inputTokens: 14, outputTokens: 3 },
    })
  })
})

describe('invoke: other families', () => {
  test('Titan', () => {
    expect(
      body('invoke', {
        inputTextTokenCount: 5,
        results: [
          { tokenCount: 7, outputText: 'abc', completionReason: 'FINISH' },
          { tokenCount: 2, outputText: 'd', completionReason: 'LENGTH' },
        ],
      }),
    ).toMatchObject({
      contentChars: 4,
      finishReason: 'LENGTH',
      usage: { inputTokens: 5, outputTokens: 9, cacheReadTokens: null },
    })
    expect(
      chunks(
        { outputText: 'ab', index: 0, totalOutputTextTokenCount: null, completionReason: null, inputTextTokenCount: 5 },
        {
          outputText: 'c',
          index: 0,
          totalOutputTextTokenCount: 9,
          completionReason: 'FINISH',
          inputTextTokenCount: null,
          ...metrics(5, 9),
        },
      ),
    ).toMatchObject({
      events: 2,
      contentChars: 3,
      terminal: true,
      usage: { inputTokens: 5, outputTokens: 9, usageSource: 'wire' },
    })
  })

  test('Titan embeddings have no output; those of Cohere tell their input in a header alone', () => {
    expect(body('invoke', { embedding: [0.1], embeddingsByType: { float: [0.1] }, inputTextTokenCount: 4 }).usage).toMatchObject({
      inputTokens: 4,
      outputTokens: 0,
      usageSource: 'wire',
    })
    const cohere = { id: 'e1', embeddings: [[0.1]], response_type: 'embeddings_floats', texts: ['a'] }
    const headers = [['x-amzn-bedrock-input-token-count', '6']] as const
    expect(body('invoke', cohere, { headers }).usage).toMatchObject({
      inputTokens: 6,
      outputTokens: null,
      usageSource: 'header',
      reason: null,
    })
    expect(body('invoke', cohere).usage).toMatchObject({
      inputTokens: null,
      outputTokens: null,
      usageSource: 'none',
      reason: 'not_on_wire',
    })
  })

  test('an embedding of many numbers is scanned, not parsed', () => {
    const embedding = Array.from({ length: 20_000 }, (_, n) => n / 7)
    expect(body('invoke', { embedding, inputTextTokenCount: 8192 }).usage).toMatchObject({ inputTokens: 8192, outputTokens: 0 })
  })

  test('headers: the body wins, figure by figure; what is no number is nothing', () => {
    const headers = [
      ['X-Amzn-Bedrock-Input-Token-Count', '77'],
      ['x-amzn-bedrock-output-token-count', '88'],
      ['x-amzn-bedrock-cache-read-input-token-count', '3'],
      ['x-amzn-bedrock-service-tier', 'flex'],
    ] as const
    const llama = { generation: 'ab', prompt_token_count: 5, generation_token_count: 2, stop_reason: 'stop' }
    expect(body('invoke', llama, { headers }).usage).toMatchObject({
      inputTokens: 5,
      outputTokens: 2,
      cacheReadTokens: null,
      usageSource: 'wire',
    })
    const mistral = { outputs: [{ text: 'abc', stop_reason: 'stop' }] }
    expect(body('invoke', mistral, { headers })).toMatchObject({
      contentChars: 3,
      finishReason: 'stop',
      // 77 + 3
      usage: { inputTokens: 80, outputTokens: 88, cacheReadTokens: 3, usageSource: 'header', serviceTier: 'flex' },
    })
    for (const odd of ['', 'x', '-1', '1.5', '1e3'])
      expect(body('invoke', mistral, { headers: [['x-amzn-bedrock-input-token-count', odd]] }).usage.inputTokens, odd).toBeNull()
  })

  test('Llama', () => {
    expect(
      chunks(
        { generation: 'a', prompt_token_count: 13, generation_token_count: 1, stop_reason: null },
        { generation: 'bc', prompt_token_count: null, generation_token_count: 2, stop_reason: null },
        { generation: '', prompt_token_count: null, generation_token_count: 3, stop_reason: 'stop', ...metrics(13, 3) },
      ),
    ).toMatchObject({ contentChars: 3, finishReason: 'stop', usage: { inputTokens: 13, outputTokens: 3 } })
  })

  test('Nova: the events of Converse, each in an object', () => {
    const facts = chunks(
      { messageStart: { role: 'assistant' } },
      { contentBlockDelta: { delta: { text: 'abc' }, contentBlockIndex: 0 } },
      { contentBlockStop: { contentBlockIndex: 0 } },
      { messageStop: { stopReason: 'end_turn' } },
      {
        metadata: {
          usage: { inputTokens: 5, outputTokens: 2, cacheReadInputTokenCount: 10, cacheWriteInputTokenCount: 0 },
          metrics: {},
          trace: {},
        },
        ...metrics(5, 2, { cacheReadInputTokenCount: 10 }),
      },
    )
    expect(facts).toMatchObject({
      events: 5,
      contentChars: 3,
      finishReason: 'end_turn',
      terminal: true,
      usage: { inputTokens: 15, outputTokens: 2, cacheReadTokens: 10, cacheWriteTokens: 0 },
    })
    expect(
      body('invoke', {
        output: { message: { role: 'assistant', content: [{ text: 'abc' }] } },
        stopReason: 'end_turn',
        usage: { inputTokens: 5, outputTokens: 2, totalTokens: 7, cacheReadInputTokenCount: 0, cacheWriteInputTokenCount: 0 },
      }),
    ).toMatchObject({ contentChars: 3, usage: { inputTokens: 5, outputTokens: 2, cacheReadTokens: 0 } })
  })

  test('Cohere', () => {
    expect(
      chunks({ text: 'ab', is_finished: false, index: 0 }, { finish_reason: 'COMPLETE', is_finished: true, ...metrics(4, 1) }),
    ).toMatchObject({ contentChars: 2, finishReason: 'COMPLETE', terminal: true, usage: { inputTokens: 4, outputTokens: 1 } })
    expect(
      chunks(
        { event_type: 'text-generation', text: 'ab', is_finished: false },
        { event_type: 'tool-calls-generation', tool_calls: [{ name: 'f', parameters: { a: 1 } }], is_finished: false },
        {
          event_type: 'stream-end',
          finish_reason: 'COMPLETE',
          response: { text: 'ab', tool_calls: [{ name: 'f' }] },
          ...metrics(4, 1),
        },
      ),
    ).toMatchObject({ contentChars: 9, toolCalls: 1, usage: { inputTokens: 4, outputTokens: 1 } })
    expect(
      body('invoke', {
        text: 'abc',
        finish_reason: 'COMPLETE',
        token_count: { prompt_tokens: 8, response_tokens: 3, total_tokens: 11, billed_tokens: 9 },
      }),
    ).toMatchObject({ contentChars: 3, usage: { inputTokens: 8, outputTokens: 3 } })
  })

  test('OpenAI form: Jamba, gpt-oss, DeepSeek, Mistral', () => {
    const usage = { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 }
    expect(
      body('invoke', {
        id: 'c',
        model: 'jamba',
        choices: [{ index: 0, message: { content: 'abc' }, finish_reason: 'stop' }],
        usage,
      }),
    ).toMatchObject({
      contentChars: 3,
      responseModel: 'jamba',
      finishReason: 'stop',
      usage: { inputTokens: 10, outputTokens: 4 },
    })
    const chunk = (delta: object, more: object = {}): object => ({
      id: 'c',
      object: 'chat.completion.chunk',
      model: 'openai.gpt-oss-120b-1:0',
      choices: [{ index: 0, delta, finish_reason: null }],
      ...more,
    })
    expect(
      chunks(
        chunk({ role: 'assistant', content: '' }),
        chunk({ content: 'ab' }),
        chunk({ content: 'c' }),
        chunk({}, { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage, ...metrics(10, 4) }),
      ),
    ).toMatchObject({
      events: 4,
      contentChars: 3,
      finishReason: 'stop',
      terminal: true,
      usage: { inputTokens: 10, outputTokens: 4 },
    })
    // R1 tells its text and its reason, and no usage.
    expect(
      chunks(
        { choices: [{ text: 'ab', stop_reason: null }] },
        { choices: [{ text: 'c', stop_reason: 'stop' }], ...metrics(6, 2) },
      ),
    ).toMatchObject({
      contentChars: 3,
      finishReason: 'stop',
      usage: { inputTokens: 6, outputTokens: 2, cacheReadTokens: null },
    })
    expect(
      body('invoke', { choices: [{ index: 0, message: { role: 'assistant', content: 'abc' }, stop_reason: 'stop' }] }),
    ).toMatchObject({ contentChars: 3, finishReason: 'stop', usage: { usageSource: 'none' } })
    expect(
      chunks(
        { outputs: [{ text: 'abc', stop_reason: null }] },
        { outputs: [{ text: '', stop_reason: 'stop' }], ...metrics(3, 1) },
      ),
    ).toMatchObject({
      contentChars: 3,
      finishReason: 'stop',
      usage: { inputTokens: 3, outputTokens: 1 },
    })
  })

  test('pictures are counted; a guardrail that stepped in is the reason', () => {
    // Over 4 MiB the body is scanned, not parsed: strings of a list are counted, brackets inside of them are not.
    const large = { images: ['a"[{,'.repeat(600_000), 'aGk=', 'aGk='], error: null }
    expect(
      readPieces({ api: 'invoke', bytes: Buffer.from(JSON.stringify(large)), contentType: 'application/json' }, [
        Buffer.from(JSON.stringify(large)),
      ]),
    ).toMatchObject({ content: true, usage: { extra: { images: 3 } } })
    expect(body('invoke', { images: ['aGk=', 'aGk='], error: null })).toMatchObject({
      content: true,
      usage: { extra: { images: 2 } },
    })
    expect(body('invoke', { type: 'message', content: [], 'amazon-bedrock-guardrailAction': 'INTERVENED' }).finishReason).toBe(
      'guardrail_intervened',
    )
  })

  test('bytes that are no JSON are noted', () => {
    const facts = read({ api: 'invoke', bytes: eventFrame('chunk', { bytes: Buffer.from('{"a":').toString('base64') }) })
    expect(facts).toMatchObject({ notes: ['malformed'], error: null })
    expect(read({ api: 'invoke', bytes: Buffer.from('[1]'), contentType: 'application/json' }).notes).toEqual(['malformed'])
  })
})

test('the geography of the model is the region', () => {
  const usage = { inputTokens: 1, outputTokens: 1 }
  expect(body('converse', { usage }, { requestModel: 'eu.amazon.nova-lite-v1:0' }).usage.region).toBe('eu')
  expect(body('converse', { usage }, { requestModel: 'amazon.nova-lite-v1:0' }).usage.region).toBeNull()
})
