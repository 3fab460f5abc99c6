import type { DestinationState } from './export/outbox.js'

/** Why the hub is degraded, for people (reliability.md §9). `cause` is the word on `/api/health` and in `weir_degraded`. */
export interface Cause {
  readonly cause: string
  /** What it means, with figures. */
  readonly effect: string
  /** What to do. */
  readonly advice: string
}

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
  readonly destinations: readonly DestinationState[]
  readonly deadLetters: number
  /** Where the dead letters lie. */
  readonly dlq: string
  readonly now: () => number
}

const firstLine = (text: string): string => (text.split('\n', 1)[0] ?? '').slice(0, 300)

/** All that holds at the moment; empty when nothing is wrong. */
export const causesOf = ({ log, store, consumer, stuck, destinations, deadLetters, dlq, now }: Readings): Cause[] => {
  const causes: Cause[] = []
  const age = (sinceMs: number): string => `${Math.max(0, Math.round((now() - sinceMs) / 1000))} s`
  if (log !== null)
    causes.push({
      cause: 'kafka_unreachable',
      effect: `Kafka has given no events for ${age(log.sinceMs)}: they wait in it and in the proxies' journals, dashboards do not move. ${firstLine(log.message)}`,
      advice: 'Check KAFKA_BROKERS and kafka in weir.yaml; `weir doctor` looks at both. Reading goes on by itself.',
    })
  if (store !== null)
    causes.push({
      cause: 'analytics_unreachable',
      effect: `The analytics store has taken nothing for ${age(store.sinceMs)}: calls wait in the journal, dashboards do not move. ${firstLine(store.message)}`,
      advice: 'Check the disk and CLICKHOUSE_URL. Nothing is lost while the journal has room.',
    })
  if (consumer !== null)
    causes.push({
      cause: 'ingest_failing',
      effect: `The event log cannot be read, or its positions cannot be written, for ${age(consumer.sinceMs)}. ${firstLine(consumer.message)}`,
      advice: 'Check that WEIR_DATA is writable and has room.',
    })
  if (stuck !== null && log === null && store === null && consumer === null)
    causes.push({
      cause: 'ingest_failing',
      effect: `${stuck.bytes} bytes of the journal wait, and for ${age(stuck.sinceMs)} no event of them could be read: a record in a segment that is still written to is damaged.`,
      advice:
        'Restart Weir: a segment that nobody writes to is read up to the damage, and what lies behind is kept in journal/damaged/.',
    })
  if (deadLetters > 0)
    causes.push({
      cause: 'dead_letters',
      effect: `${deadLetters} ${deadLetters === 1 ? 'event' : 'events'} could not be stored and ${deadLetters === 1 ? 'is' : 'are'} kept with the cause in ${dlq}.`,
      advice: '`weir replay-dlq --dry-run` says why. Once what was wrong is mended, `weir replay-dlq` sends them again.',
    })
  for (const { name, state, lastError, lagSeconds } of destinations)
    if (state === 'failing' || state === 'waiting')
      causes.push({
        cause: `export_failing{${name}}`,
        effect:
          `The trace destination ${name} takes nothing; it is ${Math.round(lagSeconds ?? 0)} s behind. ${firstLine(lastError?.message ?? '')}`.trimEnd(),
        advice:
          state === 'failing'
            ? `Check its endpoint and headers under exports: in weir.yaml.`
            : 'It is tried again by itself. Neither the store nor another destination waits for it.',
      })
  return causes
}
