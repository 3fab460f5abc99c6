import type { DeadLetters } from '../dead-letters.js'
import { fullJitter, pause } from '../pause.js'
import type { Answer, Exporter } from './exporter.js'
import type { Span } from './span.js'

/** Spans of consecutive calls of one partition, with the range they come from. */
export interface SpanBatch {
  readonly partition: string
  readonly first: number
  readonly last: number
  readonly spans: readonly Span[]
}

/** Told as it happens. Counts are spans. */
export interface Delivery {
  sent(spans: number): void
  rejected(spans: number, message: string): void
  dead(spans: number, message: string): void
  /** A try failed; the batch waits. `denied`: until a person mends the configuration. */
  waiting(answer: Extract<Answer, { kind: 'denied' | 'away' }>): void
}

interface Options {
  readonly exporter: Exporter
  readonly deadLetters: DeadLetters
  readonly random: () => number
  readonly on: Delivery
}

/** The promise, unless the signal fires first. */
const unlessAborted = async <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> => {
  let abort = (): void => undefined
  const over = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
  })
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, over])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

const retryMs = { base: 1000, cap: 60_000 }
const deniedMs = 60_000

/**
 * Sends a batch until it is settled: acknowledged, or set aside for good.
 *
 * @returns Resolves when settled. What one span is refused for (400, 413, 422) is found by halving; all else is tried for ever.
 * @throws AbortError when the signal fires first; nothing is known about the batch then.
 */
export const deliverer =
  ({ exporter, deadLetters, random, on }: Options) =>
  async (batch: SpanBatch, signal: AbortSignal): Promise<void> => {
    const { partition, first, last } = batch

    const send = async (spans: readonly Span[]): Promise<Extract<Answer, { kind: 'accepted' | 'refused' }>> => {
      for (let tries = 1; ; tries++) {
        signal.throwIfAborted()
        const answer = await unlessAborted(exporter.send(spans), signal)
        if (answer.kind === 'accepted' || answer.kind === 'refused') return answer
        signal.throwIfAborted()
        on.waiting(answer)
        await pause(answer.kind === 'denied' ? deniedMs : fullJitter(tries, retryMs.base, retryMs.cap, random), signal)
      }
    }

    const settle = async (spans: readonly Span[]): Promise<void> => {
      const answer = await send(spans)
      if (answer.kind === 'accepted') {
        on.sent(spans.length - answer.rejected)
        if (answer.rejected === 0) return
        // Which ones were thrown away is not told, so the batch is kept whole.
        await deadLetters.put({
          reason: 'partial_success',
          error: answer.message,
          source: { partition, first, last },
          payload: exporter.encode(spans),
        })
        on.rejected(answer.rejected, answer.message)
        return
      }
      if (spans.length > 1) {
        const half = spans.length >> 1
        await settle(spans.slice(0, half))
        await settle(spans.slice(half))
        return
      }
      await deadLetters.put({
        reason: 'refused',
        error: answer.message,
        source: { partition, first, last },
        key: spans[0]?.spanContext().spanId ?? '',
        payload: exporter.encode(spans),
      })
      on.dead(1, answer.message)
    }

    await settle(batch.spans)
  }
