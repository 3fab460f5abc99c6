import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { constants, createBrotliCompress, createDeflate, createGzip } from 'node:zlib'
import type { Fake } from './faults.js'
import { amount } from './faults.js'
import type { Reply } from './reply.js'

/** What went out, for tests that compare both ends. */
export interface Sent {
  readonly status: number
  readonly bytes: number
  readonly sha256: string
}

const gone = new WeakMap<ServerResponse, AbortSignal>()

/** Aborted once the socket of `res` is closed. One listener a response, however many writes wait on it. */
const goneSignal = (res: ServerResponse): AbortSignal => {
  const known = gone.get(res)
  if (known !== undefined) return known
  const controller = new AbortController()
  if (res.destroyed) controller.abort()
  else res.once('close', () => controller.abort())
  gone.set(res, controller.signal)
  return controller.signal
}

const closed = (res: ServerResponse): Promise<void> => {
  const signal = goneSignal(res)
  return new Promise((resolve) =>
    signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
  )
}

/** Waits, or returns early when the client goes away. */
const pause = (res: ServerResponse, ms: number): Promise<unknown> =>
  ms === 0 ? turn() : sleep(ms, undefined, { signal: goneSignal(res) }).catch(() => {})

const drained = (res: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const signal = goneSignal(res)
    const done = (): void => {
      res.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    res.once('drain', done)
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })

const encoders = {
  gzip: () => createGzip({ flush: constants.Z_SYNC_FLUSH }),
  deflate: () => createDeflate({ flush: constants.Z_SYNC_FLUSH }),
  br: () => createBrotliCompress({ flush: constants.BROTLI_OPERATION_FLUSH }),
}

/** Compresses part by part, so that an event can be read as soon as it arrives. */
const encode = async (parts: readonly Buffer[], coding: keyof typeof encoders): Promise<readonly Buffer[]> => {
  const encoder = encoders[coding]()
  let out: Buffer[] = []
  encoder.on('data', (piece: Buffer) => out.push(piece))
  const done: Buffer[] = []
  const take = (): void => {
    if (out.length > 0) done.push(Buffer.concat(out))
    out = []
  }
  for (const part of parts) {
    await new Promise<void>((resolve) => encoder.write(part, () => resolve()))
    await turn()
    take()
  }
  const ended = new Promise<void>((resolve) => encoder.once('end', () => resolve()))
  encoder.end()
  await ended
  take()
  return done
}

const damaged = (reply: Reply, fake: Fake): readonly Buffer[] => {
  if (!reply.stream) return reply.parts
  const cut = reply.parts.length - reply.terminal
  const [content, closing] = [reply.parts.slice(0, cut), reply.parts.slice(cut)]
  const extra: Buffer[] = []
  if (fake.has('bad-json')) extra.push(Buffer.from('data: {"choices":[{"delta":{"content":"half\n\n'))
  if (fake.has('half-utf8'))
    extra.push(Buffer.concat([Buffer.from('data: {"text":"'), Buffer.from([0xc3]), Buffer.from('"}\n\n')]))
  const huge = amount(fake, 'huge-event')
  if (huge !== null) extra.push(Buffer.from(`data: {"padding":"${'x'.repeat(huge)}"}\n\n`))
  const error = reply.errorEvent
  if (error !== null && fake.get('error-event') === 'first') return [error]
  if (error !== null && fake.get('error-event') === 'opened') return [...reply.parts.slice(0, 1), error]
  if (error !== null && fake.has('error-event')) return [...content, ...extra, error]
  return fake.has('no-terminal') ? [...content, ...extra] : [...content, ...extra, ...closing]
}

const firstBytes = (parts: readonly Buffer[], limit: number): readonly Buffer[] => {
  const kept: Buffer[] = []
  let left = limit
  for (const part of parts) {
    if (left <= 0) break
    kept.push(part.subarray(0, left))
    left -= part.length
  }
  return kept
}

const splitBy = (parts: readonly Buffer[], size: number): readonly Buffer[] =>
  parts.flatMap((part) =>
    Array.from({ length: Math.ceil(part.length / size) }, (_, i) => part.subarray(i * size, (i + 1) * size)),
  )

/** The faults that end an answer early, by the number of body bytes after which they strike. */
const endings = ['cut', 'fin', 'end', 'stall'] as const

