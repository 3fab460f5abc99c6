import { describe, expect, test } from 'vitest'
import { readUsage } from '../../usage-reader.js'
import type { Usage } from '../../usage.js'
import type { AnswerFacts } from '../answer.js'
import { splitsOf } from '../framing/splits.js'
import { readAnswer, type Answering } from '../read-answer.js'

type Read = Usage & { readonly facts: AnswerFacts; readonly terminal: boolean }

const readOnce = (how: Partial<Answering>, pieces: readonly Buffer[]): Read => {
  const answering: Answering = {
    family: 'openai-responses',
    api: 'responses',
    provider: 'openai',
    streaming: true,
    status: 200,
    contentType: 'text/event-stream',
    contentEncoding: null,
    ...how,
  }
  const reader = readAnswer(answering)
  for (const piece of pieces) reader.push(piece)
  void reader.end()
  const facts = reader.facts()
  return { ...readUsage(answering.provider, 'responses', facts.usageRaw), facts, terminal: reader.terminal }
}

interface Typed {
  readonly type: string
  readonly [key: string]: unknown
}

/** With and without `event:` lines, in every split. */
const stream = (events: readonly Typed[]): Read => {
  const named = Buffer.from(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''))
  const bare = Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''))
  const whole = readOnce({}, [named])
  for (const bytes of [named, bare])
    for (const { name, pieces } of splitsOf(bytes, 3)) expect(readOnce({}, pieces), name).toEqual(whole)
  return whole
}

const body = (value: unknown, more: Partial<Answering> = {}): Read =>
  readOnce({ streaming: false, contentType: 'application/json', ...more }, [Buffer.from(JSON.stringify(value))])

const usage = {
  input_tokens: 15,
  input_tokens_details: { cached_tokens: 4 },
  output_tokens: 9,
  output_tokens_details: { reasoning_tokens: 3 },
  total_tokens: 24,
}
const response = (status: string, more: object = {}): object => ({
  id: 'resp_1',
  object: 'response',
  model: 'gpt-5',
  status,
  service_tier: 'default',
  output: [],
  usage: null,
  ...more,
})
const done = (item: object, output_index?: number): Typed => ({ type: 'response.output_item.done', item, output_index })

describe('ends', () => {
  test.each([
    ['response.completed', 'completed', {}, 'completed'],
    ['response.incomplete', 'incomplete', { incomplete_details: { reason: 'max_output_tokens' } }, 'max_output_tokens'],
    ['response.cancelled', 'cancelled', {}, 'cancelled'],
  ])('%s tells usage', (type, status, more, finishReason) => {
    const answer = stream([
      { type: 'response.created', response: response('queued') },
      { type: 'response.queued', response: response('queued') },
      { type: 'response.in_progress', response: response('in_progress') },
      { type: 'response.output_text.delta', delta: 'Hi' },
      { type, response: response(status, { ...more, usage }) },
    ])
    expect(answer).toMatchObject({
      inputTokens: 15,
      outputTokens: 9,
      cacheReadTokens: 4,
      reasoningTokens: 3,
      serviceTier: 'default',
      terminal: true,
    })
    expect(answer.facts).toMatchObject({ finishReason, responseId: 'resp_1', error: null, notes: [] })
  })
  test('a failure tells usage and error', () => {
    const failed = response('failed', { usage, error: { code: 'server_error', message: 'broke' } })
    const answer = stream([
      { type: 'response.created', response: response('in_progress') },
      { type: 'response.failed', response: failed },
    ])
    expect(answer).toMatchObject({ inputTokens: 15, terminal: true })
    expect(answer.facts.error).toEqual({ kind: 'server', code: 'server_error', message: 'broke' })
  })
  test('one resumed behind its beginning', () => {
    const answer = stream([
      { type: 'response.output_text.delta', sequence_number: 40, delta: 'Hi' },
      { type: 'response.completed', response: response('completed', { usage, output: [{ id: 'ws', type: 'web_search_call' }] }) },
    ])
    expect(answer).toMatchObject({ inputTokens: 15, extra: { web_search_requests: 1 } })
    expect(answer.facts).toMatchObject({ responseId: 'resp_1', responseModel: 'gpt-5' })
  })
  test('one that is cut has told nothing', () => {
    expect(
      stream([
        { type: 'response.created', response: response('in_progress') },
        { type: 'response.output_text.delta', delta: 'Hi' },
      ]),
    ).toMatchObject({
      usageSource: 'none',
      reason: 'not_on_wire',
      terminal: false,
    })
  })
  test('the type behind the response, without a name of the event', () => {
    const late = Buffer.from(
      [
        { output_index: 0, item: { id: 'ws', type: 'web_search_call' }, type: 'response.output_item.done' },
        { response: response('completed', { usage, output: [{ type: 'message', content: [] }] }), type: 'response.completed' },
      ]
        .map((event) => `data: ${JSON.stringify(event)}\n\n`)
        .join(''),
    )
    expect(readOnce({}, [late])).toMatchObject({ inputTokens: 15, terminal: true, extra: { web_search_requests: 1 } })
  })
  test('an error event', () => {
    const answer = stream([{ type: 'error', code: 'rate_limit_exceeded', message: 'slow', param: null }])
    expect(answer.facts.error).toEqual({ kind: 'rate_limit', code: 'rate_limit_exceeded', message: 'slow' })
  })
})

