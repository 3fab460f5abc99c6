import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { fileContent } from '../cli/fake-provider/files.js'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { recordingsDir } from '../core/providers/recordings.js'
import { openHouse, providersAt, type Row, type RunningHouse } from './support/house.js'
import { send } from './support/send.js'
import { until } from './support/wait.js'

// The pass-through lane: what is relayed unread, of any size, in constant memory, and WebSockets. Each leaves one row.

const size = 100 * 1024 ** 2
const grownAtMost = 60 * 1024 ** 2

let fake: FakeProvider
let house: RunningHouse
beforeAll(async () => {
  fake = await startFakeProvider()
  house = await openHouse({
    // The limit of the other lane does not bind this one.
    yaml: `${providersAt(fake.origin, ['openai', 'anthropic'])}ceilings: { body: 1MiB }\n`,
  })
})
afterAll(async () => {
  await house?.stop()
  await fake?.close()
})

const residentBytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024

/** Most memory the proxy held while `work` ran, above what it held before. */
const growth = async (work: () => Promise<void>): Promise<number> => {
  const before = residentBytes(house.pids.proxy)
  let most = before
  const sampling = setInterval(() => (most = Math.max(most, residentBytes(house.pids.proxy))), 20)
  try {
    await work()
  } finally {
    clearInterval(sampling)
  }
  return most - before
}

interface Uploaded {
  readonly status: number
  readonly id: string
  readonly sentSha256: string
  readonly file: { readonly bytes: number; readonly sha256: string }
}

/** Uploads `bytes` bytes with back-pressure. */
const upload = (bytes: number, headers: Record<string, string>): Promise<Uploaded> =>
  new Promise((resolve, reject) => {
    const hash = createHash('sha256')
    const req = request(`${house.proxy}/openai/v1/files`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', ...headers },
    })
    req.on('error', reject)
    req.on('response', (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      res.on('end', () =>
        resolve({
          status: res.statusCode ?? 0,
          id: String(res.headers['weir-id']),
          sentSha256: hash.digest('hex'),
          file: JSON.parse(text) as Uploaded['file'],
        }),
      )
    })
    const pieces = fileContent(bytes)
    const more = (): void => {
      for (;;) {
        const { value, done } = pieces.next()
        if (done === true) return void req.end()
        hash.update(value)
        if (!req.write(value)) return void req.once('drain', more)
      }
    }
    more()
  })

/** Downloads `bytes` bytes; nothing is kept. */
const download = (bytes: number): Promise<{ bytes: number; sha256: string; id: string; complete: boolean }> =>
  new Promise((resolve, reject) => {
    const req = request(`${house.proxy}/openai/v1/files/file-1/content?bytes=${bytes}`, { method: 'GET' })
    req.on('error', reject)
    req.on('response', (res) => {
      const hash = createHash('sha256')
      let length = 0
      res.on('data', (chunk: Buffer) => {
        hash.update(chunk)
        length += chunk.length
      })
      res.on('end', () =>
        resolve({ bytes: length, sha256: hash.digest('hex'), id: String(res.headers['weir-id']), complete: res.complete }),
      )
    })
    req.end()
  })

const unread = {
  outcome: 'complete',
  status: 200,
  provider: 'openai',
  api: '',
  inputTokens: null,
  outputTokens: null,
  usageSource: 'none',
}
const expectUnread = (row: Row, more: Partial<Row>): void => {
  expect(row).toMatchObject({ ...unread, ...more })
  expect(row.usageReason).not.toBe('')
}

