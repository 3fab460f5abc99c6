import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'

/** What is looked at, each time anew. */
export interface Pressure {
  /** 99 % of the delays of the event loop since it was last asked for are shorter. */
  readonly loopDelayMs: number
  /** Memory of the process in RAM. */
  readonly rssBytes: number
  /** Of it what JavaScript holds: heap and buffers, garbage included. */
  readonly heldBytes: number
  readonly heapBytes: number
  /** Past it the engine ends the process. */
  readonly heapLimitBytes: number
}

export interface OverloadLimits {
  readonly loopDelayMs: number
  readonly memoryBytes: number
}

export interface Overload {
  /** Why new calls are refused for now; `null` = they are not. */
  reason(): string | null
  close(): void
}

interface Options {
  /** Read at each look: they may change while the process runs. */
  readonly limits: () => OverloadLimits
  /** Default: of this process. */
  readonly pressure?: () => Pressure
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number
}

const everyMs = 1000
/** How long the loop must be slow before calls are refused, and well before they are taken again. */
const slowForMs = 10_000
const wellForMs = 3000
const wellShare = 0.5
/** Of the heap's limit. Past the first the engine does little but collect. */
const heapShare = { shed: 0.9, take: 0.8 }
/**
 * Of `memoryBytes`: calls are taken again below the first, or when so much of it is free inside of the process. What was freed is not
 * always given back to the system, but is used again before more is asked for.
 */
const memoryShare = { take: 0.9, held: 0.6 }

const mebi = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`

/** Looks once a second whether this process has more to do than it can, and says so until it is well again (docs/decisions/0075). */
export const watchOverload = ({ limits, pressure, now }: Options): Overload => {
  const own = pressure === undefined ? ownPressure() : null
  const read = pressure ?? own?.read ?? (() => calm)
  let slowSince: number | null = null
  let wellSince: number | null = null
  let loop: string | null = null
  let heap: string | null = null
  let memory: string | null = null

  const lookAtLoop = ({ loopDelayMs }: Pressure, most: number): void => {
    const at = now()
    slowSince = loopDelayMs > most ? (slowSince ?? at) : null
    wellSince = loopDelayMs <= most * wellShare ? (wellSince ?? at) : null
    if (slowSince !== null && at - slowSince >= slowForMs)
      loop = `The event loop is late by ${Math.round(loopDelayMs)} ms (ceilings.loopDelay in weir.yaml: ${most} ms).`
    else if (wellSince !== null && at - wellSince >= wellForMs) loop = null
  }

  const lookAtHeap = ({ heapBytes, heapLimitBytes }: Pressure): void => {
    if (heapBytes > heapLimitBytes * heapShare.shed)
      heap = `${mebi(heapBytes)} of the heap's ${mebi(heapLimitBytes)} are taken (NODE_OPTIONS=--max-old-space-size raises it).`
    else if (heapBytes < heapLimitBytes * heapShare.take) heap = null
  }

  const lookAtMemory = ({ rssBytes, heldBytes }: Pressure, most: number): void => {
    const isFree = heldBytes < most * memoryShare.held
    if (rssBytes > most && !isFree)
      memory = `${mebi(rssBytes)} of memory are taken; ${mebi(most)} may be (ceilings.memory in weir.yaml).`
    else if (rssBytes < most * memoryShare.take || isFree) memory = null
  }

  const look = (): void => {
    const seen = read()
    const { loopDelayMs, memoryBytes } = limits()
    lookAtLoop(seen, loopDelayMs)
    lookAtHeap(seen)
    lookAtMemory(seen, memoryBytes)
  }
  const timer = setInterval(look, everyMs).unref()
  return {
    reason: () => heap ?? memory ?? loop,
    close: () => {
      clearInterval(timer)
      own?.close()
    },
  }
}

const calm: Pressure = { loopDelayMs: 0, rssBytes: 0, heldBytes: 0, heapBytes: 0, heapLimitBytes: Infinity }

/** Each sample holds the pause between two of them, too. */
const resolutionMs = 50

const ownPressure = (): { read: () => Pressure; close: () => void } => {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs })
  delays.enable()
  return {
    read: () => {
      const loopDelayMs = Math.max(0, delays.percentile(99) / 1e6 - resolutionMs)
      delays.reset()
      const { used_heap_size: heapBytes, heap_size_limit: heapLimitBytes, external_memory: external } = getHeapStatistics()
      return { loopDelayMs, rssBytes: process.memoryUsage.rss(), heldBytes: heapBytes + external, heapBytes, heapLimitBytes }
    },
    close: () => void delays.disable(),
  }
}

const limitIn = (path: string): number => {
  try {
    const text = readFileSync(path, 'utf8').trim()
    return /^\d+$/.test(text) ? Number(text) : Infinity
  } catch {
    return Infinity
  }
}

/** Bytes that all processes of this container may take together, else of the machine. */
const availableBytes = (): number =>
  Math.min(totalmem(), limitIn('/sys/fs/cgroup/memory.max'), limitIn('/sys/fs/cgroup/memory/memory.limit_in_bytes'))

/** `ceilings.memory` in bytes: as told, or a share of what there is. */
export const memoryCeilingBytes = (
  ceiling: { readonly percent: number } | { readonly bytes: number },
  available: () => number = availableBytes,
): number => ('bytes' in ceiling ? ceiling.bytes : Math.floor((available() * ceiling.percent) / 100))
