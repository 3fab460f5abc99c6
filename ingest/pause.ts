import { setTimeout as sleep } from 'node:timers/promises'

/** Waits, or returns at once when the signal fires. Does not keep the process alive by itself. */
export const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  if (signal.aborted) return
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined)
}

/** Full jitter: anything from 0 to `baseMs` doubled per failed try, at most `capMs`. `tries` counts from 1. */
export const fullJitter = (tries: number, baseMs: number, capMs: number, random: () => number): number =>
  random() * Math.min(capMs, baseMs * 2 ** Math.min(tries - 1, 30))

/**
 * Lets the event loop turn. The web API lives in the same process, so work over many records calls this between them.
 *
 * @param sliceMs How long the caller may hold the loop in one go.
 * @returns A function that resolves at once while the slice lasts, and after a turn of the loop when it is used up.
 */
export const breather = (sliceMs: number): (() => Promise<void> | undefined) => {
  let since = performance.now()
  return () => {
    if (performance.now() - since < sliceMs) return undefined
    return new Promise((resolve) => {
      setImmediate(() => {
        since = performance.now()
        resolve()
      })
    })
  }
}
