import { createHash } from 'node:crypto'
import { createServer, request, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { providersAt } from '../support/house.js'
import { descriptorsBackTo, descriptorsOf, figureOf, memoryOf } from '../support/process-load.js'
import { openProxy, type RunningProxy } from '../support/proxies.js'
import { send, sha256Of, type Answer } from '../support/send.js'
import { until } from '../support/wait.js'

// Clients that mean ill, and loads that are too much (reliability.md §5): the proxy stays up, its memory is bounded, others are served, and
// afterwards not a descriptor is left. WEIR_SLOW_SOCKETS (2000) and WEIR_LONG_BODIES (20, of WEIR_LONG_MIB, 100) make it as large as
// the specification has it.

const slowSockets = Number(process.env.WEIR_SLOW_SOCKETS ?? 240)
/** Calls in flight: all slow ones have room, and a flood on one connection has not. */
const ceiling = 200 + slowSockets
const floodCalls = ceiling + 400
const longBodies = Number(process.env.WEIR_LONG_BODIES ?? 4)
const longBytes = Number(process.env.WEIR_LONG_MIB ?? 40) * 1024 ** 2
const mebi = 1024 ** 2

const small = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    model: 'gpt-5-mini',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  }),
)
const large = Buffer.alloc(16 * mebi, 'x')
const bomb = gzipSync(Buffer.alloc(200 * mebi, ' '))

let upstream: Server
let proxy: RunningProxy
/** SHA-256 of the bodies that came whole. */
const came = new Set<string>()
beforeAll(async () => {
  upstream = createServer((req, res) => {
    const hash = createHash('sha256')
    req.on('data', (chunk: Buffer) => hash.update(chunk))
    req.on('error', () => undefined)
    req.on('end', () => {
      came.add(hash.digest('hex'))
      const kind = String(req.headers['x-kind'] ?? '')
      const body = kind === 'large' ? large : kind === 'bomb' ? bomb : small
      const answer = (): void => {
        res.writeHead(200, { 'content-type': 'application/json', ...(kind === 'bomb' ? { 'content-encoding': 'gzip' } : {}) })
        res.end(body)
      }
      if (kind === 'slow') setTimeout(answer, 300)
      else answer()
    })
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  proxy = await openProxy({
    yaml: `${providersAt(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, ['openai'])}
timeouts: { head: 3s, uploadIdle: 3s, slowReader: 3s }
ceilings: { inFlight: ${ceiling} }
journal: { limit: 64MiB }
`,
  })
})
afterAll(async () => {
  await proxy?.stop()
  upstream?.closeAllConnections()
  await new Promise((resolve) => upstream?.close(resolve))
})

const path = '/openai/v1/chat/completions'
let chats = 0
const chat = (): string => JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: `Hello ${++chats}` }] })
const call = (headers: Record<string, string> = {}, body: string | Buffer = chat()): Promise<Answer> =>
  send(`${proxy.url}${path}`, { headers: { 'content-type': 'application/json', authorization: 'Bearer k', ...headers }, body })
const head = (more: string, to = path): string =>
  `POST ${to} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer k\r\ncontent-type: application/json\r\n${more}\r\n`

const open = new Set<Socket>()
/** A connection that closes only when it is made to: the other side's end alone does not end it. */
const stubborn = async (said: string): Promise<Socket> => {
  const socket = connect({ port: Number(new URL(proxy.url).port), host: '127.0.0.1', allowHalfOpen: true })
  open.add(socket)
  socket.on('error', () => undefined)
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  socket.write(said)
  return socket
}
afterEach(() => {
  for (const socket of open) socket.destroy()
  open.clear()
})

/** What the proxy has open when nobody calls; and its own count of what is under way. */
const idleDescriptors = async (): Promise<number> => {
  await call()
  await until('nothing to be in flight', async () => (await figureOf(proxy.url, 'weir_in_flight')) === 0)
  // Its connection to the upstream is kept for 4 s, that of the test for metrics, too.
  return descriptorsOf(proxy.pid) + 2
}

/** A long body in pieces, none of which is like another. */
const longBody = function* (seed: number, bytes: number): Generator<Buffer> {
  const opening = Buffer.from(`{"model":"gpt-5-mini","user":"${seed}-`)
  yield opening
  let left = bytes - opening.length - 2
  for (let i = 0; left > 0; i++) {
    const piece = Buffer.alloc(Math.min(left, 64 * 1024), `${seed}.${i} `)
    left -= piece.length
    yield piece
  }
  yield Buffer.from('"}')
}

test.each([path, '/openai/v1/files'])(
  `${longBodies} bodies of ${longBytes / mebi} MiB at once to %s: the same bytes come, in 150 MB of memory`,
  async (to) => {
    const before = await idleDescriptors()
    const memory = memoryOf(proxy.pid).now
    let most = 0
    const watch = setInterval(() => (most = Math.max(most, memoryOf(proxy.pid).now)), 20)
    const upload = (seed: number): Promise<[status: number, sha256: string]> =>
      new Promise((resolve, reject) => {
        const hash = createHash('sha256')
        const req = request(
          `${proxy.url}${to}`,
          {
            method: 'POST',
            agent: false,
            headers: { 'content-type': 'application/json', authorization: 'Bearer k', 'content-length': longBytes },
          },
          (res) => {
            res.resume()
            res.on('end', () => resolve([res.statusCode ?? 0, hash.digest('hex')]))
          },
        )
        req.on('error', reject)
        const pieces = function* (): Generator<Buffer> {
          for (const piece of longBody(seed, longBytes)) {
            hash.update(piece)
            yield piece
          }
        }
        Readable.from(pieces(), { objectMode: false }).pipe(req)
      })
    const done = await Promise.all(Array.from({ length: longBodies }, (_, i) => upload(i + 1)))
    clearInterval(watch)
    expect(done.map(([status]) => status)).toEqual(done.map(() => 200))
    expect(done.filter(([, sha256]) => !came.has(sha256))).toEqual([])
    console.log(`${longBodies} x ${longBytes / mebi} MiB to ${to}: ${Math.round((most - memory) / mebi)} MiB more memory`)
    expect(most - memory).toBeLessThan(150e6)
    await descriptorsBackTo(proxy.pid, before)
  },
)

