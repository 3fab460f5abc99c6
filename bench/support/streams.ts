import { connect } from 'node:net'
import { createDelays } from './delays.js'
import { monotonicUs } from './upstream.js'

export interface Streams {
  readonly port: number
  /** One stream each in turn. */
  readonly requests: readonly Buffer[]
  /** Local addresses to come from, each in turn. */
  readonly from: readonly string[]
  /** Open at the same time. */
  readonly count: number
  /** Stamped chunks a stream must bring, in order. */
  readonly chunks: number
  /** New streams a second until all are open. */
  readonly perSecond: number
  /** From the first stream on, a stream that has ended is followed by another; 0 = none is. */
  readonly renewMs: number
  /** A stream that has not ended by then counts as an error. */
  readonly limitMs: number
  /** Called once, when all streams are open at the same time. */
  readonly onAllOpen?: () => void
}

export interface StreamsResult {
  readonly streams: number
  readonly errors: number
  /** Chunks that never came, over all streams. */
  readonly lostChunks: number
  /** Open at the same time, at most. */
  readonly peak: number
  /** From the upstream's write to our read, milliseconds. */
  readonly p50: number
  readonly p99: number
}

const stamp = /"n":(\d+),"writtenUs":(\d+)/g
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Holds many slow streams at once and checks each: status, every chunk once and in order, the terminal event, a clean end. */
export const holdStreams = async (options: Streams): Promise<StreamsResult> => {
  const { port, requests, from, count, chunks, perSecond, renewMs, limitMs, onAllOpen } = options
  const delays = createDelays()
  let streams = 0
  let errors = 0
  let lostChunks = 0
  let open = 0
  let peak = 0

  const one = (lane: number): Promise<void> =>
    new Promise((resolve) => {
      streams++
      const socket = connect({ port, host: '127.0.0.1', localAddress: from[lane % from.length] ?? '127.0.0.1' })
      let begun = false
      let inOrder = true
      let seen = 0
      let tail = ''
      const timer = setTimeout(() => socket.destroy(), limitMs)
      socket.on('connect', () => void socket.write(requests[lane % requests.length] ?? ''))
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
          delays.add((now - Number(writtenUs)) / 1000)
        }
        tail = (tail + text).slice(-64)
        if (tail.endsWith('\r\n0\r\n\r\n')) socket.end()
      })
      socket.on('error', () => undefined)
      socket.on('close', () => {
        clearTimeout(timer)
        if (begun) open--
        lostChunks += Math.max(0, chunks - seen)
        if (!inOrder || seen !== chunks || !tail.includes('data: [DONE]\n\n') || !tail.endsWith('0\r\n\r\n')) errors++
        resolve()
      })
    })

  const begun = performance.now()
  const lane = async (index: number): Promise<void> => {
    do {
      const startedAt = performance.now()
      await one(index)
      // What is refused at once is not asked for in a tight loop.
      if (performance.now() - startedAt < 1000) await pause(1000)
    } while (performance.now() - begun < renewMs)
  }
  const lanes: Promise<void>[] = []
  while (lanes.length < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - begun) / 1000) * perSecond))
    while (lanes.length < due) lanes.push(lane(lanes.length))
    await pause(10)
  }
  await Promise.all(lanes)
  return { streams, errors, lostChunks, peak, p50: delays.quantile(0.5), p99: delays.quantile(0.99) }
}
