import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import type { ClientCall } from '../../e2e/checker/check.js'
import { createFacts } from './facts.js'
import { keptHash, markOf, model, planOf } from './plan.js'

/** How calls are issued. `closed`: so many at once; `steady`: so many a second. */
export type Pace =
  | { readonly kind: 'closed'; readonly atOnce: number }
  | { readonly kind: 'steady'; readonly perSecond: number }
  | { readonly kind: 'off' }

export interface SoakLoad {
  pace(pace: Pace): void
  issued(): number
  /** Calls that got a whole answer. */
  finished(): number
  /** No call is issued any more; resolves when each has its end, and closes the connections. */
  settle(): Promise<void>
  /** Milliseconds since the epoch at which a call was issued or the next one was. */
  issuedAt(n: number): number
  /** What the clients saw of the calls from `from` up to `to`. */
  between(from: number, to: number): readonly ClientCall[]
}

const ends = ['open', 'whole', 'cut', 'left', 'unconnected'] as const
type End = (typeof ends)[number]
/** end, refusal, status (2), id (16), hash */
const perCall = 20 + keptHash
const limitMs = 120_000
const tickMs = 5
/** Start times are kept of one call in so many. */
const timed = 1000
const plainLeavesMs = 2

const headEnd = Buffer.from('\r\n\r\n')
const endOfChunks = '0\r\n\r\n'

