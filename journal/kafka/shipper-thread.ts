import { Worker, type WorkerOptions } from 'node:worker_threads'
import { FolderOwnedError, type FolderLock } from '../../core/folder-lock.js'
import { readerLock } from '../source.js'
import type { KafkaAccess } from './client.js'

/** What a shipper is started with. */
export interface ShipperWork {
  readonly journalDir: string
  /** Of what no broker takes. */
  readonly dlqDir: string
  readonly access: KafkaAccess
  readonly topic: string
  readonly maxMessageBytes: number
}

/** How far the journal is shipped; `lagBytes` is `null` until it was looked at. */
export interface ShippingState {
  readonly lagBytes: number | null
  /** Since when everything that was written has been acknowledged; 0 when nothing waits. */
  readonly lagSeconds: number
  readonly events: number
  /** Sent again because an answer was missing. */
  readonly resent: number
  readonly deadLetters: number
  /** Dead letters that lie in the folder now. */
  readonly kept: number
  readonly trouble: { readonly message: string; readonly sinceMs: number } | null
}

export type FromShipper =
  | { readonly type: 'state'; readonly state: ShippingState }
  /** A sentence for the log. */
  | { readonly type: 'told'; readonly sentence: string }
export interface ToShipper {
  readonly type: 'stop'
  /** What is there is sent for at most so long. */
  readonly ms: number
}

export interface ShipperThread {
  state(): ShippingState
  /** What is still to be sent after `ms` is sent after the next start. */
  stop(ms: number): Promise<void>
}

interface Options {
  readonly work: ShipperWork
  readonly log: (sentence: string) => void
  readonly now?: () => number
  readonly open?: (script: URL, options: WorkerOptions) => Worker
}

const restartMs = 1000
const standbyMs = 1000
const closingMs = 2000
const heapMiB = 256
/** Also when run from its sources: the extension is the one of this file. */
const script = new URL(`./shipper-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)

/**
 * Ships the journal in a thread of its own, never on the loop that serves calls, and starts it anew when it ends. Of several processes
 * on one data folder one ships for all; the others stand by.
 */
export const startShipperThread = (options: Options): ShipperThread => {
  const { work, log, now = Date.now, open = (url, settings) => new Worker(url, settings) } = options
  let state: ShippingState = { lagBytes: null, lagSeconds: 0, events: 0, resent: 0, deadLetters: 0, kept: 0, trouble: null }
  /** Of threads that have ended. */
  let before = { events: 0, resent: 0, deadLetters: 0 }
  let worker: Worker | null = null
  let lock: FolderLock | null = null
  let timer: NodeJS.Timeout | null = null
  let stopping = false

  const begin = (): void => {
    const made = open(script, {
      name: 'weir-shipper',
      workerData: work,
      resourceLimits: { maxOldGenerationSizeMb: heapMiB },
    })
    worker = made
    made.on('message', (message: FromShipper) => {
      if (message.type === 'told') return log(message.sentence)
      const { events, resent, deadLetters } = message.state
      state = {
        ...message.state,
        events: before.events + events,
        resent: before.resent + resent,
        deadLetters: before.deadLetters + deadLetters,
      }
    })
    made.on('error', (cause) =>
      log(`The thread that ships to Kafka failed: ${cause instanceof Error ? cause.message : String(cause)}`),
    )
    made.once('exit', () => {
      if (worker !== made) return
      worker = null
      before = { events: state.events, resent: state.resent, deadLetters: state.deadLetters }
      if (stopping) return
      state = { ...state, trouble: { message: 'The thread that ships ended and is started anew.', sinceMs: now() } }
      timer = setTimeout(begin, restartMs)
    })
  }

  const standBy = async (): Promise<void> => {
    try {
      lock = await readerLock(work.journalDir)
    } catch (cause) {
      if (!(cause instanceof FolderOwnedError)) log(`The journal cannot be read for shipping: ${String(cause)}`)
      if (!stopping) timer = setTimeout(() => void standBy(), standbyMs).unref()
      return
    }
    if (stopping) await lock.release()
    else begin()
  }
  void standBy()

  return {
    state: () => state,
    async stop(ms) {
      stopping = true
      if (timer !== null) clearTimeout(timer)
      const running = worker
      if (running !== null) {
        const ended = new Promise((resolve) => running.once('exit', resolve))
        running.postMessage({ type: 'stop', ms } satisfies ToShipper, [])
        await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, ms + closingMs).unref())])
        await running.terminate()
      }
      await lock?.release()
    },
  }
}
