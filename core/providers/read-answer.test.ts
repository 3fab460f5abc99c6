import { brotliCompressSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { AnswerFacts } from './answer.js'
import { splitsOf } from './framing/splits.js'
import { storedZstd } from './framing/stored-zstd.js'
import { readAnswer, type Answering } from './read-answer.js'
import { recordings, recordingsDir, type Recording } from './recordings.js'

const asked: Answering = {
  family: 'openai-chat',
  api: 'chat',
  provider: 'openai',
  streaming: true,
  status: 200,
  contentType: 'text/event-stream',
  contentEncoding: null,
}

const read = async (
  answering: Answering,
  pieces: readonly Buffer[],
): Promise<AnswerFacts & { terminal: boolean; content: boolean }> => {
  const reader = readAnswer(answering)
  for (const piece of pieces) reader.push(piece)
  await reader.end()
  return { ...reader.facts(), terminal: reader.terminal, content: reader.content }
}

const sse = (...events: readonly unknown[]): Buffer =>
  Buffer.from(events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join(''))
const named = (...events: readonly { type: string }[]): Buffer =>
  Buffer.from(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''))

const chunk = (delta: object, more: object = {}): object => ({
  id: 'c1',
  model: 'gpt-5-2025-08-07',
  choices: [{ index: 0, delta, finish_reason: null }],
  ...more,
})

describe('chat', () => {
  test('a stream: text, tools, reasoning and refusal are counted in UTF-16 units', async () => {
    const body = sse(
      chunk({ role: 'assistant', content: '' }, { usage: null }),
      chunk({ reasoning_content: 'hm' }),
      chunk({ content: 'Zoë "👋"\n' }),
      chunk({ refusal: 'no' }),
      chunk({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '{"x":1}' } }] }),
      chunk({ tool_calls: [{ index: 1, id: 'b', function: { name: 'g', arguments: '{}' } }] }),
      { id: 'c1', model: 'gpt-5-2025-08-07', choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
      {
        id: 'c1',
        model: 'gpt-5-2025-08-07',
        service_tier: 'default',
        choices: [],
        usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
      },
      '[DONE]',
    )
    // hm 2, Zoë "👋"\n 9, no 2, {"x":1} 7, {} 2
    const expected = {
      responseModel: 'gpt-5-2025-08-07',
      responseId: 'c1',
      finishReason: 'tool_calls',
      error: null,
      events: 9,
      contentChars: 22,
      toolCalls: 2,
      terminal: true,
      content: true,
      notes: [],
      usageRaw: [
        { source: 'service_tier', json: '"default"' },
        { source: 'usage', json: '{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}' },
      ],
    }
    for (const { name, pieces } of splitsOf(body))
      expect(await read(asked, pieces), name).toEqual({
        ...expected,
        usageRaw: expect.arrayContaining(expected.usageRaw) as unknown,
      })
  })

  test('content begins with the first text, not with the role', () => {
    const reader = readAnswer(asked)
    reader.push(sse(chunk({ role: 'assistant', content: '' })))
    expect([reader.content, reader.onBoundary]).toEqual([false, true])
    reader.push(sse(chunk({ content: 'a' })).subarray(0, 40))
    expect([reader.content, reader.onBoundary]).toEqual([false, false])
    reader.push(sse(chunk({ content: 'a' })).subarray(40))
    expect([reader.content, reader.onBoundary, reader.terminal]).toEqual([true, true, false])
  })

  test('an error inside a 200 stream', async () => {
    const body = Buffer.concat([sse(chunk({ content: 'a' })), sse({ error: { message: 'slow down', code: 429 } })])
    expect(await read(asked, [body])).toMatchObject({
      error: { kind: 'rate_limit', code: '429', message: 'slow down' },
      contentChars: 1,
    })
    const event = Buffer.from(
      'event: error\ndata: {"error":{"message":"Failed to call a function.","code":"tool_use_failed","status_code":400}}\n\n',
    )
    expect(await read(asked, [event])).toMatchObject({ error: { code: 'tool_use_failed' } })
  })

  test('a broken event is noted, and the rest is read', async () => {
    const body = Buffer.concat([sse('{"id":"c1","model":'), sse(chunk({ content: 'ab' }), '[DONE]')])
    expect(await read(asked, [body])).toMatchObject({ notes: ['malformed'], contentChars: 2, terminal: true })
  })

  test('a whole body over 4 MiB is scanned for what matters', async () => {
    const body = {
      id: 'c1',
      model: 'm',
      choices: [{ message: { content: 'x'.repeat(5 * 1024 * 1024) } }],
      usage: { prompt_tokens: 1 },
    }
    const facts = await read({ ...asked, streaming: false, contentType: 'application/json' }, [Buffer.from(JSON.stringify(body))])
    expect(facts).toMatchObject({
      responseModel: 'm',
      responseId: 'c1',
      usageRaw: [{ source: 'usage', json: '{"prompt_tokens":1}' }],
    })
  })

  test('an embedding of many numbers is scanned, not parsed', async () => {
    const body = {
      object: 'list',
      data: [{ embedding: Array.from({ length: 20_000 }, (_, n) => n / 7) }],
      model: 'e',
      usage: { prompt_tokens: 8, total_tokens: 8 },
    }
    const facts = await read({ ...asked, api: 'embeddings', streaming: false, contentType: 'application/json' }, [
      Buffer.from(JSON.stringify(body)),
    ])
    expect(facts).toMatchObject({
      responseModel: 'e',
      usageRaw: [{ source: 'usage', json: '{"prompt_tokens":8,"total_tokens":8}' }],
    })
  })

  test('a stream without a content type is known by its first bytes', async () => {
    expect(await read({ ...asked, contentType: null }, [sse(chunk({ content: 'ab' }))])).toMatchObject({
      contentChars: 2,
      events: 1,
    })
  })

  test('HTML in a 200 is a failure of the server', async () => {
    expect(await read({ ...asked, contentType: 'text/html' }, [Buffer.from('<html>')])).toMatchObject({
      error: { kind: 'server', code: 'html' },
      notes: ['html'],
    })
  })
})

