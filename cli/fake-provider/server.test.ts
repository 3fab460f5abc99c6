import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { FakeProvider } from './server.js'
import { startFakeProvider } from './server.js'

let fake: FakeProvider
beforeAll(async () => {
  fake = await startFakeProvider()
})
afterAll(() => fake.close())

const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(fake.origin + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const dataOf = (text: string): string[] =>
  text.split(/\r?\n/).flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []))

interface Raw {
  status: number | null
  headers: Record<string, string | string[] | undefined>
  body: Buffer
  error: string | null
  complete: boolean
}
/** One call on a socket of its own, told as it went: `fetch` hides too much. */
const raw = (path: string, body: string, xFake: string): Promise<Raw> =>
  new Promise((resolve) => {
    const result: Raw = { status: null, headers: {}, body: Buffer.alloc(0), error: null, complete: false }
    const req = request(
      fake.origin + path,
      { method: 'POST', agent: false, headers: { 'content-type': 'application/json', 'x-fake': xFake } },
      (res) => {
        result.status = res.statusCode ?? null
        result.headers = res.headers
        res.on('data', (chunk: Buffer) => (result.body = Buffer.concat([result.body, chunk])))
        res.on('error', (error: NodeJS.ErrnoException) => (result.error = error.code ?? error.message))
        res.on('close', () => {
          result.complete = res.complete
          resolve(result)
        })
      },
    )
    req.on('error', (error: NodeJS.ErrnoException) => {
      result.error = error.code ?? error.message
      if (result.status === null) resolve(result)
    })
    req.end(body)
  })

const chat = { model: 'gpt-5-mini', messages: [{ role: 'user', content: 'twelve bytes' }] } // 12 bytes = 3 tokens

describe('Bedrock', () => {
  const asked = { messages: [{ role: 'user', content: [{ text: 'twelve bytes' }] }] }
  const model = '/model/anthropic.claude-haiku-4-5-v1:0'

  test('Converse: text, and tokens that are bytes / 4', async () => {
    const answer: unknown = await (await post(`${model}/converse`, asked, { 'x-fake': 'bytes=10' })).json()
    expect(answer).toMatchObject({
      output: { message: { content: [{ text: 'The weir l' }] } },
      stopReason: 'end_turn',
      usage: { inputTokens: 3, outputTokens: 3, totalTokens: 6 },
    })
  })

  test('ConverseStream: frames; an exception has one of its own; an error tells its type in a header', async () => {
    const whole = await raw(`${model}/converse-stream`, JSON.stringify(asked), 'bytes=10;chunks=2')
    expect(whole.headers['content-type']).toBe('application/vnd.amazon.eventstream')
    const types = [...whole.body.toString('latin1').matchAll(/:event-type\x07..([a-zA-Z]+)\r:content-type/gs)]
    expect(types.map(([, type]) => type)).toEqual([
      'messageStart',
      'contentBlockDelta',
      'contentBlockDelta',
      'contentBlockStop',
      'messageStop',
      'metadata',
    ])
    const broken = await raw(`${model}/converse-stream`, JSON.stringify(asked), 'error-event=first;error=throttlingException')
    expect(broken.body.toString('latin1')).toContain('throttlingException')
    const refused = await raw(`${model}/converse`, JSON.stringify(asked), 'status=429')
    expect([refused.status, refused.headers['x-amzn-errortype']]).toEqual([429, 'ThrottlingException'])
  })
})

