import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { effectiveConfig } from '../../core/config.js'
import { parseConfigFile } from '../../core/config/parse.js'
import { decodeExchange, type Exchange, type StoredBody } from '../../core/exchange.js'
import { openPriceBook } from '../../core/prices/book.js'
import { price } from '../../core/prices/price.js'
import { readConversation } from '../../core/conversation.js'
import { readUsage } from '../../core/usage-reader.js'
import type { JournalWriter } from '../../journal/port.js'
import { startProxy } from '../main.js'

// The proxy in this process, with a journal that keeps what it is given: what passes over a session, and what stays of it.

interface Running {
  readonly port: number
  readonly records: { readonly type: string; readonly exchange: Exchange }[]
  /** The ends, once there are `n`. */
  ends(n: number): Promise<readonly Exchange[]>
}

const start = async (origin: string, more = ''): Promise<Running> => {
  const records: Running['records'] = []
  const journal: JournalWriter = {
    writer: '00000000-0000-7000-8000-000000000001',
    state: { bytes: 0, limitBytes: 1e9, shedsBodies: false, full: null, dropped: 0, tornBytes: 0 },
    append: (type, _id, _tenant, payload, _durability, done) => {
      records.push({ type, exchange: decodeExchange(Buffer.concat(payload)) })
      setImmediate(() => done(null))
    },
    close: () => Promise.resolve(),
  }
  const text = `providers:\n${['openai', 'azure', 'gemini'].map((name) => `  ${name}: { origin: "${origin}" }\n`).join('')}${more}`
  const config = effectiveConfig(parseConfigFile({ path: 'weir.yaml', text }, {}), null, { WEIR_PROXY_PORT: '0' }, '/')
  const failures: unknown[] = []
  const log = { error: (fields: object) => void failures.push(fields), warn: () => undefined }
  const proxy = await startProxy({ config, journal, log })
  onTestFinished(async () => {
    await proxy.drain()
    expect(failures).toEqual([])
  })
  return {
    port: proxy.port,
    records,
    ends: async (n) => {
      const found = (): readonly Exchange[] => records.filter(({ type }) => type === 'end').map(({ exchange }) => exchange)
      await expect.poll(() => found().length).toBe(n)
      return found()
    },
  }
}

const frame = (payload: string | Buffer, { opcode = 1, mask = false } = {}): Buffer => {
  const body = Buffer.from(payload)
  const bit = mask ? 0x80 : 0
  const head = body.length > 65_535 ? Buffer.alloc(10) : body.length > 125 ? Buffer.alloc(4) : Buffer.from([0, body.length | bit])
  head[0] = 0x80 | opcode
  if (head.length === 4) {
    head[1] = 126 | bit
    head.writeUInt16BE(body.length, 2)
  } else if (head.length === 10) {
    head[1] = 127 | bit
    head.writeBigUInt64BE(BigInt(body.length), 2)
  }
  const key = Buffer.from([1, 2, 250, 77])
  return mask ? Buffer.concat([head, key, body.map((byte, i) => byte ^ (key[i % 4] as number))]) : Buffer.concat([head, body])
}
const json = (event: unknown, mask = false): Buffer => frame(JSON.stringify(event), { mask })

interface Ends {
  readonly client: Socket
  readonly upstream: Socket
  /** What came out at the other side, without the heads. */
  readonly atClient: () => Buffer
  readonly atUpstream: () => Buffer
  readonly upstreamHead: () => string
}