describe('whether the last byte ended an event', () => {
  test.each([
    ['after an event', 0, true],
    ['inside of one', 5, false],
  ])('%s, asked before and after the end', async (_, cut, boundary) => {
    const reader = readAnswer(asked)
    const bytes = sse(chunk({ content: 'Hel' }), chunk({ content: 'lo' }))
    reader.push(bytes.subarray(0, bytes.length - cut))
    expect(reader.onBoundary).toBe(boundary)
    await reader.end()
    expect(reader.onBoundary).toBe(boundary)
  })
})

describe('responses', () => {
  const responses = { ...asked, family: 'openai-responses', api: 'responses' }
  const response = (status: string, more: object = {}): object => ({
    id: 'r1',
    model: 'gpt-5',
    status,
    service_tier: 'default',
    output: [],
    ...more,
  })

  test('tools are counted once, although the last event repeats them; only searches of the web are billed', async () => {
    const search = { id: 'ws1', type: 'web_search_call', action: { type: 'search' } }
    const open = { id: 'ws2', type: 'web_search_call', action: { type: 'open_page' } }
    const body = named(
      { type: 'response.created', response: response('in_progress') } as { type: string },
      { type: 'response.output_item.done', item: search } as { type: string },
      { type: 'response.output_item.done', item: open } as { type: string },
      { type: 'response.output_text.delta', delta: 'Olá' } as { type: string },
      {
        type: 'response.completed',
        response: response('completed', { output: [search, open], usage: { input_tokens: 1, output_tokens: 2 } }),
      } as { type: string },
    )
    for (const { name, pieces } of splitsOf(body)) {
      const facts = await read(responses, pieces)
      expect(facts, name).toMatchObject({ toolCalls: 2, contentChars: 3, finishReason: 'completed', terminal: true, events: 5 })
      expect(facts.usageRaw, name).toContainEqual({ source: 'tools', json: '{"web_search_call":1}' })
      expect(facts.usageRaw, name).toContainEqual({ source: 'usage', json: '{"input_tokens":1,"output_tokens":2}' })
    }
  })

  test('a failure is an error and an end', async () => {
    const failed = response('failed', { error: { code: 'rate_limit_exceeded', message: 'later' } })
    expect(await read(responses, [named({ type: 'response.failed', response: failed } as { type: string })])).toMatchObject({
      terminal: true,
      error: { kind: 'rate_limit', code: 'rate_limit_exceeded', message: 'later' },
    })
  })
})

