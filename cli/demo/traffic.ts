import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PlannedCall } from './call.js'
import type { Ask, Session } from './sessions.js'

/** Counted as they end. */
export interface Tally {
  readonly calls: number
  /** Answered 2xx, to the end. */
  readonly completed: number
  /** Answered with an HTTP error, as planned, or not answered at all. */
  readonly failed: number
  readonly left: number
  /** Sum of the calls whose cost can be foreseen, pico-USD. */
  readonly expectedPico: bigint
  /** Calls that Weir has to estimate: left, cut in mid-answer, or without usage on the wire. */
  readonly unforeseen: number
}

export interface Traffic {
  tally(): Tally
  /** Resolves when the last call has ended: after `calls`, or after `stop`. */
  readonly ended: Promise<Tally>
  stop(): void
}

interface Options {
  readonly origin: string
  readonly sessions: Iterator<Session>
  /** Calls a second. */
  readonly rate: number
  /** How many in all; `null`: until stopped. */
  readonly calls: number | null
}

class Enough extends Error {}

/** Reads a little of the answer, then goes. */
const leave = async (answer: Response, leaving: AbortController): Promise<void> => {
  const reader = answer.body?.getReader()
  for (let n = 0; n < 2; n++) if ((await reader?.read())?.done === true) break
  leaving.abort()
}

/** Sends sessions side by side, their calls in turn, at a steady rate. */
export const startTraffic = ({ origin, sessions, rate, calls }: Options): Traffic => {
  let tally: Tally = { calls: 0, completed: 0, failed: 0, left: 0, expectedPico: 0n, unforeseen: 0 }
  let begun = 0
  let nextAt = Date.now()
  const stopping = new AbortController()
  setMaxListeners(0, stopping.signal)

  const turn = async (): Promise<void> => {
    if (stopping.signal.aborted || (calls !== null && begun >= calls)) throw new Enough()
    begun++
    nextAt = Math.max(nextAt + 1000 / rate, Date.now())
    await sleep(nextAt - Date.now(), undefined, { signal: stopping.signal }).catch(() => {
      throw new Enough()
    })
  }
  const count = (call: PlannedCall, how: 'completed' | 'failed' | 'left'): void => {
    tally = {
      ...tally,
      calls: tally.calls + 1,
      [how]: tally[how] + 1,
      expectedPico: tally.expectedPico + (call.expectedPico ?? 0n),
      unforeseen: tally.unforeseen + (call.expectedPico === null ? 1 : 0),
    }
  }

  const ask: Ask = async (call) => {
    await turn()
    const leaving = new AbortController()
    try {
      const answer = await fetch(origin + call.path, {
        method: 'POST',
        headers: call.headers,
        body: JSON.stringify(call.body),
        signal: leaving.signal,
      })
      if (call.leaves && answer.ok) {
        await leave(answer, leaving)
        count(call, 'left')
        return null
      }
      const text = await answer.text()
      count(call, answer.ok ? 'completed' : 'failed')
      const isJson = answer.ok && (answer.headers.get('content-type') ?? '').startsWith('application/json')
      return isJson ? (JSON.parse(text) as Record<string, unknown>) : null
    } catch {
      count(call, 'failed')
      return null
    }
  }

  const worker = async (): Promise<void> => {
    for (;;) {
      const { value: session, done } = sessions.next()
      if (done === true) return
      await session(ask)
    }
  }
  // Calls take about a second: this many sessions side by side keep the rate.
  const workers = Array.from({ length: Math.max(4, Math.ceil(rate * 3)) }, () =>
    worker().catch((cause: unknown) => {
      if (!(cause instanceof Enough)) throw cause
    }),
  )
  return {
    tally: () => tally,
    ended: Promise.all(workers).then(() => tally),
    stop: () => stopping.abort(),
  }
}