const requestOf = (n: number, stream: boolean): Buffer => {
  const content = `Question ${n}. ${'y'.repeat(700)}`
  const body = JSON.stringify({
    model,
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
    messages: [{ role: 'user', content }],
  })
  const mark = markOf(n)
  return Buffer.from(
    `POST /openai/v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer sk-soak\r\ncontent-type: application/json\r\n` +
      `x-mark: ${mark}\r\nweir-property-mark: ${mark}\r\nweir-session-id: s${n % 100}\r\nweir-user-id: u${n % 37}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

const unchunked = (bytes: Buffer): Buffer => {
  const pieces: Buffer[] = []
  for (let at = 0; ;) {
    const line = bytes.indexOf('\r\n', at)
    const length = Number.parseInt(bytes.toString('latin1', at, line), 16)
    if (!(length > 0)) return Buffer.concat(pieces)
    pieces.push(bytes.subarray(line + 2, line + 2 + length))
    at = line + 2 + length + 2
  }
}

/** An answer as far as it has come. */
interface Answer {
  readonly status: number
  readonly id: string
  readonly refusal: string
  readonly closes: boolean
  /** `null` = chunked. */
  readonly length: number | null
  readonly bodyAt: number
}

const headerIn = (head: string, name: string): string | null =>
  new RegExp(`\\r\\n${name}: ?([^\\r]*)`, 'i').exec(head)?.[1] ?? null

const readHead = (bytes: Buffer): Answer | null => {
  const end = bytes.indexOf(headEnd)
  if (end < 0) return null
  const head = bytes.toString('latin1', 0, end)
  const length = headerIn(head, 'content-length')
  return {
    status: Number(head.slice(9, 12)),
    id: headerIn(head, 'weir-id') ?? '',
    refusal: headerIn(head, 'weir-error') ?? '',
    closes: headerIn(head, 'connection')?.toLowerCase() === 'close',
    length: length === null ? null : Number(length),
    bodyAt: end + 4,
  }
}

interface Options {
  readonly port: number
  readonly seed: number
}

/** Issues the calls of the plan over raw sockets and keeps what each of them saw, some bytes a call. */
export const createLoad = ({ port, seed }: Options): SoakLoad => {
  const facts = createFacts(perCall)
  const refusals: string[] = ['']
  const startedMs: number[] = []
  const idle: Socket[] = []
  const open = new Set<Socket>()
  const taking = new WeakMap<Socket, (piece: Buffer) => void>()
  const ending = new WeakMap<Socket, (cause: NodeJS.ErrnoException | null) => void>()
  let pace: Pace = { kind: 'off' }
  let paceSince = 0
  let pacedBefore = 0
  let issued = 0
  let finished = 0
  let inFlight = 0
  let settled: (() => void) | null = null

  const note = (n: number, end: End, answer: Answer | null, body: Buffer | null): void => {
    const at = facts.at(n)
    const { bytes } = facts
    bytes[at] = ends.indexOf(end)
    if (answer !== null) {
      if (!refusals.includes(answer.refusal)) refusals.push(answer.refusal)
      bytes[at + 1] = refusals.indexOf(answer.refusal)
      bytes.writeUInt16LE(answer.status, at + 2)
      if (answer.id !== '') bytes.write(answer.id.replaceAll('-', ''), at + 4, 16, 'hex')
    }
    if (body !== null)
      createHash('sha256')
        .update(body)
        .digest()
        .copy(bytes, at + 20, 0, keptHash)
    if (end === 'whole') finished++
    inFlight--
    if (pace.kind === 'closed') while (inFlight < pace.atOnce) issue()
    if (inFlight === 0) settled?.()
  }

  const newSocket = (): Socket => {
    const socket = connect(port, '127.0.0.1')
    let cause: NodeJS.ErrnoException | null = null
    socket.setNoDelay(true)
    open.add(socket)
    socket.on('data', (piece: Buffer) => taking.get(socket)?.(piece))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      cause = error
    })
    socket.on('close', () => {
      open.delete(socket)
      const at = idle.indexOf(socket)
      if (at >= 0) idle.splice(at, 1)
      ending.get(socket)?.(cause)
    })
    return socket
  }

  const issue = (): void => {
    const n = issued++
    inFlight++
    if (n % timed === 0) startedMs.push(Date.now())
    const plan = planOf(seed, n)
    const socket = idle.pop() ?? newSocket()
    let bytes: Buffer = Buffer.alloc(0)
    let answer: Answer | null = null
    let left = false
    let done = false
    const over = setTimeout(() => socket.destroy(), limitMs)
    const leave = (): void => {
      if (done) return
      left = true
      socket.destroy()
    }
    const end = (kind: End, body: Buffer | null): void => {
      if (done) return
      done = true
      clearTimeout(over)
      taking.delete(socket)
      ending.delete(socket)
      if (kind === 'whole') {
        if (answer?.closes === true || socket.destroyed) socket.destroy()
        else idle.push(socket)
      }
      note(n, kind, answer, body)
    }
    taking.set(socket, (piece) => {
      bytes = bytes.length === 0 ? piece : Buffer.concat([bytes, piece])
      answer ??= readHead(bytes)
      if (answer === null) return
      const body = bytes.subarray(answer.bodyAt)
      if (
        answer.length === null
          ? body.toString('latin1', Math.max(0, body.length - 5)) === endOfChunks
          : body.length >= answer.length
      )
        return end('whole', answer.length === null ? unchunked(body) : body)
      if (plan.leaves && plan.stream && body.length > 0) leave()
    })
    ending.set(socket, (cause) => {
      const unconnected = bytes.length === 0 && cause?.code === 'ECONNREFUSED'
      end(unconnected ? 'unconnected' : left ? 'left' : 'cut', null)
    })
    socket.write(requestOf(n, plan.stream))
    if (plan.leaves && !plan.stream) setTimeout(leave, plainLeavesMs)
  }

  // Timers come late on a busy machine: what is due is issued, so that the rate holds.
  setInterval(() => {
    if (pace.kind !== 'steady') return
    const due = Math.floor(((performance.now() - paceSince) / 1000) * pace.perSecond) - (issued - pacedBefore)
    for (let n = Math.min(due, Math.ceil(pace.perSecond / 4)); n > 0; n--) issue()
  }, tickMs).unref()

  return {
    pace(next) {
      pace = next
      paceSince = performance.now()
      pacedBefore = issued
      if (next.kind === 'closed') while (inFlight < next.atOnce) issue()
    },
    issued: () => issued,
    finished: () => finished,
    async settle() {
      pace = { kind: 'off' }
      if (inFlight > 0)
        await new Promise<void>((resolve) => {
          settled = resolve
        })
      settled = null
      for (const socket of open) socket.destroy()
    },
    issuedAt: (n) => startedMs[Math.floor(n / timed)] ?? Date.now(),
    between(from, to) {
      const calls: ClientCall[] = []
      const { bytes } = facts
      for (let n = from; n < to; n++) {
        const at = facts.at(n)
        const end = ends[bytes[at] ?? 0]
        if (end === undefined || end === 'open') continue
        const hex = bytes.toString('hex', at + 4, at + 20)
        const status = bytes.readUInt16LE(at + 2)
        calls.push({
          mark: markOf(n),
          end,
          status,
          id: /^0+$/.test(hex) ? '' : hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
          refusal: refusals[bytes[at + 1] ?? 0] ?? '',
          sha256: bytes.toString('hex', at + 20, at + perCall),
        })
      }
      return calls
    },
  }
}