/** A client's and an upstream's bare socket, the proxy between them, both past the upgrade. */
const tunnel = async (
  { path = '/openai/v1/realtime?model=gpt-realtime', headers = '' } = {},
  more = '',
): Promise<Ends & { readonly house: Running }> => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const house = await start(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, more)
  const client = connect(house.port, '127.0.0.1')
  onTestFinished(() => void client.destroy())
  client.on('error', () => undefined)
  const after = (socket: Socket): (() => Buffer) => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
    return () => Buffer.concat(chunks)
  }
  const clientBytes = after(client)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  client.write(
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${headers}\r\n`,
  )
  const [upstream] = await accepted
  onTestFinished(() => void upstream.destroy())
  upstream.on('error', () => undefined)
  const upstreamBytes = after(upstream)
  const body = (bytes: Buffer): Buffer => bytes.subarray(bytes.indexOf('\r\n\r\n') + 4)
  await expect.poll(() => upstreamBytes().includes('\r\n\r\n')).toBe(true)
  upstream.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await expect.poll(() => clientBytes().includes('\r\n\r\n')).toBe(true)
  return {
    house,
    client,
    upstream,
    atClient: () => body(clientBytes()),
    atUpstream: () => body(upstreamBytes()),
    upstreamHead: () => upstreamBytes().toString().split('\r\n\r\n')[0] ?? '',
  }
}

const created = { type: 'response.created', response: { id: 'r1', status: 'in_progress', output: [] } }
const session = { type: 'session.created', event_id: 'e', session: { id: 's1', model: 'gpt-realtime-2025-08-28' } }
const delta = { type: 'response.output_text.delta', response_id: 'r1', delta: 'Hello é' }
/** 100 text (40 cached) and 200 audio (60 cached) in; 30 text and 70 audio out. */
const usage = {
  total_tokens: 400,
  input_tokens: 300,
  output_tokens: 100,
  input_token_details: {
    text_tokens: 100,
    audio_tokens: 200,
    cached_tokens: 100,
    cached_tokens_details: { text_tokens: 40, audio_tokens: 60 },
  },
  output_token_details: { text_tokens: 30, audio_tokens: 70 },
}
const output = [{ type: 'message', role: 'assistant', content: [{ type: 'output_audio', transcript: 'Hello é' }] }]
const done = { type: 'response.done', response: { id: 'r1', status: 'completed', output, usage } }
const asked = {
  type: 'conversation.item.create',
  item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] },
}
const closing = (code: number, reason = ''): Buffer => {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(code)
  return frame(Buffer.concat([bytes, Buffer.from(reason)]), { opcode: 8 })
}

const text = (body: StoredBody | null): string => (body === null ? '' : Buffer.from(body.bytes).toString())
const lines = (body: StoredBody | null): unknown[] =>
  text(body)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
const costOf = (end: Exchange): ReturnType<typeof price> =>
  price(
    readUsage(end.provider, end.api, end.usageRaw),
    { ...end, asked: end.priceFacts, attempt: 1 },
    new Date('2026-11-25T00:00:00Z'),
    openPriceBook(),
  )

test('a response and its connection: one row each, everything on it', async () => {
  const { house, client, upstream, atUpstream } = await tunnel({
    headers:
      'Authorization: Bearer k\r\nWeir-User-Id: ada\r\nWeir-Session-Id: call-7\r\nWeir-Property-Team: voice\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n',
  })
  upstream.write(json(session))
  const up = Buffer.concat([json(asked, true), json({ type: 'response.create' }, true)])
  client.write(up)
  await expect.poll(() => atUpstream().length).toBe(up.length)
  upstream.write(Buffer.concat([json(created), json(delta), json({ type: 'rate_limits.updated' }), json(done)]))
  // It is there while the connection goes on.
  const [response] = (await house.ends(1)) as [Exchange]
  upstream.write(closing(1000))
  upstream.end()
  client.end()
  const connection = (await house.ends(2))[1] as Exchange
  expect(house.records.map(({ type, exchange }) => [type, exchange.api])).toEqual([
    ['start', 'realtime_session'],
    ['end', 'realtime'],
    ['end', 'realtime_session'],
  ])
  expect(connection).toMatchObject({
    operation: '',
    outcome: 'complete',
    status: 101,
    requestModel: 'gpt-realtime',
    responseModel: 'gpt-realtime-2025-08-28',
    responseId: 's1',
    usageRaw: [],
    error: null,
    notes: [],
    reqBody: null,
    resBody: null,
  })
  expect(connection.counts.resBytes).toBeGreaterThan(0)
  expect(costOf(connection)).toMatchObject({ status: 'not_billable', reason: 'connection', totalUsd: '0' })
  expect(response).toMatchObject({
    connection: connection.id,
    tenant: connection.tenant,
    identity: connection.identity,
    endpoint: 'GET /openai/v1/realtime',
    operation: 'chat',
    streaming: true,
    status: 101,
    outcome: 'complete',
    requestModel: 'gpt-realtime',
    responseModel: 'gpt-realtime-2025-08-28',
    responseId: 'r1',
    finishReason: 'completed',
    error: null,
    altered: [],
    warnings: [],
    notes: [],
  })
  expect(response.id > connection.id).toBe(true)
  expect(response.identity).toMatchObject({ userId: 'ada', sessionId: 'call-7', properties: { team: 'voice' } })
  expect(response.marksUs.firstContent).not.toBeNull()
  expect(response.counts).toMatchObject({ contentChars: 7, events: 3 })
  expect(lines(response.reqBody)).toEqual([asked, { type: 'response.create' }])
  expect(lines(response.resBody)).toEqual([created, delta, done])
  const said = readConversation({
    family: '',
    api: 'realtime',
    requestBody: text(response.reqBody),
    responseBody: text(response.resBody),
    streaming: true,
  })
  expect(said?.messages.map(({ role, blocks }) => [role, blocks])).toEqual([
    ['user', [{ type: 'text', text: 'Hi' }]],
    ['assistant', [{ type: 'text', text: 'Hello é' }]],
  ])
  // 60 text x 4 + 40 x 0.40 + 140 audio x 32 + 60 x 0.40 + 30 text x 16 + 70 audio x 64 = 9,720 per million.
  expect(costOf(response)).toMatchObject({ status: 'exact', totalUsd: '0.00972' })
})

test('what the client says while a response runs is of the next one', async () => {
  const { house, client, upstream, atClient, atUpstream } = await tunnel()
  const begun = (id: string): Buffer => json({ ...created, response: { ...created.response, id } })
  const over = (id: string): Buffer => json({ ...done, response: { ...done.response, id } })
  const said = json({ n: 1 }, true)
  client.write(said)
  await expect.poll(() => atUpstream().length).toBe(said.length)
  upstream.write(begun('a'))
  await expect.poll(() => atClient().length).toBe(begun('a').length)
  client.write(json({ n: 2 }, true))
  await expect.poll(() => atUpstream().length).toBe(2 * said.length)
  upstream.write(Buffer.concat([over('a'), begun('b'), over('b')]))
  const ends = await house.ends(2)
  expect(ends.map(({ reqBody, responseId }) => [responseId, lines(reqBody)])).toEqual([
    ['a', [{ n: 1 }]],
    ['b', [{ n: 2 }]],
  ])
})

test('cut into single bytes and at random, with pings, fragments and binary between: every byte passes, every response is read', async () => {
  const half = Buffer.from(JSON.stringify(done))
  const down = Buffer.concat([
    json(session),
    json(created),
    frame('ping', { opcode: 9 }),
    frame(Buffer.alloc(70_000, 7), { opcode: 2 }),
    json(delta),
    Buffer.concat([Buffer.from([0x01, 126, half.length >> 9, (half.length >> 1) & 255]), half.subarray(0, half.length >> 1)]),
    frame('pong', { opcode: 10 }),
    frame(half.subarray(half.length >> 1), { opcode: 0 }),
  ])
  const up = Buffer.concat([json(asked, true), frame('x', { opcode: 9, mask: true }), json({ type: 'response.create' }, true)])
  const { house, client, upstream, atClient, atUpstream } = await tunnel()
  client.setNoDelay(true)
  upstream.setNoDelay(true)
  for (const byte of up) {
    client.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await expect.poll(() => atUpstream().length).toBe(up.length)
  let seed = 7
  for (let at = 0; at < down.length;) {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    const size = 1 + (seed % (at < 200 ? 3 : 5000))
    upstream.write(down.subarray(at, at + size))
    at += size
    await new Promise((resolve) => setImmediate(resolve))
  }
  const [response] = (await house.ends(1)) as [Exchange]
  await expect.poll(() => atClient().length).toBe(down.length)
  expect(atClient().equals(down)).toBe(true)
  expect(atUpstream().equals(up)).toBe(true)
  expect(readUsage('openai', 'realtime', response.usageRaw)).toMatchObject({ inputTokens: 300, outputTokens: 100 })
  expect(lines(response.reqBody)).toEqual([asked, { type: 'response.create' }])
})

test('a message of 20 MiB is passed over with a note; what follows is read', async () => {
  const { house, client, upstream, atClient } = await tunnel()
  const hash = createHash('sha256')
  const down = Buffer.concat([frame(Buffer.alloc(20 * 1024 ** 2, 65)), json(session), json(created), json(done), closing(1000)])
  upstream.write(down)
  await expect.poll(() => atClient().length).toBe(down.length)
  expect(createHash('sha256').update(atClient()).digest('hex')).toBe(hash.update(down).digest('hex'))
  upstream.end()
  client.end()
  const [response, connection] = (await house.ends(2)) as [Exchange, Exchange]
  expect(response).toMatchObject({ responseId: 'r1', outcome: 'complete' })
  expect(connection.notes).toEqual(['message_too_large'])
})

test('what is no frame stops the reading: the bytes pass, and the row does not say that it cost nothing', async () => {
  const { house, client, upstream, atClient } = await tunnel()
  const down = Buffer.concat([json(session), json(created), Buffer.from('no frame at all, by any rule'), json(done)])
  upstream.write(down)
  await expect.poll(() => atClient().length).toBe(down.length)
  expect(atClient().equals(down)).toBe(true)
  upstream.end()
  client.end()
  const [response, connection] = (await house.ends(2)) as [Exchange, Exchange]
  expect(response).toMatchObject({ api: 'realtime', outcome: 'upstream_abort' })
  expect(connection).toMatchObject({ outcome: 'complete', notes: ['unreadable'] })
  expect(costOf(connection)).toMatchObject({ status: 'unpriced', reason: 'unreadable', totalUsd: null })
})

test.each([
  ['the client goes', (ends: Ends) => ends.client.destroy(), 'client_abort', 'client_abort', 'client_abort'],
  ['the upstream goes', (ends: Ends) => ends.upstream.destroy(), 'upstream_abort', 'upstream_abort', 'upstream_reset'],
  ['the upstream resets', (ends: Ends) => ends.upstream.resetAndDestroy(), 'upstream_abort', 'upstream_abort', 'upstream_reset'],
  [
    'the upstream fails',
    (ends: Ends) => ends.upstream.end(closing(1011, 'internal')),
    'error_event',
    'error_event',
    'close_1011',
  ],
  ['the upstream closes', (ends: Ends) => ends.upstream.end(closing(1000)), 'upstream_abort', 'complete', 'upstream_reset'],
  [
    'the client closes',
    (ends: Ends) => ends.client.end(frame(Buffer.from([3, 232]), { opcode: 8, mask: true })),
    'client_abort',
    'complete',
    'client_abort',
  ],
])('inside a response %s', async (_, leave, outcome, ofConnection, code) => {
  const ends = await tunnel()
  ends.upstream.write(Buffer.concat([json(session), json(created), json(delta)]))
  await expect.poll(() => ends.atClient().length).toBeGreaterThan(200)
  leave(ends)
  ends.client.on('end', () => ends.client.end())
  ends.upstream.on('end', () => ends.upstream.end())
  const [response, connection] = (await ends.house.ends(2)) as [Exchange, Exchange]
  expect(response).toMatchObject({
    api: 'realtime',
    outcome,
    status: 101,
    usageRaw: [],
    finishReason: null,
    error: { code },
    counts: { contentChars: 7 },
  })
  expect(connection).toMatchObject({ api: 'realtime_session', outcome: ofConnection, status: 101 })
})

test('an error event nothing follows is how the connection ended', async () => {
  const { house, client, upstream } = await tunnel()
  upstream.write(json({ type: 'error', error: { type: 'invalid_request_error', code: 'session_expired', message: 'Over.' } }))
  upstream.end(closing(1001))
  client.end()
  expect((await house.ends(1))[0]).toMatchObject({ outcome: 'error_event', error: { code: 'session_expired', message: 'Over.' } })
})

test('a failed response, a transcript at its own model, and what the caller wants left out', async () => {
  const { house, upstream } = await tunnel({ headers: 'Weir-Omit-Request: true\r\nWeir-Omit-Response: true\r\n' })
  upstream.write(
    Buffer.concat([
      json({ ...session, session: { ...session.session, audio: { input: { transcription: { model: 'whisper-1' } } } } }),
      json({
        type: 'conversation.item.input_audio_transcription.completed',
        item_id: 'i1',
        transcript: 'Hi',
        usage: { type: 'duration', seconds: 30 },
      }),
      json(created),
      json({ ...done, response: { id: 'r1', status: 'failed', status_details: { error: { code: 'rate_limit_exceeded' } } } }),
    ]),
  )
  const [transcript, response] = (await house.ends(2)) as [Exchange, Exchange]
  expect(transcript).toMatchObject({
    api: 'transcription',
    operation: 'transcription',
    requestModel: 'whisper-1',
    outcome: 'complete',
  })
  expect(readUsage('openai', 'transcription', transcript.usageRaw).extra).toEqual({ audio_seconds: 30 })
  expect(response).toMatchObject({ outcome: 'error_event', error: { kind: 'rate_limit', code: 'rate_limit_exceeded' } })
  for (const { reqBody, resBody, sha256 } of [transcript, response])
    expect([reqBody, resBody, sha256.res]).toEqual([null, null, null])
})

test('Gemini Live, in binary frames that cut a line', async () => {
  const { house, client, upstream, atUpstream, upstreamHead } = await tunnel({
    path: '/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k',
  })
  expect(upstreamHead()).toMatch(
    /^GET \/ws\/google\.ai\.generativelanguage\.v1beta\.GenerativeService\.BidiGenerateContent\?key=k /,
  )
  const setup = {
    setup: {
      model: 'models/gemini-2.5-flash-native-audio-preview-09-2025',
      systemInstruction: { parts: [{ text: 'Be brief.' }] },
    },
  }
  const turn = { clientContent: { turns: [{ role: 'user', parts: [{ text: 'Hi' }] }], turnComplete: true } }
  const up = Buffer.concat([json(setup, true), json(turn, true)])
  client.write(up)
  await expect.poll(() => atUpstream().length).toBe(up.length)
  for (const message of [
    { setupComplete: {} },
    { serverContent: { modelTurn: { parts: [{ inlineData: { mimeType: 'audio/pcm;rate=24000', data: 'AAAA' } }] } } },
    { serverContent: { outputTranscription: { text: 'Hello' } } },
    { serverContent: { generationComplete: true } },
    {
      serverContent: { turnComplete: true },
      usageMetadata: {
        promptTokenCount: 100,
        responseTokenCount: 50,
        totalTokenCount: 150,
        promptTokensDetails: [{ modality: 'TEXT', tokenCount: 100 }],
        responseTokensDetails: [{ modality: 'AUDIO', tokenCount: 50 }],
      },
    },
  ])
    upstream.write(frame(JSON.stringify(message, null, 2), { opcode: 2 }))
  const [response] = (await house.ends(1)) as [Exchange]
  expect(response).toMatchObject({
    provider: 'gemini',
    api: 'realtime',
    requestModel: 'gemini-2.5-flash-native-audio-preview-09-2025',
    finishReason: 'STOP',
    outcome: 'complete',
  })
  expect(readUsage('gemini', 'realtime', response.usageRaw)).toMatchObject({
    inputTokens: 100,
    outputTokens: 50,
    outputAudioTokens: 50,
    usageSource: 'wire',
  })
  const said = readConversation({
    family: '',
    api: 'realtime',
    requestBody: text(response.reqBody),
    responseBody: text(response.resBody),
    streaming: true,
  })
  expect(said?.messages.map(({ role, blocks }) => [role, blocks])).toEqual([
    ['system', [{ type: 'text', text: 'Be brief.' }]],
    ['user', [{ type: 'text', text: 'Hi' }]],
    ['assistant', [{ type: 'text', text: 'Hello' }]],
  ])
})

test('compression is not offered on, whatever the client and the server could', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: true })
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const offers: unknown[] = []
  server.on('connection', (socket, req) => {
    offers.push(req.headers['sec-websocket-extensions'])
    socket.on('message', () => {
      for (const event of [session, created, { ...delta, delta: 'x'.repeat(5000) }, done]) socket.send(JSON.stringify(event))
    })
  })
  const house = await start(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const client = new WebSocket(`ws://127.0.0.1:${house.port}/openai/v1/realtime`, { perMessageDeflate: true })
  await once(client, 'open')
  client.send('{"type":"response.create"}')
  const [response] = (await house.ends(1)) as [Exchange]
  expect(response).toMatchObject({ responseId: 'r1', counts: { contentChars: 5000 } })
  expect([offers, client.extensions]).toEqual([[undefined], ''])
  client.close()
  await house.ends(2)
  // A WebSocket that is no session is none of ours: its offer passes, and its bytes are unread.
  const other = new WebSocket(`ws://127.0.0.1:${house.port}/openai/v1/other`, { perMessageDeflate: true })
  await once(other, 'open')
  expect(other.extensions).toContain('permessage-deflate')
  other.close()
  expect((await house.ends(3))[2]).toMatchObject({ api: '', outcome: 'complete', status: 101 })
})