test('GET, DELETE, batches: as the upstream answers, one row each, no charge for a read', async () => {
  const calls = [
    ['GET', '/openai/v1/models', ''],
    ['GET', '/openai/v1/files', ''],
    ['DELETE', '/openai/v1/files/file-1', ''],
    ['POST', '/openai/v1/batches', '{"input_file_id":"file-1","endpoint":"/v1/chat/completions","completion_window":"24h"}'],
    ['GET', '/openai/v1/batches/batch_1?x=1&y=%2F', ''],
    ['GET', '/v1/models', ''],
  ] as const
  for (const [method, path, body] of calls) {
    const before = fake.total()
    const answer = await send(`${house.proxy}${path}`, {
      method,
      headers: {
        authorization: 'Bearer k',
        'weir-user-id': 'ada',
        ...(body === '' ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === '' ? {} : { body }),
    })
    expect({ path, status: answer.status, end: answer.end }).toEqual({ path, status: 200, end: 'clean' })
    expect(fake.total()).toBe(before + 1)
    const seen = fake.seen.at(-1)
    expect(seen).toMatchObject({ method, path: path.replace('/openai', ''), body })
    expect(Object.keys(seen?.headers ?? {}).filter((name) => /^(?:weir|helicone)-/.test(name) && name !== 'weir-hop')).toEqual([])
    expect(answer.sha256).toBe((await until('the upstream to have sent', () => seen?.sent)).sha256)
    const row = await house.row(answer.id)
    // A poll of a batch is read: it tells what the batch used, and costs nothing itself.
    if (path.includes('/batches/')) expect(row).toMatchObject({ api: 'batch', userId: 'ada', outcome: 'complete', status: 200 })
    else expectUnread(row, { userId: 'ada', endpoint: row.endpoint })
    expect(row.endpoint.startsWith(`${method} /`)).toBe(true)
    if (method === 'POST') expect(row).toMatchObject({ cost: null, costStatus: 'unpriced' })
    else expect(row).toMatchObject({ cost: '0', costStatus: 'not_billable' })
  }
})

test('an upload of 100 MB, declared or chunked: constant memory, equal bytes', async () => {
  await upload(8 * 1024 ** 2, {}) // what the lane needs anyway
  for (const headers of [{ 'content-length': String(size) }, {}] as Record<string, string>[]) {
    let done: Uploaded | null = null
    const grown = await growth(async () => {
      done = await upload(size, headers)
    })
    const { status, sentSha256, file, id } = done as unknown as Uploaded
    expect({ status, bytes: file.bytes, sha256: file.sha256 }).toEqual({ status: 200, bytes: size, sha256: sentSha256 })
    expect(grown).toBeLessThan(grownAtMost)
    const row = await house.row(id)
    expectUnread(row, { reqBytes: size })
    expect(row.requestSha256).toBe(sentSha256)
  }
})

test('a download of 100 MB: constant memory, equal bytes', async () => {
  await download(8 * 1024 ** 2)
  let done: Awaited<ReturnType<typeof download>> | null = null
  const grown = await growth(async () => {
    done = await download(size)
  })
  const { bytes, sha256, complete, id } = done as unknown as Awaited<ReturnType<typeof download>>
  const expected = createHash('sha256')
  for (const piece of fileContent(size)) expected.update(piece)
  expect({ bytes, complete, sha256 }).toEqual({ bytes: size, complete: true, sha256: expected.digest('hex') })
  expect(grown).toBeLessThan(grownAtMost)
  expectUnread(await house.row(id), { resBytes: size })
})

test('an upload that its client gives up: the upstream is let go, client_abort', async () => {
  const before = fake.total()
  const req = request(`${house.proxy}/openai/v1/files`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'content-length': '1000000', 'weir-user-id': 'left-the-upload' },
  })
  req.on('error', () => undefined)
  req.write(Buffer.alloc(1000))
  await until('the upload to have begun', () => fake.total() > before)
  req.destroy()
  await until('the upstream to be let go', () => fake.seen.at(-1)?.aborted)
  const [row] = await until('its row', async () => {
    const rows = await house.rows(`r.user_id = 'left-the-upload'`)
    return rows.length > 0 && rows
  })
  expect(row).toMatchObject({ outcome: 'client_abort', status: 0, errorKind: 'client' })
})

const openSocket = (
  path: string,
  headers: Record<string, string> = {},
  proxy = house.proxy,
): Promise<{ socket: WebSocket; id: string; texts: string[]; binary: Buffer[] }> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`${proxy.replace('http', 'ws')}${path}`, {
      headers: { authorization: 'Bearer k', ...headers },
    })
    let id = ''
    const texts: string[] = []
    const binary: Buffer[] = []
    // From the first moment: a frame may come together with the head.
    socket.on('message', (data: Buffer, isBinary: boolean) => void (isBinary ? binary.push(data) : texts.push(data.toString())))
    socket.once('upgrade', (res) => (id = String(res.headers['weir-id'] ?? '')))
    socket.once('open', () => resolve({ socket, id, texts, binary }))
    socket.once('unexpected-response', (_req, res) =>
      reject(Object.assign(new Error(`HTTP ${res.statusCode}`), { status: res.statusCode, id: res.headers['weir-id'] })),
    )
    socket.once('error', reject)
  })

