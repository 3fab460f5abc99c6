import { parentPort, workerData } from 'node:worker_threads'
import { countCall, type CallToCount, type Counts } from './count-call.js'
import { encodingOf } from './encoding-of.js'
import { loadEncoding } from './encodings.js'

/** Calls to count, as one message. */
export interface Asked {
  readonly id: number
  readonly calls: readonly CallToCount[]
}

/** One entry per call, in order; `null` where counting failed, and why it did last. */
export interface Answered {
  readonly id: number
  readonly counts: readonly (Counts | null)[]
  readonly fault: string | null
}

// Which call is being counted, for whoever has to find out where this thread stopped.
const progress = new Int32Array(workerData as SharedArrayBuffer)

const answer = async ({ id, calls }: Asked): Promise<Answered> => {
  const counts: (Counts | null)[] = []
  let fault: string | null = null
  for (const [at, call] of calls.entries()) {
    Atomics.store(progress, 0, at)
    try {
      counts.push(countCall(call, await loadEncoding(encodingOf(call.model))))
    } catch (cause) {
      counts.push(null)
      fault = String(cause)
    }
  }
  return { id, counts, fault }
}

parentPort?.on('message', (asked: Asked) => {
  void answer(asked).then((answered) => parentPort?.postMessage(answered, []))
})
