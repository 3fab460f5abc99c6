import { describe, expect, test } from 'vitest'
import { readRequest, type Asked } from './read-request.js'
import { recordings, recordingsDir } from './recordings.js'

const ask = (body: string | object, more: Partial<Parameters<typeof readRequest>[0]> = {}): Asked =>
  readRequest({
    family: 'openai-chat',
    api: 'chat',
    path: '/v1/chat/completions',
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    ...more,
  })

test('model, stream, user and what decides the price', () => {
  expect(
    ask({
      model: 'gpt-5',
      stream: true,
      user: 'ada',
      service_tier: 'flex',
      n: 2,
      web_search_options: { search_context_size: 'high' },
      messages: [],
    }),
  ).toEqual({
    model: 'gpt-5',
    streaming: true,
    user: 'ada',
    priceFacts: { service_tier: 'flex', n: 2, search_context_size: 'high' },
    malformed: false,
  })
})

test('a body over 256 KiB tells the same, wherever its keys stand', () => {
  const long = {
    messages: [{ role: 'user', content: '{"model":"not this"}'.repeat(30_000) }],
    metadata: { user_id: 'ada' },
    model: 'gpt-5',
    stream: true,
    service_tier: 'priority',
  }
  expect(ask(long)).toEqual({
    model: 'gpt-5',
    streaming: true,
    user: 'ada',
    priceFacts: { service_tier: 'priority' },
    malformed: false,
  })
})

describe('a body that is no JSON object', () => {
  test.each(['{"model":', '[1]', '"x"', 'null', 'plain'])('%s', (body) => {
    expect(ask(body)).toEqual({ model: null, streaming: false, user: null, priceFacts: {}, malformed: true })
  })
  test('none at all is not malformed', () => {
    expect(ask('').malformed).toBe(false)
  })
  test('a long one', () => {
    expect(ask(`plain ${'x'.repeat(300_000)}`).malformed).toBe(true)
  })
})

test('gemini names model and stream in the path', () => {
  const gemini = { family: 'gemini', api: 'generate_content' }
  expect(
    ask({ contents: [] }, { ...gemini, path: '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse' }),
  ).toMatchObject({ model: 'gemini-2.5-flash', streaming: true })
  expect(ask({ contents: [] }, { ...gemini, path: '/v1beta/models/gemini-2.5-flash:generateContent' })).toMatchObject({
    model: 'gemini-2.5-flash',
    streaming: false,
  })
  expect(ask({ contents: [] }, { ...gemini, path: '/v1/tunedModels/my%20model:generateContent' }).model).toBe('my model')
})

test('writes that shall live an hour are noted for Anthropic', () => {
  const body = {
    model: 'claude-sonnet-4-5',
    system: [{ type: 'text', text: 'S', cache_control: { type: 'ephemeral', ttl: '1h' } }],
    messages: [],
  }
  expect(ask(body, { family: 'anthropic', api: 'messages', path: '/v1/messages' }).priceFacts).toEqual({ ttl_1h: 1 })
})

const asked = recordings().filter(({ api }) => !['', 'transcription'].includes(api))

describe.skipIf(recordingsDir === null)('recordings', () => {
  test('WEIR_WIRE_FIXTURES names their folder', () => {
    expect(asked.length).toBeGreaterThan(10)
  })

  test.each(asked)('$id', (recording) => {
    const { model, streaming, malformed } = readRequest({
      family: recording.family,
      api: recording.api,
      path: recording.path,
      body: recording.requestBody,
    })
    expect({ model, malformed }).toEqual({ model: recording.modelRequested, malformed: false })
    // A stream that is resumed is asked for in the query of a GET.
    if (recording.requestBody.length > 0) expect(streaming).toBe(recording.streaming)
  })
})