/** Rows of one user, once there are `n`. */
const rowsOf = (user: string, n: number): Promise<readonly Row[]> =>
  until(`${n} rows of ${user}`, async () => {
    const found = await house.rows(`r.user_id = {user:String} ORDER BY toString(r.request_id)`, { user })
    return found.length >= n && found
  })

/** Which row is above which: a row's span is named by the rows below it, in the same trace. */
const linksOf = (running: RunningHouse, ids: readonly string[]): Promise<{ id: string; above: string }[]> =>
  running.query(
    `SELECT toString(a.request_id) AS id, toString(b.request_id) AS above FROM requests AS a
     JOIN requests AS b ON b.trace_id = a.trace_id AND b.span_id = a.parent_span_id
     WHERE a.request_id IN ({ids:Array(UUID)}) ORDER BY a.source_offset`,
    { ids: `['${ids.join("','")}']` },
  )

test('a WebSocket: both ways, text and binary; one row per response as it ends, one for the connection when it closes', async () => {
  const { socket, id, texts, binary } = await openSocket('/openai/v1/realtime?model=gpt-realtime', {
    'weir-user-id': 'speaker',
    'x-fake': 'input=11;output=7',
  })
  const event = (type: string): { type: string; response?: { usage?: unknown } } | undefined =>
    texts.map((text) => JSON.parse(text) as { type: string }).find((one) => one.type === type)
  await until('session.created', () => event('session.created'))
  const audio = Buffer.alloc(300_000, 7)
  socket.send(audio)
  socket.send(
    JSON.stringify({
      type: 'conversation.item.create',
      item: { type: 'message', content: [{ type: 'input_text', text: 'hello' }] },
    }),
  )
  socket.send(JSON.stringify({ type: 'response.create' }))
  const done = await until('response.done', () => event('response.done'))
  expect(done.response?.usage).toMatchObject({ input_tokens: 11, output_tokens: 7 })
  expect(binary.map((data) => data.equals(audio))).toEqual([true])
  expect(
    Object.keys(fake.seen.at(-1)?.headers ?? {}).filter((name) => /^(?:weir|helicone)-/.test(name) && name !== 'weir-hop'),
  ).toEqual([])
  const [response] = await rowsOf('speaker', 1)
  expect(response).toMatchObject({
    api: 'realtime',
    operation: 'chat',
    outcome: 'complete',
    status: 101,
    requestModel: 'gpt-realtime',
    inputTokens: 11,
    outputTokens: 7,
    // 11 x 4 + 7 x 16 per million.
    cost: '0.000156',
    costStatus: 'exact',
    inputPreview: 'hello',
  })
  socket.close(1000)
  const rows = await rowsOf('speaker', 2)
  const connection = rows.find((row) => row.id === id)
  expect(connection).toMatchObject({
    api: 'realtime_session',
    outcome: 'complete',
    status: 101,
    provider: 'openai',
    endpoint: 'GET /openai/v1/realtime',
    inputTokens: null,
    usageSource: 'none',
    usageReason: 'not_applicable',
    cost: '0',
    costStatus: 'not_billable',
  })
  expect(connection?.reqBytes).toBeGreaterThan(audio.length)
  expect(connection?.resBytes).toBeGreaterThan(audio.length)
  expect(await linksOf(house, [id, response?.id ?? ''])).toEqual([{ id: response?.id, above: id }])
  await house.caughtUp()
  expect(await house.rows(`r.user_id = 'speaker'`)).toHaveLength(2)
})

test('a WebSocket the upstream refuses, or closes: as it came', async () => {
  await expect(
    openSocket('/openai/v1/realtime?model=m', { 'x-fake': 'status=401', 'weir-user-id': 'refused-socket' }),
  ).rejects.toMatchObject({ status: 401, id: expect.stringMatching(/^[0-9a-f-]{36}$/) })
  const { socket } = await openSocket('/openai/v1/realtime?model=m', { 'x-fake': 'close=1011' })
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  socket.send('{"type":"anything"}')
  expect(await closed).toBe(1011)
  const [row] = await until('its row', async () => {
    const found = await house.rows(`r.user_id = 'refused-socket'`)
    return found.length > 0 && found
  })
  expect(row).toMatchObject({ status: 401, outcome: 'complete', errorKind: 'auth' })
  await expect(openSocket('/nobody/v1/realtime')).rejects.toMatchObject({ status: 404 })
})

interface Frame {
  readonly direction: 'sent' | 'received'
  readonly data: unknown
}

