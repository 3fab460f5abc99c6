import { Registry, type Counter } from 'prom-client'
import { boundedNames, boundedPairs, otherName } from '../core/bounded-names.js'
import { metricMaker } from '../core/metric-maker.js'
import type { Enriched } from './enrich/enriched.js'

/** What the metrics need of a call, kept until its row is stored. */
export interface CallFacts {
  readonly operation: string
  readonly provider: string
  readonly requestModel: string
  readonly responseModel: string
  readonly model: string
  readonly outcome: string
  readonly errorKind: string
  readonly totalMs: number | null
  readonly firstChunkMs: number | null
  readonly streaming: boolean
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  readonly costUsd: number | null
  /** What a hit of the cache did not cost. */
  readonly savedUsd: number | null
  readonly unpriced: boolean
  readonly attempts: readonly (readonly [target: string, errorKind: string])[]
}

export const factsOf = ({ row, exchange }: Enriched): CallFacts => ({
  operation: row.operation,
  provider: row.provider,
  requestModel: row.request_model,
  responseModel: row.response_model,
  model: row.model,
  outcome: row.outcome,
  errorKind: row.error_kind,
  totalMs: row.total_ms,
  firstChunkMs: row.time_to_first_chunk_ms,
  streaming: row.streaming,
  inputTokens: row.input_tokens,
  outputTokens: row.output_tokens,
  costUsd: row.cost_total === null ? null : Number(row.cost_total),
  savedUsd: row.cost_saved === null ? null : Number(row.cost_saved),
  unpriced: row.cost_status === 'unpriced',
  attempts: exchange.attempts.map((attempt) => [attempt.target, attempt.errorKind] as const),
})

/** Read when the registry is scraped. */
export interface Readings {
  lagSeconds(): number
  lagBytes(): number
  deadLetters(): number
  exportLags(): readonly { readonly name: string; readonly lagSeconds: number | null; readonly waitingBytes: number }[]
}

export interface Metrics {
  readonly registry: Registry
  stored(calls: readonly CallFacts[], events: number, batchSeconds: number): void
  retried(): void
  rollupRepaired(): void
  deadLetter(where: 'ingest'): void
  exported(destination: string, what: 'sent' | 'rejected' | 'dropped' | 'dead', spans: number): void
  /** Called once everything that is measured exists. */
  read(readings: Readings): void
}

/** Of all label sets of calls so many keep their models: each is a histogram of 16 series, three times. */
const mostCallSets = 300

type Labels = Readonly<Record<string, string>>

/** What the calls of one batch add to counters, by labels: a counter finds its series once for all of them. */
interface Sums {
  add(counter: Counter, labels: Labels, value: number): void
  tell(): void
}

const createSums = (): Sums => {
  const byCounter = new Map<Counter, Map<string, { readonly labels: Labels; value: number }>>()
  return {
    add(counter, labels, value) {
      let sums = byCounter.get(counter)
      if (sums === undefined) byCounter.set(counter, (sums = new Map()))
      const key = Object.values(labels).join('\n')
      const sum = sums.get(key)
      if (sum === undefined) sums.set(key, { labels, value })
      else sum.value += value
    },
    tell() {
      for (const [counter, sums] of byCounter) for (const { labels, value } of sums.values()) counter.inc(labels, value)
    },
  }
}

/** One registry per pipeline; nothing global. */
export const createMetrics = (): Metrics => {
  const registry = new Registry()
  const make = metricMaker(registry)
  const duration = make.histogram('gen_ai_client_operation_duration_seconds')
  const firstChunk = make.histogram('gen_ai_client_operation_time_to_first_chunk_seconds')
  const tokenUsage = make.histogram('gen_ai_client_token_usage')
  const requests = make.counter('weir_stored_requests_total')
  const attempts = make.counter('weir_attempts_total')
  const cost = make.counter('weir_cost_usd_total')
  const saved = make.counter('weir_cache_saved_usd_total')
  const unpriced = make.counter('weir_unpriced_total')
  const ingested = make.counter('weir_ingest_events_total')
  const retries = make.counter('weir_ingest_retries_total')
  const rollupRepairs = make.counter('weir_rollup_repairs_total')
  const batchTime = make.histogram('weir_ingest_batch_seconds')
  const deadLetters = make.counter('weir_dead_letters_total')
  const exports = {
    sent: make.counter('weir_export_sent_total'),
    rejected: make.counter('weir_export_rejected_total'),
    dropped: make.counter('weir_export_dropped_total'),
    dead: make.counter('weir_export_dead_total'),
  }
  const model = boundedNames(200)
  const provider = boundedNames(50)
  const target = boundedNames(200)
  const pairOf = boundedPairs()
  const callSets = boundedNames(mostCallSets, Infinity)

  const labelsOf = (facts: CallFacts) => {
    const labels = {
      gen_ai_operation_name: facts.operation,
      gen_ai_provider_name: provider(facts.provider),
      gen_ai_request_model: model(facts.requestModel),
      gen_ai_response_model: model(facts.responseModel),
      error_type: facts.errorKind,
    }
    return callSets(Object.values(labels).join('\n')) === otherName
      ? { ...labels, gen_ai_request_model: otherName, gen_ai_response_model: otherName }
      : labels
  }
  const one = (facts: CallFacts, sums: Sums): void => {
    const labels = labelsOf(facts)
    if (facts.totalMs !== null) duration.observe(labels, facts.totalMs / 1000)
    if (facts.streaming && facts.firstChunkMs !== null) firstChunk.observe(labels, facts.firstChunkMs / 1000)
    if (facts.inputTokens !== null) tokenUsage.observe({ ...labels, gen_ai_token_type: 'input' }, facts.inputTokens)
    if (facts.outputTokens !== null) tokenUsage.observe({ ...labels, gen_ai_token_type: 'output' }, facts.outputTokens)
    const who = pairOf(facts.provider, facts.model)
    sums.add(requests, { ...who, outcome: facts.outcome, error_kind: facts.errorKind }, 1)
    if (facts.costUsd !== null && facts.costUsd > 0) sums.add(cost, who, facts.costUsd)
    if (facts.savedUsd !== null && facts.savedUsd > 0) sums.add(saved, who, facts.savedUsd)
    if (facts.unpriced) sums.add(unpriced, who, 1)
    for (const [to, errorKind] of facts.attempts) sums.add(attempts, { target: target(to), error_kind: errorKind }, 1)
  }

  return {
    registry,
    stored(calls, events, batchSeconds) {
      ingested.inc(events)
      batchTime.observe(batchSeconds)
      const sums = createSums()
      for (const facts of calls) one(facts, sums)
      sums.tell()
    },
    retried: () => retries.inc(),
    rollupRepaired: () => rollupRepairs.inc(),
    deadLetter: (where) => deadLetters.inc({ where }),
    exported: (destination, what, spans) => exports[what].inc({ destination }, spans),
    read({ lagSeconds, lagBytes, deadLetters: kept, exportLags }) {
      make.readOne('weir_ingest_lag_seconds', lagSeconds)
      make.readOne('weir_ingest_lag_bytes', lagBytes)
      make.readOne('weir_dead_letters', kept)
      make.read('weir_export_lag_seconds', () =>
        exportLags().map(({ name, lagSeconds: behind }) => ({ labels: { destination: name }, value: behind ?? 0 })),
      )
      make.read('weir_export_lag_bytes', () =>
        exportLags().map(({ name, waitingBytes }) => ({ labels: { destination: name }, value: waitingBytes })),
      )
    },
  }
}
