import { ClientGone } from '../../admit/read-body.js'
import type { Client, Leavable } from '../../client.js'
import type { Deadlines, Watched } from '../../deadlines.js'
import type { RetryAsked } from '../../identify/retry.js'

/**
 * How long to wait before a retry: full jitter, uniform from 0 to min(most, least x factor^n).
 *
 * @param n Of the retry, from 0.
 * @param random From 0 to 1.
 */
export const backOffMs = (
  { minMs, maxMs, factor }: Pick<RetryAsked, 'minMs' | 'maxMs' | 'factor'>,
  n: number,
  random: number,
): number => random * Math.min(maxMs, minMs * factor ** n)

/** Waits for a retry. */
class Waiting implements Watched, Leavable {
  readonly idle = true
  dueAt = 0
  slot = -1
  #timer: NodeJS.Timeout | null = null
  #reject: ((cause: Error) => void) | null = null
  readonly #deadlines: Deadlines

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#reject = reject
      this.#deadlines.add(this)
      this.#timer = setTimeout(() => {
        this.#deadlines.remove(this)
        resolve()
      }, ms)
    })
  }

  /** Its own timer is exact: a deadline would only be met within a tick. */
  expired(): void {
    this.dueAt = 0
  }

  giveUp(cause: Error): void {
    this.#deadlines.remove(this)
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#reject?.(cause)
  }

  clientLeft(): void {
    this.giveUp(new ClientGone())
  }
}

/**
 * Lets time pass, unless the client leaves or the proxy has to stop.
 *
 * @throws ClientGone; WeirError `draining`.
 */
export const waitMs = (ms: number, client: Client, deadlines: Deadlines): Promise<void> => {
  if (client.gone || client.left === true) return Promise.reject(new ClientGone())
  const waiting = new Waiting(deadlines)
  client.serving = waiting
  // A timer may fire a little before its time, and asked is asked.
  return waiting.wait(Math.ceil(ms) + (ms > 0 ? 1 : 0))
}
