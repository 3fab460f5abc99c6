import type { Call, Target } from './call.js'

/** Answers that may be read on at once, how long each, and how much of it. */
const mostAtOnce = 64
const mostMs = 120_000
export const mostDrainedBytes = 8 * 1024 * 1024

/** An answer that is read to its end although its client has left. */
export interface Drain {
  /** Called when its time is over; set by whoever is at it. */
  over: (() => void) | null
  /** It has ended. */
  close(): void
}

/** Those of one process. Beyond 64 an answer is given up. */
export class Drains {
  #open = 0
  readonly #mostMs: number

  constructor(ms = mostMs) {
    this.#mostMs = ms
  }

  /** @returns `null` when there are enough. */
  enter(): Drain | null {
    if (this.#open >= mostAtOnce) return null
    this.#open++
    const drain: Drain = {
      over: null,
      close: () => {
        clearTimeout(timer)
        if (closed) return
        closed = true
        this.#open--
      },
    }
    let closed = false
    const timer = setTimeout(() => drain.over?.(), this.#mostMs)
    timer.unref()
    return drain
  }
}

/** Who hangs up wants the spending to stop; Bedrock bills the whole answer all the same, so it is at least counted. */
export const isDrained = ({ steering: { disconnect } }: Call, { provider }: Target): boolean =>
  disconnect === null ? provider.name === 'bedrock' : disconnect === 'drain'
