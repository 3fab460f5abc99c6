import type { LiveHello, LiveRows, RequestSummary } from '../../api/contract.js'

/** A burst of calls makes the charts ask again once, not once a call. */
const shortestMs = 3_000
const longestMs = 60_000
let settleMs = shortestMs
const idleMs = 30_000

let now = $state(Date.now())
let wanted = $state(true)
let connected = $state(false)
let any = $state<boolean | null>(null)
let first = $state<RequestSummary | null>(null)

type Listener = (rows: readonly RequestSummary[], skipped: number) => void
const listeners = new Set<Listener>()
let settling: ReturnType<typeof setTimeout> | null = null

const advance = (): void => {
  settling = null
  if (wanted && !document.hidden) now = Date.now()
}
const settle = (): void => {
  settling ??= setTimeout(advance, settleMs)
}

/** The calls as they arrive, and the clock that moving time ranges end at. While paused, both stand still. */
export const live = {
  /** The instant `the last hour` ends at, in milliseconds. */
  get now(): number {
    return now
  },
  get running(): boolean {
    return wanted
  },
  get connected(): boolean {
    return connected
  },
  /** Whether any call was ever stored; `null` until told. */
  get any(): boolean | null {
    return any
  },
  /** The first call that arrived while this page was open and the store was empty. */
  get first(): RequestSummary | null {
    return first
  },
  set(running: boolean): void {
    wanted = running
    if (running) now = Date.now()
  },
  /** Ends moving ranges at this instant, paused or not: for people who ask again. */
  refresh(): void {
    now = Date.now()
  },
  /**
   * How often calls that arrive move the clock on: a chart of thirty days looks the same three seconds later, and asking costs.
   *
   * @param rangeMs Width of what is looked at.
   */
  pace(rangeMs: number): void {
    settleMs = Math.min(Math.max(rangeMs / 720, shortestMs), longestMs)
  },
  /** Rows newest last. Returns what takes the listener off. */
  onRows(listener: Listener): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
  /** Opens the stream; the browser itself opens it again after a break. Returns what closes it. */
  start(): () => void {
    const stream = new EventSource('/api/live')
    stream.addEventListener('open', () => {
      connected = true
    })
    stream.addEventListener('error', () => {
      connected = false
    })
    stream.addEventListener('hello', (event) => {
      connected = true
      any = (JSON.parse(event.data as string) as LiveHello).any
    })
    stream.addEventListener('rows', (event) => {
      const { rows, skipped } = JSON.parse(event.data as string) as LiveRows
      if (any === false) first ??= rows[0] ?? null
      if (rows.length > 0) any = true
      for (const listener of listeners) listener(rows, skipped)
      settle()
    })
    const idle = setInterval(advance, idleMs)
    const onShown = (): void => {
      if (!document.hidden) advance()
    }
    document.addEventListener('visibilitychange', onShown)
    return () => {
      stream.close()
      clearInterval(idle)
      document.removeEventListener('visibilitychange', onShown)
    }
  },
}