describe('OpenAI', () => {
  test('chat: a JSON answer whose tokens are bytes / 4, model with its date', async () => {
    const answer = await (await post('/v1/chat/completions', chat, { 'x-fake': 'bytes=10' })).json()
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'gpt-5-mini-2025-08-07',
      choices: [{ finish_reason: 'stop', message: { role: 'assistant', content: 'The weir l' } }],
      usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6, prompt_tokens_details: { cached_tokens: 0 } },
    })
  })

  test('chat stream: usage only when asked for, [DONE] last', async () => {
    const silent = dataOf(await (await post('/v1/chat/completions', { ...chat, stream: true })).text())
    expect(silent.at(-1)).toBe('[DONE]')
    expect(silent.some((data) => data.includes('"usage"'))).toBe(false)
    const asked = { ...chat, stream: true, stream_options: { include_usage: true } }
    const told = dataOf(
      await (
        await post('/v1/chat/completions', asked, { 'x-fake': 'input=1000;cached=600;output=50;reasoning=20;chunks=2' })
      ).text(),
    )
    expect(JSON.parse(told.at(-2) ?? '')).toMatchObject({
      choices: [],
      usage: {
        prompt_tokens: 1000,
        completion_tokens: 50,
        prompt_tokens_details: { cached_tokens: 600 },
        completion_tokens_details: { reasoning_tokens: 20 },
      },
    })
    // role, two deltas, finish, usage, [DONE]
    expect(told).toHaveLength(6)
    expect(JSON.parse(told[0] ?? '').usage).toBeNull()
  })

  test('tools: called once, then answered in text', async () => {
    const tools = [
      {
        type: 'function',
        function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
      },
    ]
    const first = await (await post('/v1/chat/completions', { ...chat, tools })).json()
    expect(first.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: null,
        tool_calls: [{ type: 'function', function: { name: 'weather', arguments: '{"city":"some city"}' } }],
      },
    })
    const messages = [...chat.messages, first.choices[0].message, { role: 'tool', tool_call_id: 'x', content: '12 degrees' }]
    const second = await (await post('/v1/chat/completions', { ...chat, messages, tools })).json()
    expect(second.choices[0].finish_reason).toBe('stop')
  })

  test('a limit cuts the answer to that many tokens', async () => {
    const answer = await (
      await post('/v1/chat/completions', { ...chat, max_completion_tokens: 2 }, { 'x-fake': 'bytes=100' })
    ).json()
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'The weir' } })
    expect(answer.usage.completion_tokens).toBe(2)
  })

  test('responses: JSON and the event stream agree; the stream ends with response.completed', async () => {
    const body = { model: 'gpt-5', input: 'twelve bytes', reasoning: { effort: 'medium' } }
    const headers = { 'x-fake': 'id=a;bytes=40' }
    const answer = await (await post('/v1/responses', body, headers)).json()
    // 40 bytes = 10 tokens, and 64 of reasoning
    expect(answer.usage).toEqual({
      input_tokens: 3,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 74,
      output_tokens_details: { reasoning_tokens: 64 },
      total_tokens: 77,
    })
    const events = dataOf(await (await post('/v1/responses', { ...body, stream: true }, headers)).text()).map((data) =>
      JSON.parse(data),
    )
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i))
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: answer })
    const deltas = events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta)
    expect(deltas.join('')).toBe(answer.output[1].content[0].text)
  })

  test('embeddings: floats and base64 hold the same vector', async () => {
    const body = { model: 'text-embedding-3-small', input: ['twelve bytes', 'abcd'], dimensions: 8 }
    const floats = await (await post('/v1/embeddings', body)).json()
    const packed = await (await post('/v1/embeddings', { ...body, encoding_format: 'base64' })).json()
    expect(floats.usage).toEqual({ prompt_tokens: 4, total_tokens: 4 })
    const bytes = Buffer.from(packed.data[1].embedding, 'base64')
    expect(Array.from({ length: 8 }, (_, i) => bytes.readFloatLE(i * 4))).toEqual(floats.data[1].embedding)
  })

  test('files: an upload is hashed as it passes; content has the size asked for', async () => {
    const piece = Buffer.alloc(1024 * 1024, 'a')
    const hash = createHash('sha256')
    const answer = await new Promise<Record<string, unknown>>((resolve, reject) => {
      const headers = { 'content-type': 'multipart/form-data; boundary=b' }
      const req = request(`${fake.origin}/v1/files`, { method: 'POST', headers }, (res) => {
        let text = ''
        res.on('data', (chunk) => (text += String(chunk)))
        res.on('end', () => resolve(JSON.parse(text) as Record<string, unknown>))
      })
      req.on('error', reject)
      const head = '--b\r\ncontent-disposition: form-data; name="file"; filename="big.jsonl"\r\n\r\n'
      req.write(head)
      hash.update(head)
      for (let i = 0; i < 8; i++) {
        req.write(piece)
        hash.update(piece)
      }
      req.end('\r\n--b--\r\n')
      hash.update('\r\n--b--\r\n')
    })
    expect(answer).toMatchObject({ filename: 'big.jsonl', sha256: hash.digest('hex'), object: 'file' })
    const content = await (await fetch(`${fake.origin}/v1/files/file-1/content?bytes=200000`)).arrayBuffer()
    expect(content.byteLength).toBe(200_000)
    expect(await (await fetch(`${fake.origin}/v1/files/file-1`, { method: 'DELETE' })).json()).toMatchObject({ deleted: true })
  })

  test('speech is binary, batches and models are listed, what is not there is a 404', async () => {
    const speech = await post('/v1/audio/speech', { model: 'tts-1', input: 'hello' }, { 'x-fake': 'bytes=5000' })
    expect(speech.headers.get('content-type')).toBe('audio/mpeg')
    expect((await speech.arrayBuffer()).byteLength).toBe(5000)
    expect(await (await fetch(`${fake.origin}/v1/batches/batch_1`)).json()).toMatchObject({
      status: 'completed',
      usage: { total_tokens: 260 },
    })
    expect((await (await fetch(`${fake.origin}/v1/models`)).json()).data[0]).toMatchObject({ id: 'gpt-5', object: 'model' })
    const missing = await fetch(`${fake.origin}/v1/nothing`)
    expect([missing.status, await missing.json()]).toMatchObject([404, { error: { type: 'invalid_request_error' } }])
  })

  test('realtime: a session, an answer with usage, other events come back', async () => {
    const socket = new WebSocket(`${fake.origin.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`, {
      headers: { 'x-fake': 'bytes=8;chunks=2' },
    })
    const events: Record<string, any>[] = []
    const done = new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        events.push(JSON.parse(data.toString()) as Record<string, unknown>)
        if (events.at(-1)?.type === 'echo') resolve()
      })
    })
    await new Promise((resolve) => socket.once('open', resolve))
    const item = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'twelve bytes' }] }
    for (const event of [{ type: 'conversation.item.create', item }, { type: 'response.create' }, { type: 'ping.me', n: 7 }])
      socket.send(JSON.stringify(event))
    await done
    socket.close()
    expect(events.map((event) => event.type)).toEqual([
      'session.created',
      'conversation.item.added',
      'conversation.item.done',
      'response.created',
      'response.output_item.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_item.done',
      'response.done',
      'echo',
    ])
    expect(events.find((event) => event.type === 'response.done')?.response.usage).toMatchObject({
      input_tokens: 3,
      output_tokens: 2,
      total_tokens: 5,
    })
    expect(events.at(-1)?.received).toEqual({ type: 'ping.me', n: 7 })
  })
})