describe('reads of one made in the background', () => {
  test.each(['queued', 'in_progress'])('%s: nothing is used yet', (status) => {
    const answer = body(response(status, { background: true }))
    expect(answer).toMatchObject({ inputTokens: null, usageSource: 'none', reason: 'not_applicable', serviceTier: 'default' })
    expect(answer.facts).toMatchObject({ responseId: 'resp_1', finishReason: null, error: null })
  })
  test('completed: its usage', () => {
    expect(body(response('completed', { background: true, usage }))).toMatchObject({
      inputTokens: 15,
      outputTokens: 9,
      usageSource: 'wire',
    })
  })
  test('failed: its error', () => {
    expect(body(response('failed', { error: { code: 'server_error', message: 'm' } })).facts).toMatchObject({
      finishReason: 'failed',
      error: { kind: 'server' },
    })
  })
})

test('a compaction', () => {
  const answer = body({
    id: 'resp_c',
    object: 'response.compaction',
    created_at: 1,
    output: [{ id: 'cmp', type: 'compaction', encrypted_content: 'x' }],
    usage,
  })
  expect(answer).toMatchObject({ inputTokens: 15, outputTokens: 9, reasoningTokens: 3 })
  expect(answer.facts).toMatchObject({ responseId: 'resp_c', error: null, notes: [] })
})

describe('tools', () => {
  const search = { id: 'ws1', type: 'web_search_call', status: 'completed', action: { type: 'search', query: 'q' } }
  const open = { id: 'ws2', type: 'web_search_call', action: { type: 'open_page' } }
  const find = { id: 'ws3', type: 'web_search_call', action: { type: 'find_in_page' } }
  const code = (id: string, container_id: string): object => ({ id, type: 'code_interpreter_call', container_id, code: 'x' })
  const all = [
    { id: 'rs', type: 'reasoning', summary: [] },
    search,
    open,
    find,
    code('ci1', 'cntr_1'),
    code('ci2', 'cntr_1'),
    code('ci3', 'cntr_2'),
    { id: 'fs', type: 'file_search_call' },
    { id: 'mcp', type: 'mcp_call', name: 'f' },
    { id: 'mcpl', type: 'mcp_list_tools' },
    { id: 'ig', type: 'image_generation_call', result: 'AAAA' },
    { id: 'cc', type: 'computer_call' },
    { id: 'ls', type: 'local_shell_call' },
    { id: 'fc', type: 'function_call', arguments: '{}' },
    { id: 'ct', type: 'custom_tool_call', input: 'x' },
  ]
  const expected = {
    web_search_requests: 1,
    code_interpreter_calls: 3,
    containers: 2,
    file_search_calls: 1,
    mcp_calls: 1,
    image_generation_calls: 1,
  }
  const completed = (output: readonly object[]): Typed => ({
    type: 'response.completed',
    response: response('completed', { usage, output }),
  })

  test('each once, and only what the provider runs', () => {
    for (const answer of [
      stream([...all.map((item, at) => done(item, at)), completed(all)]),
      stream([...all.map((item) => done(item)), completed(all)]),
      stream([completed(all)]),
      body(response('completed', { usage, output: all })),
    ]) {
      expect(answer.extra).toEqual(expected)
      expect(answer.facts.toolCalls).toBe(13)
    }
  })
  test('under other ids, or none, when told again', () => {
    const others = all.map((item, at) => ({ ...item, id: `other${at}` }))
    const none = all.map((item) => Object.fromEntries(Object.entries(item).filter(([key]) => key !== 'id')))
    expect(stream([...all.map((item, at) => done(item, at)), completed(others)]).extra).toEqual(expected)
    expect(stream([...none.map((item, at) => done(item, at)), completed(none)]).extra).toEqual(expected)
    // Every event at the same place: the ids tell them apart.
    expect(stream([...all.map((item) => done(item, 0)), completed(all)]).extra).toEqual(expected)
  })
  test('a stream that is cut keeps what was done', () => {
    expect(stream([done(search, 0), done(code('ci1', 'c'), 1)]).extra).toEqual({
      web_search_requests: 1,
      code_interpreter_calls: 1,
      containers: 1,
    })
  })
  test("xAI's own count wins over the items", () => {
    const told = { ...usage, server_side_tool_usage_details: { web_search_calls: 2, x_search_calls: 0 } }
    expect(body(response('completed', { usage: told, output: [search, open] }), { provider: 'xai' }).extra).toEqual({
      web_search_requests: 2,
    })
  })
  test('in a body too large to be parsed they are not known, and that is said', () => {
    const large = response('completed', { usage, output: [{ ...search, result: 'A'.repeat(5_000_000) }] })
    const answer = body(large)
    expect(answer).toMatchObject({ inputTokens: 15, extra: {} })
    expect(answer.facts.notes).toEqual(['tools_not_read'])
  })
})