const rawHead = (reply: Reply, headers: readonly string[]): string =>
  [
    `HTTP/1.1 ${reply.status} OK`,
    ...Object.entries(reply.headers).map(([name, value]) => `${name}: ${value}`),
    ...headers,
    '',
    '',
  ].join('\r\n')

/** Sends `pieces` with back-pressure; resolves early when the client goes away. */
export const send = async (
  res: ServerResponse,
  pieces: Iterable<Buffer>,
  gapMs: number | null,
  note: (piece: Buffer) => void,
): Promise<void> => {
  let first = true
  for (const piece of pieces) {
    if (!first && gapMs !== null) await pause(res, gapMs)
    first = false
    if (res.destroyed) return
    note(piece)
    if (!res.write(piece)) await drained(res)
  }
}

/**
 * Sends a reply with the faults asked for.
 *
 * @returns What was written, or `null` when there was no head. The promise of a stalled answer resolves when the socket closes.
 */
export const deliver = async (res: ServerResponse, reply: Reply, fake: Fake): Promise<Sent | null> => {
  const { socket } = res
  const delay = amount(fake, 'delay')
  if (delay !== null) await pause(res, delay)
  if (socket === null || res.destroyed) return null
  if (fake.has('hang')) return closed(res).then(() => null)
  if (fake.has('reset') || fake.has('close') || fake.has('bad-http')) {
    if (fake.has('reset')) socket.resetAndDestroy()
    else socket.end(fake.has('bad-http') ? 'HTTQ/9 whatever\r\n\r\n' : '')
    return closed(res).then(() => null)
  }
  if (fake.has('early-hints')) res.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' })

  const coding = fake.get('encoding') as keyof typeof encoders | undefined
  const plain = damaged(reply, fake)
  const whole = coding !== undefined && coding in encoders ? await encode(plain, coding) : plain
  const ending = endings.find((name) => fake.has(name))
  const kept = ending === undefined ? whole : firstBytes(whole, amount(fake, ending) ?? 0)
  const size = fake.has('trickle') ? 1 : amount(fake, 'split')
  const pieces = size === null ? kept : splitBy(kept, Math.max(1, size))
  const gap = amount(fake, 'trickle') ?? amount(fake, 'gap')

  const length = whole.reduce((sum, part) => sum + part.length, 0)
  const off = amount(fake, 'wrong-length')
  if (fake.has('two-lengths')) {
    socket.end(
      rawHead(reply, [`content-length: ${length}`, `content-length: ${length + 1}`]) + Buffer.concat(whole).toString('latin1'),
    )
    return closed(res).then(() => null)
  }
  const headers: Record<string, string> = { ...reply.headers }
  const label = fake.get('label') ?? coding
  if (label !== undefined) headers['content-encoding'] = label
  const big = amount(fake, 'headers')
  if (big !== null) headers['x-padding'] = 'p'.repeat(big)
  if (off !== null || (!reply.stream && !fake.has('chunked'))) headers['content-length'] = String(length + (off ?? 0))
  res.writeHead(reply.status, headers)

  const hash = createHash('sha256')
  let bytes = 0
  if (size !== null) socket.setNoDelay(true)
  res.flushHeaders()
  await send(res, pieces, gap ?? (size === null ? null : 0), (piece) => {
    hash.update(piece)
    bytes += piece.length
  })
  const sent = (): Sent => ({ status: reply.status, bytes, sha256: hash.digest('hex') })
  if (ending === 'stall') return closed(res).then(sent)
  if (ending === 'cut' || ending === 'fin' || (off !== null && off > 0)) {
    // The last bytes must have left the process, or a reset would take them along.
    await new Promise<void>((resolve) => socket.write('', () => resolve()))
    if (ending === 'cut') {
      await sleep(20)
      socket.resetAndDestroy()
    } else socket.end()
    return closed(res).then(sent)
  }
  const finished = Promise.race([new Promise<void>((resolve) => res.once('finish', resolve)), closed(res)])
  if (ending === 'end' && !reply.stream && !fake.has('chunked')) socket.end()
  else res.end()
  await finished
  if (fake.has('second-response')) {
    await sleep(20)
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 18\r\n\r\n{"poisoned": true}')
  }
  return sent()
}
