import { connect, type Socket } from 'node:net'

export interface Load {
  readonly port: number
  readonly path: string
  readonly streaming: boolean
  readonly concurrency: number
  readonly seconds: number
  /** Calls a second over all connections; absent = as fast as answers come. */
  readonly rate?: number
}

export interface LoadResult {
  readonly calls: number
  readonly failures: number
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly firstP50: number
  readonly firstP99: number
}

const quantile = (sorted: Float64Array, q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN

/** A chat call of about 1 KB, labelled as an application would. */
export const requestBytes = (path: string, streaming: boolean): Buffer => {
  const body = JSON.stringify({
    model: 'gpt-5-mini',
    ...(streaming ? { stream: true, stream_options: { include_usage: true } } : {}),
    messages: [
      { role: 'system', content: 'You answer briefly.' },
      { role: 'user', content: 'y'.repeat(820) },
    ],
  })
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\nuser-agent: bench/1.0\r\nauthorization: Bearer sk-bench-0123456789abcdef\r\n` +
      `content-type: application/json\r\nweir-user-id: user-17\r\nweir-session-id: session-4\r\nweir-property-feature: search\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

const endOfChunks = Buffer.from('0\r\n\r\n')
const headEnd = Buffer.from('\r\n\r\n')

/**
 * Drives one port over raw sockets, one call at a time on each: the driver must cost less than what it measures.
 * An answer counts when its framing is whole and its status is 200.
 */
export const drive = async ({ port, path, streaming, concurrency, seconds, rate }: Load): Promise<LoadResult> => {
  const request = requestBytes(path, streaming)
  const latencies: number[] = []
  const firsts: number[] = []
  let failures = 0
  let stopped = false
  const startedAt = performance.now()
  const interval = rate === undefined ? 0 : (1000 * concurrency) / rate
  const one = (index: number): Promise<void> =>
    new Promise((resolve) => {
      let socket: Socket
      let sentAt = 0
      let first = 0
      let need = -1
      let got = 0
      let due = startedAt + (interval * index) / concurrency
      const send = (): void => {
        if (stopped) return void socket.destroy()
        if (interval > 0) {
          const wait = due - performance.now()
          if (wait > 1) return void setTimeout(send, wait)
          due += interval
        }
        first = 0
        need = -1
        got = 0
        sentAt = performance.now()
        socket.write(request)
      }
      const done = (): void => {
        latencies.push(performance.now() - sentAt)
        firsts.push(first - sentAt)
        send()
      }
      const open = (): void => {
        socket = connect(port, '127.0.0.1', send)
        socket.setNoDelay(true)
        socket.on('data', (piece: Buffer) => {
          if (first === 0) {
            first = performance.now()
            if (piece.toString('latin1', 9, 12) !== '200') failures++
            const end = piece.indexOf(headEnd)
            const head = piece.toString('latin1', 0, end)
            const length = /content-length: (\d+)/i.exec(head)
            need = length === null ? -1 : Number(length[1])
            got = piece.length - end - 4
          } else got += piece.length
          if (need >= 0 ? got >= need : piece.length >= 5 && piece.subarray(piece.length - 5).equals(endOfChunks)) done()
        })
        socket.on('error', () => void failures++)
        socket.on('close', () => (stopped ? resolve() : open()))
      }
      open()
      setTimeout(() => {
        stopped = true
        setTimeout(() => socket.destroy(), 2000).unref()
      }, seconds * 1000)
    })
  await Promise.all(Array.from({ length: concurrency }, (_, i) => one(i)))
  const sorted = Float64Array.from(latencies).sort()
  const sortedFirsts = Float64Array.from(firsts).sort()
  return {
    calls: sorted.length,
    failures,
    perSecond: sorted.length / seconds,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    firstP50: quantile(sortedFirsts, 0.5),
    firstP99: quantile(sortedFirsts, 0.99),
  }
}

/** The body of one answer, chunking undone: for the check before the clock starts. */
export const fetchBody = async (port: number, path: string, streaming: boolean): Promise<Buffer> => {
  const request = requestBytes(path, streaming).toString()
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer sk-bench-0123456789abcdef' },
    body: request.slice(request.indexOf('\r\n\r\n') + 4),
  })
  return Buffer.from(await answer.arrayBuffer())
}
