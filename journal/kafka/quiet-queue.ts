import { createRequire } from 'node:module'

interface Queue {
  pending: unknown[]
  throttledUntil: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  scheduleCheckPendingRequests(): void
}

let quiet = false

/**
 * kafkajs 2.2.4 looks at an empty queue of each connection again and again: 5 % of a core in a process that does nothing. Nothing that
 * waits, and no throttle: nothing to look at; what comes later looks by itself (docs/decisions/0070).
 */
export const quietQueues = (): void => {
  if (quiet) return
  quiet = true
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as { prototype: Queue }
  const original = prototype.scheduleCheckPendingRequests
  prototype.scheduleCheckPendingRequests = function (this: Queue) {
    if (this.pending.length === 0 && this.throttledUntil <= Date.now()) return
    original.call(this)
  }
}