describe('Anthropic', () => {
  const body = { model: 'claude-haiku-4-5', max_tokens: 100, messages: [{ role: 'user', content: 'twelve bytes' }] }

  test('messages: cached prompts are written once and read afterwards, by TTL', async () => {
    const system = [
      { type: 'text', text: 'x'.repeat(400), cache_control: { type: 'ephemeral', ttl: '1h' } },
      { type: 'text', text: 'y'.repeat(40), cache_control: { type: 'ephemeral' } },
    ]
    const first = await (await post('/v1/messages', { ...body, system }, { 'x-fake': 'bytes=20' })).json()
    // system 440 bytes + prompt 12 = 113 tokens: 100 written for an hour, 10 for five minutes, 3 fresh
    expect(first).toMatchObject({
      type: 'message',
      model: 'claude-haiku-4-5-20251001',
      stop_reason: 'end_turn',
      usage: {
        input_tokens: 3,
        cache_creation_input_tokens: 110,
        cache_read_input_tokens: 0,
        cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 100 },
        output_tokens: 5,
      },
    })
    const second = await (await post('/v1/messages', { ...body, system })).json()
    expect(second.usage).toMatchObject({ input_tokens: 3, cache_creation_input_tokens: 0, cache_read_input_tokens: 110 })
    // One figure told is all of them: the blocks are not counted beside it.
    const told = await (await post('/v1/messages', { ...body, system }, { 'x-fake': 'input=500;written=100' })).json()
    expect(told.usage).toMatchObject({ input_tokens: 400, cache_creation_input_tokens: 100, cache_read_input_tokens: 0 })
  })

  test('stream: ping, thinking with its signature, text, a tool, usage twice, message_stop', async () => {
    const tools = [{ name: 'add', input_schema: { type: 'object', properties: { a: { type: 'integer' } } } }]
    const stream = { ...body, stream: true, thinking: { type: 'enabled', budget_tokens: 1024 }, tools }
    const events = dataOf(await (await post('/v1/messages', stream, { 'x-fake': 'output=90' })).text()).map((data) =>
      JSON.parse(data),
    )
    expect(events[0]).toMatchObject({ type: 'message_start', message: { usage: { input_tokens: 3, output_tokens: 4 } } })
    expect(events.filter((event) => event.type === 'content_block_start').map((event) => event.content_block.type)).toEqual([
      'thinking',
      'text',
      'tool_use',
    ])
    const partial = events.flatMap((event) => (event.delta?.type === 'input_json_delta' ? [event.delta.partial_json] : []))
    expect(JSON.parse(partial.join(''))).toEqual({ a: 3 })
    expect(events.some((event) => event.type === 'ping')).toBe(true)
    expect(events.at(-2)).toMatchObject({
      type: 'message_delta',
      delta: { stop_reason: 'tool_use' },
      usage: { output_tokens: 90, output_tokens_details: { thinking_tokens: 64 } },
    })
    expect(events.at(-1)).toEqual({ type: 'message_stop' })
  })

  test('count_tokens counts by the same rule', async () => {
    expect(await (await post('/v1/messages/count_tokens', body)).json()).toEqual({ input_tokens: 3 })
  })
})