describe('anthropic', () => {
  const anthropic = { ...asked, family: 'anthropic', api: 'messages', provider: 'anthropic' }

  test('an overload in the middle of a stream', async () => {
    const body = named(
      {
        type: 'message_start',
        message: { id: 'm1', model: 'claude-sonnet-4-5', usage: { input_tokens: 9, output_tokens: 1 } },
      } as { type: string },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } } as { type: string },
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } } as { type: string },
    )
    for (const { name, pieces } of splitsOf(body))
      expect(await read(anthropic, pieces), name).toMatchObject({
        error: { kind: 'overloaded', code: 'overloaded_error', message: 'Overloaded' },
        contentChars: 2,
        terminal: false,
        usageRaw: [{ source: 'message_start', json: '{"input_tokens":9,"output_tokens":1}' }],
      })
  })
})

describe('gemini', () => {
  const gemini = { ...asked, family: 'gemini', api: 'generate_content', provider: 'gemini' }

  test('a field the last element leaves out keeps its earlier value', async () => {
    const body = sse(
      { usageMetadata: { promptTokenCount: 4, thoughtsTokenCount: 9 } },
      { usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 2 } },
    )
    expect((await read(gemini, [body])).usageRaw).toEqual([
      { source: 'usageMetadata', json: '{"promptTokenCount":4,"thoughtsTokenCount":9,"candidatesTokenCount":2}' },
    ])
  })

  test('an error as the element of an array', async () => {
    const body = Buffer.from('[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}\n]')
    expect(await read({ ...gemini, contentType: 'application/json', status: 503 }, [body])).toMatchObject({
      error: { kind: 'overloaded', code: 'UNAVAILABLE', message: 'The model is overloaded.' },
    })
  })
})

/** What a plain reading of a whole stored stream gives, once decoded; every way of arriving must give the same. */
const base = (recording: Recording): Answering => ({
  family: recording.family,
  api: recording.api,
  provider: recording.provider,
  streaming: recording.streaming,
  status: recording.status,
  contentType: recording.contentType,
  contentEncoding: null,
})

const plainBody = ({ encoding, body }: Recording): Buffer => (encoding === 'gzip' ? gunzipSync(body) : body)

// Bedrock's, Cohere's, Ollama's and Google's Interactions have tests of their own; bytes of sound are not read at all.
const readable = recordings().filter(
  ({ family, id }) => ['openai-chat', 'openai-responses', 'anthropic', 'gemini'].includes(family) && !/interactions/.test(id),
)

describe.skipIf(recordingsDir === null)('recordings', () => {
  test('WEIR_WIRE_FIXTURES names their folder', () => {
    expect(readable.length).toBeGreaterThan(10)
  })

  test.each(readable)('$id: events, model and end', async (recording) => {
    const facts = await read({ ...base(recording), contentEncoding: recording.encoding }, [recording.body])
    expect(facts).toMatchObject({ events: recording.events, responseModel: recording.modelResponded, notes: [] })
    if (recording.status === 200) expect(facts.error).toBeNull()
    else expect(facts.error?.kind).not.toBe('')
  })

  test.each(readable)('$id: the same in every split', async (recording) => {
    const body = plainBody(recording)
    const whole = await read(base(recording), [body])
    for (const { name, pieces } of splitsOf(body, body.length > 30_000 ? 2 : 20))
      expect(await read(base(recording), pieces), name).toEqual(whole)
  })

  test.each(readable)('$id: the same as gzip, deflate, br and zstd', async (recording) => {
    const body = plainBody(recording)
    const whole = await read(base(recording), [body])
    for (const [contentEncoding, bytes] of [
      ['gzip', gzipSync(body)],
      ['deflate', deflateSync(body)],
      ['br', brotliCompressSync(body)],
      ['zstd', storedZstd(body)],
    ] as const)
      for (const { name, pieces } of splitsOf(bytes, 1).filter((split) => split.name !== 'byte by byte'))
        expect(await read({ ...base(recording), contentEncoding }, pieces), `${contentEncoding}, ${name}`).toEqual(whole)
  })
})
