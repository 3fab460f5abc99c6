import { connect } from 'node:net'
import { quantile } from './median.js'
import { monotonicUs } from './upstream.js'

export interface Streams {
  readonly port: number
  /** One stream each in turn. */
  readonly requests: readonly Buffer[]
  /** Local addresses to come from, each in turn. */
  readonly from: readonly string[]
  readonly count: number
  /** Stamped chunks a stream must bring, in order. */
  readonly chunks: number
  /** New streams a second. */
  readonly perSecond: number
  /** When all have not ended by then, the rest counts as errors. */
  readonly limitMs: number
  /** Called once, when all streams are open at the same time. */
  readonly onAllOpen?: () => void
}

export interface StreamsResult {
  readonly errors: number
  /** Open at the same time, at most. */
  readonly peak: number
  /** From the upstream's write to our read, milliseconds. */
  readonly p50: number
  readonly p99: number
}

const stamp = /"n":(\d+),"writtenUs":(\d+)/g

/** Holds many slow streams at once and checks each: status, every chunk once and in order, the terminal event, a clean end. */
export const holdStreams = async (options: Streams): Promise<StreamsResult> => {
  const { port, requests, from, count, chunks, perSecond, limitMs, onAllOpen } = options
  const delays: number[] = []
  let errors = 0
  let open = 0
  let peak = 0

  const one = (index: number): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: from[index % from.length] ?? '127.0.0.1' })
      let begun = false
      let inOrder = true
      let seen = 0
      let tail = ''
      const timer = setTimeout(() => socket.destroy(), limitMs)
      socket.on('connect', () => void socket.write(requests[index % requests.length] ?? ''))
      socket.on('data', (piece: Buffer) => {
        const now = monotonicUs()
        const text = piece.toString('latin1')
        if (!begun) {
          begun = true
          if (!text.startsWith('HTTP/1.1 200')) inOrder = false
          if (++open > peak) peak = open
          if (open === count) onAllOpen?.()
        }
        for (const [, n, writtenUs] of text.matchAll(stamp)) {
          if (Number(n) !== seen++) inOrder = false
          delays.push((now - Number(writtenUs)) / 1000)
        }
        tail = (tail + text).slice(-64)
        if (tail.endsWith('\r\n0\r\n\r\n')) socket.end()
      })
      socket.on('error', () => undefined)
      socket.on('close', () => {
        clearTimeout(timer)
        if (begun) open--
        if (!inOrder || seen !== chunks || !tail.includes('data: [DONE]\n\n') || !tail.endsWith('0\r\n\r\n')) errors++
        resolve()
      })
    })

  const all: Promise<void>[] = []
  const begun = performance.now()
  while (all.length < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - begun) / 1000) * perSecond))
    while (all.length < due) all.push(one(all.length))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await Promise.all(all)
  const sorted = Float64Array.from(delays).sort()
  return { errors, peak, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
}
