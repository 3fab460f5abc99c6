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

test('a deployment at Azure is the model where the body names none', () => {
  const path = '/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21'
  expect(ask({ messages: [] }, { path }).model).toBe('my gpt')
  expect(ask({ model: 'gpt-5', messages: [] }, { path }).model).toBe('gpt-5')
})

test('writes that shall live an hour are noted for Anthropic', () => {
  const body = {
    model: 'claude-sonnet-4-5',
    system: [{ type: 'text', text: 'S', cache_control: { type: 'ephemeral', ttl: '1h' } }],
    messages: [],
  }
  expect(ask(body, { family: 'anthropic', api: 'messages', path: '/v1/messages' }).priceFacts).toEqual({ ttl_1h: 1 })
})

test('how much of the web is read, and a response made in the background', () => {
  const tools = [
    { type: 'function', search_context_size: 'x' },
    { type: 'web_search_preview', search_context_size: 'high' },
  ]
  expect(ask({ model: 'gpt-5', background: true, tools }, { api: 'responses' }).priceFacts).toEqual({
    background: 1,
    search_context_size: 'high',
  })
  // For pictures it is a colour.
  expect(
    ask({ model: 'gpt-image-1', background: 'transparent', n: 2, size: '1024x1024', quality: 'high' }, { api: 'images' })
      .priceFacts,
  ).toEqual({
    n: 2,
    size: '1024x1024',
    quality: 'high',
  })
})

test('speech is counted in characters, not in UTF-16 units', () => {
  // Z o ë space and one emoji
  expect(ask({ model: 'tts-1', input: 'Zoë 👋', voice: 'alloy' }, { api: 'speech' }).priceFacts).toEqual({ characters: 5 })
  expect(ask({ model: 'tts-1', voice: 'alloy' }, { api: 'speech' }).priceFacts).toEqual({})
})

describe('a form', () => {
  const file = Buffer.from([0x52, 0x49, 0x0d, 0x0a, 0x2d, 0x2d, 0x00, 0xff, 0x0d, 0x0a, 0x0d, 0x0a, 0x22])
  const part = (head: string, value: string | Buffer): Buffer =>
    Buffer.concat([
      Buffer.from(`--b0\r\nContent-Disposition: form-data; ${head}\r\n\r\n`),
      Buffer.from(value),
      Buffer.from('\r\n'),
    ])
  const form = (...parts: readonly Buffer[]): Buffer => Buffer.concat([...parts, Buffer.from('--b0--\r\n')])
  const askForm = (body: Buffer, contentType = 'multipart/form-data; boundary=b0', api = 'transcription'): Asked =>
    readRequest({ family: 'openai-chat', api, path: '/v1/audio/transcriptions', body, contentType })

  test('its fields, wherever the file stands', () => {
    const fields = [part('name="model"', 'gpt-4o-transcribe'), part('name="stream"', 'true'), part('name="user"', 'ada')]
    const sound = part('name="file"; filename="a.wav"\r\nContent-Type: audio/wav', file)
    for (const body of [form(sound, ...fields), form(...fields, sound), form(...fields.slice(0, 1), sound, ...fields.slice(1))])
      expect(askForm(body)).toEqual({
        model: 'gpt-4o-transcribe',
        streaming: true,
        user: 'ada',
        priceFacts: {},
        malformed: false,
      })
  })

  test('pictures that are edited', () => {
    const body = form(
      part('name="image[]"; filename="a.png"', file),
      part('name="n"', '2'),
      part('name="size"', '1024x1536'),
      part('name=quality', 'low'),
      part('name="background"', 'true'),
      part('name="prompt"', ''),
      part('name="model"', 'gpt-image-1'),
    )
    expect(askForm(body, 'Multipart/Form-Data; charset=utf-8; Boundary="b0"', 'images')).toEqual({
      model: 'gpt-image-1',
      streaming: false,
      user: null,
      priceFacts: { n: 2, size: '1024x1536', quality: 'low' },
      malformed: false,
    })
  })

  test('what a file says of itself is no field', () => {
    const trap = Buffer.from('--b1\r\nContent-Disposition: form-data; name="model"\r\n\r\nevil\r\n')
    const body = form(part('name="model"; filename="x"', trap), part('name="model"', 'whisper-1'), part('name="model"', 'second'))
    expect(askForm(body).model).toBe('whisper-1')
  })

  test('one that is cut, endless or none tells what it has', () => {
    const whole = form(part('name="model"', 'whisper-1'), part('name="file"; filename="a"', file))
    expect(askForm(whole.subarray(0, whole.length - 12))).toMatchObject({ model: 'whisper-1', malformed: false })
    for (let length = 0; length < whole.length; length++)
      expect([null, 'whisper-1']).toContain(askForm(whole.subarray(0, length)).model)
    expect(askForm(whole, 'multipart/form-data')).toMatchObject({ model: null, malformed: true })
    expect(askForm(whole, 'multipart/form-data; boundary=other')).toMatchObject({ model: null, malformed: true })
    expect(
      askForm(form(...Array.from({ length: 500 }, () => part('name="x"', 'y')), part('name="model"', 'late'))).model,
    ).toBeNull()
    expect(askForm(form(part('name="model"', 'm'.repeat(2000)))).model).toBeNull()
    expect(askForm(Buffer.alloc(0)).malformed).toBe(false)
  })
})

const asked = recordings().filter(({ api }) => api !== '')

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
      contentType: recording.requestType,
    })
    expect(malformed).toBe(false)
    // What was asked in a form is not among what was recorded of it.
    if (recording.requestType?.startsWith('multipart/') === true)
      expect(model).toMatch(/^(?:openai\/)?gpt-4o-|^whisper-|^voxtral-/)
    // expected.json leaves out the `:0` of an id whose colon was not escaped.
    else if (recording.family === 'bedrock') expect([recording.modelRequested, `${recording.modelRequested}:0`]).toContain(model)
    else expect(model).toBe(recording.modelRequested)
    // A stream that is resumed is asked for in the query of a GET.
    if (recording.requestBody.length > 0) expect(streaming).toBe(recording.streaming)
  })
})
