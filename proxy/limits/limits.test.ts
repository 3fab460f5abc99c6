import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventFrame } from '../../core/providers/framing/event-frames.js'
import { keyDigest } from '../../core/weir-keys.js'
import { chat, startHouse, type Got, type House } from '../contract/testing-house.js'
import type { Pressure } from '../overload.js'
import { chatAnswer, chatOf, startUpstream, type Upstream } from './testing-upstream.js'

// Every row of the table in docs/limits.md, at a running proxy: what is just within its limit passes, and one over gives what is told there.

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
afterEach(() => {
  upstream.answer({ body: chatAnswer() })
  upstream.wait(Promise.resolve())
})

const open = async (yaml: string, more: Parameters<typeof startHouse>[2] = {}): Promise<House> => {
  const house = await startHouse(upstream.origin, yaml, more)
  onTestFinished(() => house.close())
  return house
}

/** The next answers come when the test says so. */
const held = (): (() => void) => {
  let letGo = (): void => undefined
  upstream.wait(new Promise((resolve) => (letGo = resolve)))
  return letGo
}

const messageOf = ({ body }: Got): string => (body as { error: { message: string } }).error.message
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const isSpilling = ({ dataDir }: House): boolean => existsSync(join(dataDir, 'state', 'spill'))

/** Says something and listens. */
const talk = async ({ port }: House, said: string): Promise<{ socket: Socket; heard: () => string; closed: () => boolean }> => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  let [text, isClosed, hasEnded] = ['', false, false]
  socket.on('end', () => (hasEnded = true))
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  socket.on('close', () => (isClosed = true))
  socket.on('error', () => undefined)
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  socket.write(said)
  const closed = (): boolean => {
    // Whoever keeps its own side open learns by writing that the other is gone, not only silent.
    if (hasEnded) socket.write('x')
    return isClosed
  }
  return { socket, heard: () => text, closed }
}

const head = (path: string, more: string, method = 'POST'): string =>
  `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer sk-1\r\ncontent-type: application/json\r\n${more}\r\n`
const chatPath = '/openai/v1/chat/completions'

describe('heads', () => {
  test('ceilings.headers: over it 431 that names it, without a row', async () => {
    const house = await open('ceilings: { headers: 4KiB }\n')
    const within = await house.call({ 'x-label': 'x'.repeat(3500) })
    expect(within.status).toBe(200)
    const before = house.rows()
    const over = await house.call({ 'x-label': 'x'.repeat(4097) })
    expect([over.status, over.headers['weir-error']]).toEqual([431, 'headers_too_large'])
    expect(messageOf(over)).toContain('over 4096 bytes (ceilings.headers in weir.yaml)')
    expect(house.rows()).toBe(before)
    expect(await house.metrics()).toContain('weir_errors_total{code="headers_too_large"} 1')
  })

  test.each([chatPath, '/openai/v1/files'])('ceilings.upstreamHeaders, %s: over it 502', async (path) => {
    const house = await open('ceilings: { upstreamHeaders: 4KiB }\n')
    const ask = async (bytes: number): Promise<Got> => {
      upstream.answer({ headers: { 'x-long': 'x'.repeat(bytes) }, body: chatAnswer() })
      return await house.ask({ path, method: path === chatPath ? 'POST' : 'GET' })
    }
    expect((await ask(3500)).status).toBe(200)
    const over = await ask(4097)
    expect([over.status, over.headers['weir-error']]).toEqual([502, 'upstream_bad_response'])
    expect(await house.end(over.id)).toMatchObject({ outcome: 'upstream_abort', error: { kind: 'network' } })
  })

  test('timeouts.head: a head that stands still, and a connection that says nothing, are closed; the others are served', async () => {
    const house = await open('timeouts: { head: 400ms }\n')
    const [half, nothing] = await Promise.all([talk(house, 'POST /openai/v1/chat HTTP/1.1\r\nhost: a\r\n'), talk(house, '')])
    expect((await house.call({})).status).toBe(200)
    await expect.poll(() => [half.closed(), nothing.closed()]).toEqual([true, true])
    expect(half.heard()).toMatch(/^HTTP\/1\.1 408 .*did not come within 400 ms \(timeouts\.head in weir\.yaml\)/s)
  })
})

