import { causeOf, quoted, type Cause } from '../core/health-causes.js'
import type { DestinationState } from './export/outbox.js'

interface Trouble {
  readonly message: string
  readonly sinceMs: number
}

interface Readings {
  /** Of a log on other machines. */
  readonly log: Trouble | null
  readonly store: Trouble | null
  readonly consumer: Trouble | null
  /** Bytes of the log lie there to be read, and none of them has been for a while: since when. */
  readonly stuck: { readonly bytes: number; readonly sinceMs: number } | null
  /** What is not stored: bytes of the log, and the age of the oldest event that was read. */
  readonly lag: { readonly bytes: number; readonly seconds: number }
  readonly destinations: readonly DestinationState[]
  readonly deadLetters: number
  /** Where the dead letters lie. */
  readonly dlq: string
  readonly now: () => number
}

/** All that holds of ingest at the moment; empty when nothing is wrong. */
export const causesOf = (readings: Readings): Cause[] => {
  const { log, store, consumer, stuck, lag, destinations, deadLetters, dlq, now } = readings
  const causes: Cause[] = []
  const age = (sinceMs: number): string => `${Math.max(0, Math.round((now() - sinceMs) / 1000))} s`
  const behind = `${lag.bytes} bytes of the log wait, the oldest call of them for ${Math.round(lag.seconds)} s`
  if (log !== null)
    causes.push(
      causeOf(
        'kafka_unreachable',
        quoted(
          `Kafka has given no events for ${age(log.sinceMs)}: they wait in it and in the proxies' journals, dashboards do not move.`,
          log.message,
        ),
      ),
    )
  if (store !== null)
    causes.push(
      causeOf(
        'analytics_unreachable',
        quoted(
          `The analytics store has taken nothing for ${age(store.sinceMs)}: ${behind}, dashboards do not move.`,
          store.message,
        ),
      ),
    )
  if (consumer !== null)
    causes.push(
      causeOf(
        'ingest_failing',
        quoted(
          `The event log cannot be read, or its positions cannot be written, for ${age(consumer.sinceMs)}.`,
          consumer.message,
        ),
      ),
    )
  if (stuck !== null && log === null && store === null && consumer === null)
    causes.push(
      causeOf(
        'ingest_failing',
        `${stuck.bytes} bytes of the journal wait, and for ${age(stuck.sinceMs)} no event of them could be read: a record in a segment that is still written to is damaged.`,
      ),
    )
  for (const { name, state, lastError, lagSeconds, waitingBytes } of destinations)
    if (state === 'failing' || state === 'waiting')
      causes.push(
        causeOf(
          'export_failing',
          quoted(
            `The trace destination ${name} takes nothing; it is ${Math.round(lagSeconds ?? 0)} s and ${waitingBytes} bytes of the log behind.`,
            lastError?.message,
          ),
          name,
        ),
      )
  if (deadLetters > 0)
    causes.push(
      causeOf(
        'dead_letters',
        `${deadLetters} ${deadLetters === 1 ? 'event' : 'events'} could not be stored and ${deadLetters === 1 ? 'is' : 'are'} kept with the reason in ${dlq}.`,
      ),
    )
  return causes
}
