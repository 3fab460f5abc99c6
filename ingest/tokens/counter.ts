import { Worker } from 'node:worker_threads'
import type { CallToCount, Counts } from './count-call.js'
import type { Answered, Asked } from './worker.js'

/** Counts tokens in a thread of its own, which is there only while it is needed. */
export interface TokenCounter {
  /**
   * Counts calls, in as few messages as their size allows.
   *
   * @returns One entry per call, in order; `null` where the thread failed twice at that call, or cannot be started. Never rejects.
   */
  count(calls: readonly CallToCount[]): Promise<readonly (Counts | null)[]>
  /** Messages the thread was sent since the start. */
  readonly messages: number
  /** Ends the thread; what is being counted comes back as `null`. */
  close(): Promise<void>
}

interface Options {
  readonly now: () => number
  readonly onFault: (message: string, cause: unknown) => void
  /** The thread's module. */
  readonly script?: URL
  /** A thread that makes no progress on one call for this long hangs; a call has at most a third of a second of merging. */
  readonly deadlineMs?: number
  /** A thread without work ends after this. */
  readonly idleMs?: number
}

/** Run from the sources by tests: a thread does not inherit the loader. */
const ownScript = import.meta.url.endsWith('.ts')
  ? new URL(
      `data:text/javascript,${encodeURIComponent(`
        import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
        register()
        await import(${JSON.stringify(new URL('./worker.ts', import.meta.url).href)})`)}`,
    )
  : new URL('./worker.js', import.meta.url)

/** Bodies of one message. They are copied: a body is a view of a whole read of the log. */
const messageBytes = 4 * 1024 * 1024
const heapMiB = 256
/** After two starts that came to nothing, calls are not counted for this long. */
const restMs = 60_000
/** Failures of the thread that one list of calls may cause before its rest goes uncounted. */
const mostFailures = 6

const sizeOf = (call: CallToCount): number => (call.request?.bytes.length ?? 0) + (call.response?.bytes.length ?? 0)

type Body = CallToCount['request']

const copied = (body: Body, buffers: ArrayBuffer[]): Body => {
  if (body === null) return null
  const bytes = new Uint8Array(body.bytes)
  buffers.push(bytes.buffer)
  return { ...body, bytes }
}

/** `at`: the call at work when the thread stopped; -1 = it had not begun. */
type Reply = { readonly counts: readonly (Counts | null)[] } | { readonly at: number; readonly cause: unknown }

export const createTokenCounter = (options: Options): TokenCounter => {
  const { now, onFault, script = ownScript, deadlineMs = 20_000, idleMs = 60_000 } = options
  const progress = new Int32Array(new SharedArrayBuffer(4))
  let thread: Worker | null = null
  let idle: NodeJS.Timeout | undefined
  let tail: Promise<unknown> = Promise.resolve()
  let messages = 0
  let emptyStarts = 0
  let restsUntil = 0
  const closing = new AbortController()

  const end = async (): Promise<void> => {
    clearTimeout(idle)
    const ending = thread
    thread = null
    await ending?.terminate()
  }

  const threadOf = (): Worker => {
    if (thread !== null) return thread
    thread = new Worker(script, {
      name: 'weir-tokens',
      workerData: progress.buffer,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapMiB },
    })
    // A fault while nothing is asked is looked at with the next question.
    thread.on('error', () => undefined)
    return thread
  }

  const ask = (calls: readonly CallToCount[]): Promise<Reply> =>
    new Promise((resolve) => {
      clearTimeout(idle)
      const id = ++messages
      Atomics.store(progress, 0, -1)
      let worker: Worker
      try {
        worker = threadOf()
      } catch (cause) {
        resolve({ at: -1, cause })
        return
      }
      let seen = -1
      const settle = (reply: Reply): void => {
        clearInterval(watch)
        worker.off('message', onMessage).off('error', onError).off('exit', onExit)
        worker.unref()
        resolve(reply)
      }
      const failed = (cause: unknown): void => {
        const at = Atomics.load(progress, 0)
        if (thread === worker) thread = null
        void worker.terminate()
        settle({ at, cause })
      }
      const watch = setInterval(() => {
        const at = Atomics.load(progress, 0)
        if (at === seen) failed(new Error(`No progress for ${deadlineMs} ms.`))
        seen = at
      }, deadlineMs)
      const onMessage = (answer: Answered): void => {
        if (answer.id !== id) return
        if (answer.fault !== null) onFault('Some calls could not be counted.', answer.fault)
        settle({ counts: answer.counts })
      }
      const onError = (cause: unknown): void => failed(cause)
      const onExit = (code: number): void => failed(new Error(`The thread ended with ${code}.`))
      worker.on('message', onMessage).on('error', onError).on('exit', onExit)
      worker.ref()
      const buffers: ArrayBuffer[] = []
      const asked: Asked = {
        id,
        calls: calls.map((call) => ({
          ...call,
          request: copied(call.request, buffers),
          response: copied(call.response, buffers),
        })),
      }
      worker.postMessage(asked, buffers)
    })

  const firstOf = (calls: readonly CallToCount[], from: readonly number[]): number[] => {
    const some: number[] = []
    let bytes = 0
    for (const index of from) {
      bytes += sizeOf(calls[index] as CallToCount)
      if (some.length > 0 && bytes > messageBytes) break
      some.push(index)
    }
    return some
  }

  const countAll = async (calls: readonly CallToCount[]): Promise<readonly (Counts | null)[]> => {
    const counts: (Counts | null)[] = calls.map(() => null)
    const failuresAt = new Map<number, number>()
    let failures = 0
    let left = [...calls.keys()]
    while (left.length > 0 && !closing.signal.aborted && now() >= restsUntil && failures < mostFailures) {
      const some = firstOf(calls, left)
      const reply = await ask(some.map((index) => calls[index] as CallToCount))
      if ('counts' in reply) {
        emptyStarts = 0
        for (const [at, index] of some.entries()) counts[index] = reply.counts[at] ?? null
        left = left.slice(some.length)
        continue
      }
      failures++
      if (closing.signal.aborted) break
      onFault('The thread that counts tokens failed; it is started again.', reply.cause)
      const suspect = some[reply.at]
      if (suspect === undefined) {
        if (++emptyStarts >= 2) restsUntil = now() + restMs
        continue
      }
      const before = failuresAt.get(suspect) ?? 0
      failuresAt.set(suspect, before + 1)
      // Once may be the machine's fault: only a call that fails alone, at its second try, is given up.
      if (before > 0) left = left.filter((index) => index !== suspect)
    }
    if (thread !== null) {
      clearTimeout(idle)
      idle = setTimeout(() => void end(), idleMs).unref()
    }
    return counts
  }

  return {
    count(calls) {
      const counting = tail.then(() => countAll(calls))
      tail = counting
      return counting
    },
    get messages() {
      return messages
    },
    async close() {
      closing.abort()
      await end()
      await tail
    },
  }
}