describe('Gemini', () => {
  const body = { contents: [{ role: 'user', parts: [{ text: 'twelve bytes' }] }] }
  const at = (verb: string): string => `/v1beta/models/gemini-2.5-flash:${verb}`

  test('generateContent leaves zeros out', async () => {
    const answer = await (await post(at('generateContent'), body, { 'x-fake': 'bytes=20' })).json()
    expect(answer.usageMetadata).toEqual({
      promptTokenCount: 3,
      candidatesTokenCount: 5,
      totalTokenCount: 8,
      promptTokensDetails: [{ modality: 'TEXT', tokenCount: 3 }],
    })
    expect(answer.modelVersion).toBe('gemini-2.5-flash')
  })

  test('streams as SSE in CRLF, and as one JSON array', async () => {
    const thinking = { ...body, generationConfig: { thinkingConfig: { includeThoughts: true } } }
    const headers = { 'x-fake': 'id=g;output=80;chunks=3' }
    const text = await (await post(`${at('streamGenerateContent')}?alt=sse`, thinking, headers)).text()
    expect(text.endsWith('\r\n\r\n')).toBe(true)
    const events = dataOf(text).map((data) => JSON.parse(data))
    const array = await (await post(at('streamGenerateContent'), thinking, headers)).json()
    expect(array).toEqual(events)
    expect(events).toHaveLength(4)
    expect(events[0].candidates[0].content.parts[0].thought).toBe(true)
    expect(events[0].usageMetadata).toMatchObject({ thoughtsTokenCount: 64, totalTokenCount: 67 })
    expect(events[3].candidates[0].finishReason).toBe('STOP')
    expect(events[3].usageMetadata).toMatchObject({ thoughtsTokenCount: 64, candidatesTokenCount: 16, totalTokenCount: 83 })
  })

  test('counts and embeds', async () => {
    expect(await (await post(at('countTokens'), body)).json()).toMatchObject({ totalTokens: 3 })
    const one = await (await post(at('embedContent'), { content: body.contents[0], outputDimensionality: 4 })).json()
    expect(one.embedding.values).toHaveLength(4)
  })
})

