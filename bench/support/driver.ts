import { connect, type Socket } from 'node:net'
import { quantile } from './median.js'

export interface Load {
  readonly port: number
  readonly path: string
  readonly streaming: boolean
  readonly concurrency: number
  readonly seconds: number
  /** Calls a second over all connections; absent = as fast as answers come. */
  readonly rate?: number
  /** Header lines beside the usual ones, each with its end of line. */
  readonly headers?: string
  /** What is a right answer (200). */
  readonly status?: number
  /** Each call comes with a key of its own. */
  readonly manyKeys?: boolean
  /** Calls belong to so many sessions in turn (1). */
  readonly sessions?: number
}

export interface LoadResult {
  /** Answers that came whole. */
  readonly calls: number
  /** Requests that went out: each of them leaves a row. */
  readonly sent: number
  /** Answers of another status, broken connections. */
  readonly failures: number
  readonly perSecond: number
  /** Milliseconds; with a rate from when the call was due, so that a slow answer counts for those that wait behind it. */
  readonly p50: number
  readonly p99: number
  /** To the first byte of the answer. */
  readonly firstP50: number
  readonly firstP99: number
  /** When each call ended, in order; milliseconds of `performance.now()`. */
  readonly endedAt: readonly number[]
  /** How long each of them took, in the same order. */
  readonly latencies: readonly number[]
}

/** A load that goes on until it is stopped. */
export interface Driving {
  /** So far, as in `LoadResult`. */
  readonly endedAt: readonly number[]
  readonly latencies: readonly number[]
  /** No further call is sent; resolves when those that are under way have ended. */
  stop(): Promise<LoadResult>
}

export const chatPath = '/v1/chat/completions'
const key = 'Bearer sk-bench-0123456789abcdef'

const bodyOf = (streaming: boolean): string =>
  JSON.stringify({
    model: 'gpt-5-mini',
    ...(streaming ? { stream: true, stream_options: { include_usage: true } } : {}),
    messages: [
      { role: 'system', content: 'You answer briefly.' },
      { role: 'user', content: 'y'.repeat(820) },
    ],
  })

/** A chat call of about 1 KB, labelled as an application would. */
export const requestBytes = (path: string, streaming: boolean, headers = ''): Buffer => {
  const body = bodyOf(streaming)
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\nuser-agent: bench/1.0\r\nauthorization: ${key}\r\n` +
      `content-type: application/json\r\nweir-user-id: user-17\r\nweir-session-id: session-4\r\nweir-property-feature: search\r\n` +
      `${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

const keyDigits = '0123456789abcdef'

const endOfChunks = Buffer.from('0\r\n\r\n')
const headEnd = Buffer.from('\r\n\r\n')
/** How long answers that are under way at the end are waited for. */
const graceMs = 2000

/**
 * Drives one port over raw sockets, one call at a time on each: the driver must cost less than what it measures.
 * An answer counts when its framing is whole.
 */
export const startDriving = ({
  port,
  path,
  streaming,
  concurrency,
  rate,
  headers,
  status = 200,
  manyKeys = false,
  sessions = 1,
}: Omit<Load, 'seconds'>): Driving => {
  const template = requestBytes(path, streaming, headers)
  const digitsAt = template.indexOf(keyDigits)
  const turns = Array.from({ length: sessions }, (_, n) => {
    const text = template.toString('latin1')
    return sessions === 1 ? template : Buffer.from(text.replace(/(weir-session-id: session-)\d+/, `$1${n}`), 'latin1')
  })
  const wanted = String(status)
  const bytesOf = (n: number): Buffer => {
    if (!manyKeys) return turns[n % sessions] ?? template
    const bytes = Buffer.from(template)
    bytes.write(`${Math.floor(startedAt)}${n}`.padStart(keyDigits.length, '0'), digitsAt, keyDigits.length, 'latin1')
    return bytes
  }
  const latencies: number[] = []
  const firsts: number[] = []
  const endedAt: number[] = []
  const sockets = new Set<Socket>()
  let sent = 0
  let failures = 0
  let stopped = false
  const startedAt = performance.now()
  const interval = rate === undefined ? 0 : (1000 * concurrency) / rate

  const one = (index: number): Promise<void> =>
    new Promise((resolve) => {
      let socket: Socket
      let from = 0
      let first = 0
      let need = -1
      let got = 0
      let due = startedAt + (interval * index) / concurrency
      const send = (): void => {
        if (stopped) return void socket.destroy()
        from = performance.now()
        if (interval > 0) {
          if (due - from > 1) return void setTimeout(send, due - from)
          from = due
          due += interval
        }
        first = 0
        need = -1
        got = 0
        socket.write(bytesOf(sent++))
      }
      const done = (now: number): void => {
        latencies.push(now - from)
        firsts.push(first - from)
        endedAt.push(now)
        send()
      }
      const take = (piece: Buffer): void => {
        const now = performance.now()
        if (first === 0) {
          first = now
          if (piece.toString('latin1', 9, 12) !== wanted) failures++
          const end = piece.indexOf(headEnd)
          const length = /content-length: (\d+)/i.exec(piece.toString('latin1', 0, end))
          need = length === null ? -1 : Number(length[1])
          got = piece.length - end - 4
        } else got += piece.length
        if (need >= 0 ? got >= need : piece.length >= 5 && piece.subarray(piece.length - 5).equals(endOfChunks)) done(now)
      }
      const open = (): void => {
        socket = connect(port, '127.0.0.1', send)
        sockets.add(socket)
        socket.setNoDelay(true)
        socket.on('data', take)
        socket.on('error', () => void failures++)
        socket.on('close', () => {
          sockets.delete(socket)
          if (stopped) resolve()
          else setTimeout(open, 10)
        })
      }
      open()
    })

  const all = Promise.all(Array.from({ length: concurrency }, (_, i) => one(i)))
  return {
    endedAt,
    latencies,
    async stop() {
      stopped = true
      // Whoever waits for its turn has nothing under way; the others get their answer first.
      const grace = setTimeout(() => sockets.forEach((socket) => socket.destroy()), graceMs)
      await all
      clearTimeout(grace)
      const sorted = Float64Array.from(latencies).sort()
      const sortedFirsts = Float64Array.from(firsts).sort()
      return {
        calls: sorted.length,
        sent,
        failures,
        perSecond: (sorted.length * 1000) / ((endedAt.at(-1) ?? Number.NaN) - startedAt),
        p50: quantile(sorted, 0.5),
        p99: quantile(sorted, 0.99),
        firstP50: quantile(sortedFirsts, 0.5),
        firstP99: quantile(sortedFirsts, 0.99),
        endedAt,
        latencies,
      }
    },
  }
}

/** Drives a port for so long. */
export const drive = async ({ seconds, ...load }: Load): Promise<LoadResult> => {
  const driving = startDriving(load)
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  return await driving.stop()
}

/** The body of one answer, chunking undone: for the check before the clock starts. */
export const fetchBody = async (
  port: number,
  path: string,
  streaming: boolean,
  headers: Readonly<Record<string, string>> = {},
): Promise<Buffer> => {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: key, ...headers },
    body: bodyOf(streaming),
  })
  return Buffer.from(await answer.arrayBuffer())
}