describe('bodies', () => {
  test('ceilings.body: over it 413 that names it, by its declared length and by what comes', async () => {
    const house = await open('ceilings: { body: 2KiB }\n')
    expect((await house.ask({ body: chatOf(2048) })).status).toBe(200)
    const over = await house.ask({ body: chatOf(2049) })
    expect([over.status, messageOf(over)]).toEqual([413, 'The request body is over 2048 bytes (ceilings.body in weir.yaml).'])
    expect(await house.end(over.id)).toMatchObject({ outcome: 'refused', status: 413, error: { kind: 'too_large' } })
    const chunked = await talk(house, `${head(chatPath, 'transfer-encoding: chunked\r\n')}801\r\n${'x'.repeat(2049)}\r\n`)
    await expect.poll(() => chunked.heard()).toMatch(/^HTTP\/1\.1 413 /)
    await expect.poll(() => chunked.closed()).toBe(true)
  })

  test('ceilings.bodyMemory: over it a file, and the same bytes', async () => {
    const house = await open('ceilings: { bodyMemory: 100KiB }\n')
    const [within, over] = [chatOf(100 * 1024), chatOf(100 * 1024 + 1)]
    expect((await house.ask({ body: within })).status).toBe(200)
    expect(isSpilling(house)).toBe(false)
    const got = await house.ask({ body: over })
    expect([got.status, isSpilling(house)]).toEqual([200, true])
    expect(upstream.bodies.slice(-2)).toEqual([sha256(within), sha256(over)])
    expect((await house.end(got.id)).requestModel).toBe('gpt-5-mini')
    expect(await house.metrics()).toContain('weir_upload_memory_bytes 0')
  })

  test('ceilings.bodiesMemory: when it is full, the next body goes to a file', async () => {
    const house = await open('ceilings: { bodiesMemory: 300KiB }\n')
    const [first, second] = [chatOf(200 * 1024), chatOf(200 * 1024)]
    const letGo = held()
    const before = upstream.bodies.length
    const calls = [house.ask({ body: first })]
    await expect.poll(() => upstream.bodies.length).toBe(before + 1)
    expect(isSpilling(house)).toBe(false)
    calls.push(house.ask({ body: second }))
    await expect.poll(() => upstream.bodies.length).toBe(before + 2)
    expect(isSpilling(house)).toBe(true)
    letGo()
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200])
    expect(upstream.bodies.slice(-2)).toEqual([sha256(first), sha256(second)])
    expect(await house.metrics()).toContain('weir_upload_memory_bytes 0')
  })

  test('no file to be had for a long body: 503 that names the folder; the process and short bodies go on', async () => {
    const house = await open('ceilings: { bodyMemory: 100KiB }\n')
    mkdirSync(join(house.dataDir, 'state'), { recursive: true })
    writeFileSync(join(house.dataDir, 'state', 'spill'), 'no folder')
    const over = await house.ask({ body: chatOf(200 * 1024) })
    expect([over.status, over.headers['weir-error'], over.headers['retry-after']]).toEqual([503, 'saturated', '1'])
    expect(messageOf(over)).toContain(join(house.dataDir, 'state', 'spill'))
    expect(await house.end(over.id)).toMatchObject({ outcome: 'refused', error: { kind: 'overloaded' } })
    expect((await house.ask({ body: chatOf(1000) })).status).toBe(200)
    expect(await house.metrics()).toContain('weir_upload_memory_bytes 0')
  })

  test('a folder for whole bodies that cannot be made: the call goes on', async () => {
    const house = await open('bodies: { limit: 1KiB, spill: /dev/null/bodies }\n')
    const got = await house.ask({ body: chatOf(5000) })
    expect(got.status).toBe(200)
    expect((await house.end(got.id)).counts.reqBytes).toBe(5000)
  })

  test.each([chatPath, '/openai/v1/files'])(
    'timeouts.uploadIdle, %s: a body that stands still: 408, closed, a row',
    async (path) => {
      const house = await open('timeouts: { uploadIdle: 400ms }\n')
      const before = house.rows()
      const stuck = await talk(house, `${head(path, 'content-length: 1000\r\n')}{"model":`)
      expect((await house.call({})).status).toBe(200)
      await expect.poll(() => stuck.heard()).toMatch(/^HTTP\/1\.1 408 .*stood still for 400 ms \(timeouts\.uploadIdle/s)
      await expect.poll(() => stuck.closed()).toBe(true)
      expect(house.rows()).toBe(before + 2)
    },
  )

  test('an upload to the pass-through lane takes longer than timeouts.ttft, as long as it goes on', async () => {
    const house = await open('timeouts: { uploadIdle: 2s, ttft: 400ms }\n')
    const slow = await talk(house, head('/openai/v1/files', 'content-length: 10\r\nconnection: close\r\n'))
    for (let i = 0; i < 10; i++) {
      slow.socket.write('x')
      await new Promise((resolve) => setTimeout(resolve, 80))
    }
    await expect.poll(() => slow.heard()).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('what is stored', () => {
  test('bodies.limit: over it the copy is cut; length and hash stay', async () => {
    const house = await open('bodies: { limit: 2KiB }\n')
    const [within, over] = [chatOf(2048), chatOf(2049)]
    const whole = await house.end((await house.ask({ body: within })).id)
    expect([whole.reqBody?.truncated, Buffer.from(whole.reqBody?.bytes ?? []).toString()]).toEqual([false, within])
    const cut = await house.end((await house.ask({ body: over })).id)
    expect([cut.reqBody?.truncated, cut.reqBody?.bytes.length, cut.counts.reqBytes, cut.sha256.req]).toEqual([
      true,
      2048,
      2049,
      sha256(over),
    ])
  })

  test('bodies.memory: when it is full, the next copy is cut, and counted; once there is room, none is', async () => {
    const house = await open('bodies: { memory: 8KiB }\n')
    const letGo = held()
    const before = upstream.bodies.length
    const first = house.ask({ body: chatOf(6000) })
    await expect.poll(() => upstream.bodies.length).toBe(before + 1)
    const over = chatOf(6000)
    const second = house.ask({ body: over })
    await expect.poll(() => upstream.bodies.length).toBe(before + 2)
    letGo()
    const rows = [await house.end((await first).id), await house.end((await second).id)]
    expect(rows.map(({ reqBody }) => reqBody?.bytes.length ?? 0)[0]).toBe(6000)
    expect(rows[1]?.reqBody?.bytes.length ?? 0).toBeLessThan(2200)
    expect([rows[1]?.counts.reqBytes, rows[1]?.sha256.req]).toEqual([6000, sha256(over)])
    expect(await house.metrics()).toMatch(/^weir_copies_cut_total [12]$/m)
    const third = await house.end((await house.ask({ body: chatOf(6000) })).id)
    expect([third.reqBody?.truncated, third.reqBody?.bytes.length]).toEqual([false, 6000])
    expect(await house.metrics()).toContain('weir_copy_memory_bytes 0')
  })

  test('journal.event: over it both bodies are cut, the small one last; figures stay', async () => {
    const house = await open('journal: { event: 64KiB }\n')
    upstream.answer({ body: chatAnswer(20_000) })
    const whole = await house.end((await house.ask({ body: chatOf(30_000) })).id)
    expect([whole.reqBody?.truncated, whole.resBody?.truncated]).toEqual([false, false])
    const [asked, said] = [chatOf(100_000), chatAnswer(20_000)]
    const cut = await house.end((await house.ask({ body: asked })).id)
    const [req, res] = [cut.reqBody?.bytes.length ?? 0, cut.resBody?.bytes.length ?? 0]
    expect([cut.reqBody?.truncated, cut.resBody?.truncated, res]).toEqual([true, false, said.length])
    expect(req + res).toBeGreaterThan(50_000)
    expect(req + res).toBeLessThan(64 * 1024)
    expect([cut.sha256, cut.counts.reqBytes]).toEqual([{ req: sha256(asked), res: sha256(said) }, 100_000])
    expect(cut.usageRaw).toHaveLength(1)
  })
})

describe('what is read of an answer', () => {
  const event = (bytes: number): string => {
    const of = (text: string): string =>
      `data: {"id":"c","object":"chat.completion.chunk","model":"gpt-5-mini","choices":[{"index":0,"delta":{"content":"${text}"},"finish_reason":null}]}`
    return of('x'.repeat(bytes - of('').length))
  }
  const end =
    'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n'

  test('reading.event: a longer one is skipped, its bytes pass', async () => {
    const house = await open('reading: { event: 1KiB }\n')
    for (const [bytes, notes] of [
      // The end of its line counts.
      [1023, []],
      [1024, ['event_too_large']],
    ] as const) {
      const body = `${event(bytes)}\n\n${end}`
      upstream.answer({ headers: { 'content-type': 'text/event-stream' }, body })
      const got = await house.ask({ body: chat({ stream: true, stream_options: { include_usage: true } }) })
      expect(got.text).toBe(body)
      const row = await house.end(got.id)
      expect([row.outcome, row.notes, row.usageRaw.length]).toEqual(['complete', notes, 1])
    }
  })

  test('reading.frame: at a longer one reading stops, its bytes pass', async () => {
    const house = await open(`reading: { frame: 1KiB }\n`.concat(''))
    const frameOf = (bytes: number): Buffer => {
      const text = (n: number) => ({ contentBlockIndex: 0, delta: { text: 'x'.repeat(n) } })
      const bare = eventFrame('contentBlockDelta', text(0)).length
      return eventFrame('contentBlockDelta', text(bytes - bare))
    }
    for (const [bytes, notes] of [
      [1024, []],
      [1025, ['bad_length']],
    ] as const) {
      const body = Buffer.concat([
        frameOf(bytes),
        eventFrame('messageStop', { stopReason: 'end_turn' }),
        eventFrame('metadata', { usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 } }),
      ])
      upstream.answer({ headers: { 'content-type': 'application/vnd.amazon.eventstream' }, body })
      const got = await house.ask({ body: chat({ stream: true }) })
      expect(got.bytes.equals(body)).toBe(true)
      expect((await house.end(got.id)).notes).toEqual(notes)
    }
  })

  test('reading.inflated and reading.ratio: beyond them reading stops, the bytes pass', async () => {
    const house = await open('reading: { inflated: 4KiB }\n')
    const ask = async (text: string, at: House): Promise<readonly string[]> => {
      const body = gzipSync(text)
      upstream.answer({ headers: { 'content-encoding': 'gzip' }, body })
      const got = await at.call({})
      expect(got.bytes.equals(body)).toBe(true)
      return (await at.end(got.id)).notes
    }
    expect(await ask(chatAnswer(4096), house)).toEqual([])
    expect(await ask(chatAnswer(4097), house)).toContain('unreadable')
    // 1.5 MiB of one letter: 1000 to 1.
    expect(await ask(chatAnswer(1.5 * 1024 ** 2), await open(''))).toContain('unreadable')
    expect(await ask(chatAnswer(1.5 * 1024 ** 2), await open('reading: { ratio: 2000 }\n'))).toEqual([])
  })
})

describe('calls at once', () => {
  test('ceilings.inFlight: over it 503 saturated, Retry-After 1, a row; what is under way goes on, and then there is room', async () => {
    const house = await open('ceilings: { inFlight: 1 }\n')
    const letGo = held()
    const before = upstream.bodies.length
    const first = house.call({})
    await expect.poll(() => upstream.bodies.length).toBe(before + 1)
    const over = await house.call({})
    expect([over.status, over.headers['weir-error'], over.headers['retry-after']]).toEqual([503, 'saturated', '1'])
    expect(messageOf(over)).toContain('(ceilings.inFlight in weir.yaml)')
    expect(await house.end(over.id)).toMatchObject({ outcome: 'refused', status: 503, error: { kind: 'overloaded' } })
    expect((await house.ask({ path: '/openai/v1/files', method: 'GET' })).status).toBe(503)
    expect(await house.metrics()).toContain('weir_errors_total{code="saturated"} 2')
    letGo()
    expect((await first).status).toBe(200)
    expect((await house.call({})).status).toBe(200)
  })

  test('ceilings.inFlightPerKey: over it 429; by default there is no such limit', async () => {
    const keys = `keys: [{ name: app, sha256: ${keyDigest('k-app')} }]\n`
    for (const [yaml, status] of [
      [`ceilings: { inFlightPerKey: 1 }\n${keys}`, 429],
      [keys, 200],
    ] as const) {
      const house = await open(yaml)
      const letGo = held()
      const before = upstream.bodies.length
      const first = house.call({ 'Weir-Auth': 'Bearer k-app' })
      await expect.poll(() => upstream.bodies.length).toBe(before + 1)
      const second = house.call({ 'Weir-Auth': 'Bearer k-app' })
      if (status === 429) expect((await second).headers['weir-error']).toBe('too_many_in_flight')
      letGo()
      expect([(await first).status, (await second).status]).toEqual([200, status])
    }
  })

  const gibi = 1024 ** 3
  const well: Pressure = { loopDelayMs: 1, rssBytes: gibi / 4, heldBytes: gibi / 8, heapBytes: gibi / 8, heapLimitBytes: gibi }
  test.each([
    ['ceilings.memory', { rssBytes: 2 * gibi, heldBytes: 2 * gibi }],
    ['--max-old-space-size', { heapBytes: 0.95 * gibi }],
  ])('%s: over it 503 saturated, until there is room again', async (named, pressed) => {
    let pressure = well
    const house = await open('ceilings: { memory: 1GiB }\n', { pressure: () => pressure })
    expect((await house.call({})).status).toBe(200)
    pressure = { ...well, ...pressed }
    await expect.poll(async () => (await house.call({})).status).toBe(503)
    const over = await house.call({})
    expect(messageOf(over)).toContain(named)
    expect((await house.end(over.id)).error?.code).toBe('saturated')
    expect((await house.ask({ path: '/readyz', method: 'GET' })).text).toContain('"saturated"')
    pressure = well
    await expect.poll(async () => (await house.call({})).status).toBe(200)
  })
})

describe('what is kept', () => {
  const enabled = { 'Weir-Cache-Enabled': 'true' }
  const ask = async (house: House, body: string): Promise<unknown> =>
    (await house.ask({ body, headers: Object.entries(enabled) })).headers['weir-cache']
  test('cache.entry: a longer answer is not kept', async () => {
    const house = await open('cache: { entry: 4KiB }\n')
    for (const [bytes, second] of [
      [4096, 'HIT'],
      [4097, 'MISS'],
    ] as const) {
      upstream.answer({ body: chatAnswer(bytes) })
      const body = chat()
      expect([await ask(house, body), await ask(house, body)]).toEqual(['MISS', second])
    }
  })

  test('cache.memory: the answer that was longest unused gives way', async () => {
    const house = await open('cache: { memory: 100KiB }\n')
    upstream.answer({ body: chatAnswer(60 * 1024) })
    const [first, second] = [chat(), chat()]
    expect([await ask(house, first), await ask(house, first)]).toEqual(['MISS', 'HIT'])
    expect([await ask(house, second), await ask(house, second), await ask(house, first)]).toEqual(['MISS', 'HIT', 'MISS'])
  })
})

test.each([
  ['forward', '', 502],
  ['refuse', '', 503],
  ['forward', 'weir-durability: strict\r\n', 503],
])('a WebSocket while the journal takes nothing, journal.full: %s %s', async (full, more, status) => {
  const house = await open(`journal: { full: ${full} }\n`)
  house.breakJournal(true)
  const upgrade =
    'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  const before = upstream.bodies.length
  const { heard, closed } = await talk(house, head('/openai/v1/realtime?model=gpt-realtime', upgrade + more, 'GET'))
  await expect.poll(heard).toMatch(/^HTTP\/1\.1 \d{3} /)
  if (status === 503) {
    expect(heard()).toMatch(/^HTTP\/1\.1 503 .*weir-error: journal_unavailable/s)
    expect(upstream.bodies.length).toBe(before)
    await expect.poll(closed).toBe(true)
  } else expect(upstream.bodies.length).toBe(before + 1)
  house.breakJournal(false)
})

describe('slow readers: timeouts.slowReader', () => {
  /** Reads nothing. */
  const deaf = async (house: House): Promise<{ closed: () => Promise<boolean> }> => {
    const { socket } = await talk(house, '')
    socket.pause()
    const body = chat()
    socket.write(`${head(chatPath, `content-length: ${body.length}\r\n`)}${body}`)
    return {
      // Whoever does not read learns of the end by writing.
      closed: async () => {
        socket.write('x')
        await new Promise((resolve) => setTimeout(resolve, 20))
        return socket.destroyed || socket.errored !== null
      },
    }
  }

  test('in mid-answer: closed, and its row says why', async () => {
    const house = await open('timeouts: { slowReader: 500ms }\n')
    upstream.answer({ body: chatAnswer(32 * 1024 ** 2) })
    const before = house.rows()
    const { closed } = await deaf(house)
    await expect.poll(() => house.rows(), { timeout: 20_000 }).toBe(before + 1)
    await expect.poll(closed).toBe(true)
    upstream.answer({ body: chatAnswer() })
    expect((await house.call({})).status).toBe(200)
  })

  test('of what was said last, when the call is over: closed', async () => {
    // All of it is one piece, which the proxy hands over whole.
    const house = await open('timeouts: { slowReader: 500ms }\n')
    upstream.answer({ body: chatAnswer(5 * 1024 ** 2) })
    const warm = chat()
    const cached = { 'Weir-Cache-Enabled': 'true' }
    await house.ask({ body: warm, headers: Object.entries(cached) })
    const { socket } = await talk(house, '')
    socket.pause()
    socket.write(`${head(chatPath, `weir-cache-enabled: true\r\ncontent-length: ${warm.length}\r\n`)}${warm}`)
    await expect
      .poll(
        async () => {
          socket.write('x')
          await new Promise((resolve) => setTimeout(resolve, 20))
          return socket.destroyed || socket.errored !== null
        },
        { timeout: 20_000 },
      )
      .toBe(true)
  })
})

test('docs/limits.md tells every limit with the default of docs/configuration.md', () => {
  const read = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')
  const settings = new Map(
    [...read('configuration.md').matchAll(/^\| `([^`]+)` \| .*? \| `?([^|`]*)`? \| .* \|$/gm)].map(([, key = '', value = '']) => [
      key,
      value,
    ]),
  )
  const told = [...read('limits.md').matchAll(/^\| .+? \| `([a-z][A-Za-z.]+)` +\| ([^|]+?) +\| .+ \|$/gm)].map(
    ([, key = '', value = '']) => [key, value.replaceAll('`', '')] as const,
  )
  expect(told.map(([key]) => key)).toEqual(expect.arrayContaining(limitKeys))
  for (const [key, value] of told) expect([key, value]).toEqual([key, settings.get(key) === 'null' ? 'none' : settings.get(key)])
})

const limitKeys = [
  'ceilings.headers',
  'ceilings.upstreamHeaders',
  'ceilings.body',
  'ceilings.bodyMemory',
  'ceilings.bodiesMemory',
  'ceilings.inFlight',
  'ceilings.inFlightPerKey',
  'ceilings.targets',
  'ceilings.attempts',
  'ceilings.loopDelay',
  'ceilings.memory',
  'bodies.limit',
  'bodies.memory',
  'journal.event',
  'journal.limit',
  'reading.event',
  'reading.frame',
  'reading.inflated',
  'reading.ratio',
  'cache.memory',
  'cache.entry',
  'timeouts.head',
  'timeouts.uploadIdle',
  'timeouts.slowReader',
]