describe('faults', () => {
  const stream = JSON.stringify({ ...chat, stream: true })
  const path = '/v1/chat/completions'

  test.each([
    ['/v1/chat/completions', { error: { code: 'rate_limit_exceeded' } }],
    ['/v1/messages', { type: 'error', error: { type: 'rate_limit_error' } }],
    ['/v1beta/models/m:generateContent', { error: { code: 429, status: 'RESOURCE_EXHAUSTED' } }],
  ])('%s answers 429 in its own shape, with Retry-After', async (at, expected) => {
    const answer = await post(at, {}, { 'x-fake': 'status=429;retry-after=2' })
    expect([answer.status, answer.headers.get('retry-after'), await answer.json()]).toMatchObject([429, '2', expected])
  })

  test('a key is wanted only when asked for', async () => {
    expect((await post(path, chat, { 'x-fake': 'need-key' })).status).toBe(401)
    expect((await post(path, chat, { 'x-fake': 'need-key', authorization: 'Bearer k' })).status).toBe(200)
    expect((await post('/v1beta/models/m:generateContent', {}, { 'x-fake': 'need-key' })).status).toBe(400)
  })

  test('broken JSON is the 400 of each family', async () => {
    for (const at of [path, '/v1/messages', '/v1/responses', '/v1beta/models/m:generateContent'])
      expect((await post(at, '{"a":')).status).toBe(400)
  })

  test('the same id gives the same bytes, and seen tells their hash', async () => {
    const one = await raw(path, stream, 'id=same')
    const two = await raw(path, stream, 'id=same;split=1')
    expect(two.body.equals(one.body)).toBe(true)
    expect(fake.seen.at(-1)).toMatchObject({
      method: 'POST',
      bodyBytes: stream.length,
      bodySha256: createHash('sha256').update(stream).digest('hex'),
      aborted: false,
      sent: { status: 200, bytes: one.body.length, sha256: createHash('sha256').update(one.body).digest('hex') },
    })
  })

  test('cut, fin, end and no-terminal are four different ends', async () => {
    const cut = await raw(path, stream, 'cut=300')
    expect([cut.body.length, cut.error, cut.complete]).toEqual([300, 'ECONNRESET', false])
    const fin = await raw(path, stream, 'fin=300')
    expect([fin.body.length, fin.complete]).toEqual([300, false])
    const end = await raw(path, stream, 'end=300')
    expect([end.body.length, end.complete]).toEqual([300, true])
    const open = await raw(path, stream, 'no-terminal')
    expect(open.complete).toBe(true)
    expect(open.body.toString()).not.toMatch(/DONE|finish_reason":"stop/)
  })

  test('no head: reset, close, no HTTP, two lengths', async () => {
    expect(await raw(path, stream, 'reset')).toMatchObject({ status: null, error: 'ECONNRESET' })
    expect(await raw(path, stream, 'close')).toMatchObject({ status: null, error: 'ECONNRESET' })
    expect((await raw(path, stream, 'bad-http')).error).toMatch(/^HPE_/)
    expect((await raw(path, JSON.stringify(chat), 'two-lengths')).error).toMatch(/^HPE_/)
    expect((await raw(path, stream, 'headers=100KiB')).error).toBe('HPE_HEADER_OVERFLOW')
  })

  test('error events first and last', async () => {
    const first = dataOf((await raw(path, stream, 'error-event=first')).body.toString())
    expect(first.map((data) => JSON.parse(data))).toMatchObject([{ error: { type: 'server_error' } }])
    const last = dataOf(
      (await raw('/v1/messages', JSON.stringify({ ...chat, max_tokens: 9, stream: true }), 'error-event=last')).body.toString(),
    )
    expect(JSON.parse(last.at(-1) ?? '')).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } })
    expect(last.length).toBeGreaterThan(3)
  })

  test('error events in every form an OpenAI-shaped stream has', async () => {
    const textOf = async (to: string, xFake: string): Promise<string> => (await raw(to, stream, xFake)).body.toString()
    expect(await textOf(path, 'error-event=first;error=429')).toMatch(/^data: \{"error":\{.*"code":429\}\}\n\n$/)
    expect(await textOf(path, 'error-event=first;error-form=event;status-code=498')).toMatch(
      /^event: error\ndata: \{"error":\{.*"status_code":498\}\}\n\n$/,
    )
    expect(await textOf(path, 'error-event=first;error-form=event;flat;error=service_tier_capacity_exceeded')).toMatch(
      /^event: error\ndata: \{"object":"error",.*"type":"service_tier_capacity_exceeded",/,
    )
    const failed = dataOf(await textOf('/v1/responses', 'error-event=first;error-form=failed;error=rate_limit_exceeded'))
    expect(failed.map((data) => JSON.parse(data))).toMatchObject([
      { type: 'response.failed', response: { status: 'failed', error: { code: 'rate_limit_exceeded' } } },
    ])
    const typed = dataOf(await textOf('/v1/responses', 'error-event=first;error-form=typed;error=server_error'))
    expect(typed.map((data) => JSON.parse(data))).toMatchObject([{ type: 'error', code: 'server_error', sequence_number: 1 }])
  })

  test('an error in Gemini’s array is an element, first or last, and the array is JSON', async () => {
    for (const place of ['first', 'opened', 'last']) {
      const { body } = await raw(
        '/v1beta/models/gemini-2.5-flash:streamGenerateContent',
        JSON.stringify({ contents: [] }),
        `error-event=${place};error=UNAVAILABLE;quota-id=PerDay;reason=X`,
      )
      const elements = JSON.parse(body.toString()) as readonly unknown[]
      expect(elements.at(-1)).toMatchObject({
        error: { status: 'UNAVAILABLE', details: [{ reason: 'X' }, { violations: [{}] }] },
      })
      if (place === 'first') expect(elements).toHaveLength(1)
    }
  })

  test('content codings: each event can be read as it comes', async () => {
    const plain = await raw(path, stream, 'id=z')
    const zipped = await raw(path, stream, 'id=z;encoding=gzip')
    expect(zipped.headers['content-encoding']).toBe('gzip')
    expect(gunzipSync(zipped.body).equals(plain.body)).toBe(true)
  })

  test('a wrong length is too long or too short', async () => {
    const short = await raw(path, JSON.stringify(chat), 'id=w;wrong-length=+7')
    expect([short.complete, Number(short.headers['content-length']) - short.body.length]).toEqual([false, 7])
    const long = await raw(path, JSON.stringify(chat), 'id=w;wrong-length=-7')
    expect(short.body.length - long.body.length).toBe(7)
  })

  test('hang and stall last until the client leaves, and that is seen', async () => {
    for (const [xFake, bytes] of [
      ['hang', null],
      ['stall=100', 100],
    ] as const) {
      const before = fake.total()
      const leaving = new AbortController()
      const call = post(path, { ...chat, stream: true }, { 'x-fake': xFake }).catch(() => null)
      const fetched = fetch(fake.origin + path, {
        method: 'POST',
        signal: leaving.signal,
        headers: { 'content-type': 'application/json', 'x-fake': xFake },
        body: stream,
      }).then((res) => res.text())
      await expect.poll(() => fake.total()).toBe(before + 2)
      leaving.abort()
      await expect(fetched).rejects.toThrow()
      await expect.poll(() => fake.seen.slice(-2).filter((entry) => entry.aborted).length).toBe(1)
      if (bytes !== null) expect(fake.seen.slice(-2).find((entry) => entry.aborted)?.sent?.bytes).toBe(bytes)
      void call
    }
  })
})