test(`${slowSockets} clients that say nothing, stop in their head or body, or take nothing: closed in time; the others are served`, async () => {
  const before = await idleDescriptors()
  const rowsBefore = await figureOf(proxy.url, 'weir_overhead_seconds_count')
  const each = slowSockets / 4
  for (let i = 0; i < each; i++) {
    await stubborn('')
    await stubborn(`POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-long: `)
    await stubborn(`${head('content-length: 5000\r\n')}{"model":"gpt`)
    const deaf = await stubborn('')
    deaf.pause()
    const body = chat()
    deaf.write(`${head(`x-kind: large\r\ncontent-length: ${body.length}\r\n`)}${body}`)
  }
  expect(descriptorsOf(proxy.pid)).toBeGreaterThan(before)
  const healthy: number[] = []
  for (let i = 0; i < 20; i++) healthy.push((await call()).status)
  expect([...new Set(healthy)]).toEqual([200])
  await descriptorsBackTo(proxy.pid, before)
  expect(await figureOf(proxy.url, 'weir_in_flight')).toBe(0)
  expect(await figureOf(proxy.url, 'weir_errors_total{code="request_timeout"}')).toBe(3 * each)
  expect(await figureOf(proxy.url, 'weir_overhead_seconds_count')).toBe(rowsBefore + each + 20)
})

/** Says so much at once, and takes what comes until the other side ends or has answered `answers` times. */
const flood = async (said: string, answers: number): Promise<string[]> => {
  const socket = await stubborn(said)
  let text = ''
  let ended = false
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  socket.on('end', () => (ended = true))
  socket.on('close', () => (ended = true))
  const found = (): string[] => text.match(/HTTP\/1\.1 \d{3}/g) ?? []
  await until('the flood to be answered', () => ended || found().length >= answers, { timeoutMs: 60_000 })
  socket.destroy()
  return found()
}

test('floods of what is no request, too long, or leads nowhere: counted one by one, in no journal', async () => {
  const before = await idleDescriptors()
  const journal = await figureOf(proxy.url, 'weir_journal_bytes')
  const memory = memoryOf(proxy.pid).now
  const n = 300
  for (let i = 0; i < n; i += 50) {
    const fifty = (said: string): Promise<string[][]> => Promise.all(Array.from({ length: 50 }, () => flood(said, 1)))
    expect(new Set((await fifty('no http at all\r\n\r\n')).flat())).toEqual(new Set(['HTTP/1.1 400']))
    expect(new Set((await fifty(head(`x-long: ${'x'.repeat(40_000)}\r\n`))).flat())).toEqual(new Set(['HTTP/1.1 431']))
  }
  const lost = await flood(head('content-length: 0\r\n', '/nowhere').repeat(n), n)
  expect([lost.length, new Set(lost)]).toEqual([n, new Set(['HTTP/1.1 404'])])
  expect(await figureOf(proxy.url, 'weir_errors_total{code="headers_too_large"}')).toBe(n)
  expect(await figureOf(proxy.url, 'weir_errors_total{code="bad_header"}')).toBe(n)
  expect(await figureOf(proxy.url, 'weir_unknown_path_total')).toBe(n)
  // Checkpoints are written all the same.
  expect((await figureOf(proxy.url, 'weir_journal_bytes')) - journal).toBeLessThan(16 * 1024)
  await descriptorsBackTo(proxy.pid, before)
  expect(memoryOf(proxy.pid).now - memory).toBeLessThan(150 * mebi)
})

test(`${floodCalls} calls on one connection at once: answered in order, those over the ceiling refused, each with its row`, async () => {
  const before = await idleDescriptors()
  const count = (): Promise<number> => figureOf(proxy.url, 'weir_errors_total{code="saturated"}')
  const [refusedBefore, sentBefore] = [await count(), await figureOf(proxy.url, 'weir_overhead_seconds_count')]
  const body = chat()
  const found = await flood(`${head(`x-kind: slow\r\ncontent-length: ${body.length}\r\n`)}${body}`.repeat(floodCalls), floodCalls)
  const refused = found.filter((status) => status === 'HTTP/1.1 503').length
  expect(found).toHaveLength(floodCalls)
  expect(new Set(found)).toEqual(new Set(['HTTP/1.1 200', 'HTTP/1.1 503']))
  expect((await count()) - refusedBefore).toBe(refused)
  expect((await figureOf(proxy.url, 'weir_overhead_seconds_count')) - sentBefore).toBe(floodCalls - refused)
  await descriptorsBackTo(proxy.pid, before)
})

test('twenty answers that unpack to 200 MiB each: the bytes pass, memory does not grow with them', async () => {
  const before = await idleDescriptors()
  const memory = memoryOf(proxy.pid).now
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, memoryOf(proxy.pid).now)), 20)
  const answers = await Promise.all(Array.from({ length: 20 }, () => call({ 'x-kind': 'bomb' })))
  clearInterval(watch)
  expect(new Set(answers.map(({ sha256 }) => sha256))).toEqual(new Set([sha256Of(bomb)]))
  expect(most - memory).toBeLessThan(250 * mebi)
  await descriptorsBackTo(proxy.pid, before)
})