/** An upstream that plays a recorded session: what was received up to the next frame that was sent, then waits for that. */
const playSession = async (frames: readonly Frame[]): Promise<{ origin: string; got: string[]; close: () => void }> => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await new Promise((resolve) => server.once('listening', resolve))
  const got: string[] = []
  server.on('connection', (socket) => {
    let at = 0
    const play = (): void => {
      for (; frames[at]?.direction === 'received'; at++) socket.send(JSON.stringify(frames[at]?.data))
      at++
    }
    socket.on('message', (data: Buffer) => {
      got.push(data.toString())
      play()
    })
    play()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, got, close: () => void server.close() }
}

test.skipIf(recordingsDir === null).each([
  {
    name: 'realtime-openai-tool',
    path: '/openai/v1/realtime?model=gpt-realtime',
    responses: [
      // 63 x 4 + 22 x 16 per million.
      { inputTokens: 63, cacheReadTokens: 0, outputTokens: 22, outputAudioTokens: 0, toolCalls: 1, cost: '0.000604' },
      // 39 x 4 + 64 x 0.40 + 13 x 16.
      { inputTokens: 103, cacheReadTokens: 64, outputTokens: 13, outputAudioTokens: 0, toolCalls: 0, cost: '0.0003896' },
    ],
    previews: [
      ['What is the weather in London?', expect.stringMatching(/^get_weather\(/)],
      [expect.any(String), 'It is foggy and 12 degrees in London.'],
    ],
  },
  {
    name: 'realtime-azure-text',
    path: '/azure/openai/realtime?api-version=2025-04-01-preview&deployment=my-voice',
    // Example 15 of cost.md: 16 x 4 + 16 x 16 + 82 x 64.
    responses: [{ inputTokens: 16, cacheReadTokens: 0, outputTokens: 98, outputAudioTokens: 82, toolCalls: 0, cost: '0.005568' }],
    previews: [['Say a short greeting.', 'Hello there! Great to meet you!']],
  },
])(
  'the recorded session $name passes frame by frame and leaves a row for each response (WEIR_WIRE_FIXTURES is set)',
  async ({ name, path, responses, previews }) => {
    const frames = readFileSync(join(recordingsDir ?? '', name, 'messages.ndjson'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Frame)
    const upstream = await playSession(frames)
    onTestFinished(upstream.close)
    const own = await openHouse({ yaml: providersAt(upstream.origin, ['openai', 'azure']) })
    onTestFinished(() => own.stop())
    const { socket, id, texts } = await openSocket(path, { 'weir-user-id': 'ada', 'weir-property-team': 'voice' }, own.proxy)
    let received = 0
    for (const { direction, data } of frames) {
      if (direction === 'received') received++
      else {
        await until(`${received} frames`, () => texts.length >= received)
        socket.send(JSON.stringify(data))
      }
    }
    await until('the last frame', () => texts.length >= received)
    const said = (direction: Frame['direction']): readonly string[] =>
      frames.filter((frame) => frame.direction === direction).map(({ data }) => JSON.stringify(data))
    expect(texts).toEqual(said('received'))
    expect(upstream.got).toEqual(said('sent'))
    socket.close(1000)
    const provider = path.split('/')[1]
    expect(await own.row(id)).toMatchObject({
      api: 'realtime_session',
      provider,
      status: 101,
      outcome: 'complete',
      responseModel: 'gpt-realtime',
      usageSource: 'none',
      cost: '0',
      costStatus: 'not_billable',
      usageNotes: [],
    })
    await own.caughtUp()
    const rows = await own.rows(`r.api = 'realtime' ORDER BY r.source_offset`)
    expect(rows).toMatchObject(
      responses.map((figures) => ({
        ...figures,
        provider,
        operation: 'chat',
        streaming: true,
        outcome: 'complete',
        responseModel: 'gpt-realtime',
        finishReason: 'completed',
        inputAudioTokens: 0,
        usageSource: 'wire',
        usageNotes: [],
        costStatus: 'exact',
        userId: 'ada',
        properties: { team: 'voice' },
        altered: [],
        warnings: [],
      })),
    )
    expect(rows.map(({ inputPreview, outputPreview }) => [inputPreview, outputPreview])).toEqual(previews)
    expect(await linksOf(own, [id, ...rows.map((row) => row.id)])).toEqual(rows.map((row) => ({ id: row.id, above: id })))
    expect(await own.rows('true')).toHaveLength(rows.length + 1)
  },
)
