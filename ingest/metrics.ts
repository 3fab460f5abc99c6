import { Counter, Gauge, Histogram, Registry } from 'prom-client'
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

const seconds = Array.from({ length: 14 }, (_, i) => 0.01 * 2 ** i) // 0.01 doubling to 81.92
const tokens = Array.from({ length: 14 }, (_, i) => 4 ** i) // 1, 4, 16 .. 67,108,864
const call = [
  'gen_ai_operation_name',
  'gen_ai_provider_name',
  'gen_ai_request_model',
  'gen_ai_response_model',
  'error_type',
] as const

/** Every metric of the hub: name, what it tells, labels (traces.md §7). Never a user, session, key or tenant as a label. */
const table = {
  duration: ['gen_ai_client_operation_duration_seconds', 'Time from the request to the last byte of the answer.', call, seconds],
  firstChunk: ['gen_ai_client_operation_time_to_first_chunk_seconds', 'Time to the first content of a stream.', call, seconds],
  tokenUsage: ['gen_ai_client_token_usage', 'Tokens of a call, by type (input, output).', [...call, 'gen_ai_token_type'], tokens],
  requests: [
    'weir_stored_requests_total',
    'Calls whose row is stored; weir_requests_total of the proxy counts them as they end.',
    ['provider', 'model', 'outcome', 'error_kind'],
    null,
  ],
  attempts: ['weir_attempts_total', 'Sends to a target.', ['target', 'error_kind'], null],
  cost: ['weir_cost_usd_total', 'Cost of stored calls, USD; exact sums are in the store.', ['provider', 'model'], null],
  saved: ['weir_cache_saved_usd_total', 'What answers from the cache would have cost, USD.', ['provider', 'model'], null],
  unpriced: ['weir_unpriced_total', 'Calls whose price is not known.', ['provider', 'model'], null],
  ingested: ['weir_ingest_events_total', 'Events read from the log and stored.', [], null],
  retries: ['weir_ingest_retries_total', 'Inserts that failed and were tried again.', [], null],
  batchSeconds: ['weir_ingest_batch_seconds', 'Time from reading a batch to its commit.', [], seconds],
  rollupRepairs: ['weir_rollup_repairs_total', 'Months whose roll-ups differed from the calls and were built anew.', [], null],
  deadLetters: ['weir_dead_letters_total', 'Records set aside with their cause.', ['where'], null],
  exportSent: ['weir_export_sent_total', 'Spans a destination acknowledged.', ['destination'], null],
  exportRejected: ['weir_export_rejected_total', 'Spans rejected in a partial success.', ['destination'], null],
  exportDropped: [
    'weir_export_dropped_total',
    'Spans given up because the destination lagged too far behind.',
    ['destination'],
    null,
  ],
  exportDead: ['weir_export_dead_total', 'Spans a destination refused for good.', ['destination'], null],
} as const satisfies Record<string, readonly [string, string, readonly string[], readonly number[] | null]>

const gauges = {
  lagSeconds: ['weir_ingest_lag_seconds', 'Age of the oldest event that is not stored.', []],
  exportLag: ['weir_export_lag_seconds', 'Age of the oldest call a destination has not got.', ['destination']],
  degraded: ['weir_degraded', '1 while the cause holds.', ['cause']],
} as const satisfies Record<string, readonly [string, string, readonly string[]]>

/** Read when the registry is scraped. */
export interface Readings {
  lagSeconds(): number
  exportLags(): readonly { readonly name: string; readonly lagSeconds: number }[]
  causes(): readonly { readonly cause: string }[]
}

export interface Metrics {
  readonly registry: Registry
  stored(calls: readonly CallFacts[], events: number, batchSeconds: number): void
  retried(): void
  rollupRepaired(): void
  deadLetter(where: string): void
  exported(destination: string, what: 'sent' | 'rejected' | 'dropped' | 'dead', spans: number): void
  /** Called once everything that is measured exists. */
  read(readings: Readings): void
}

/** Keeps the number of series bounded: model names come from callers. */
const atMost = (limit: number): ((name: string) => string) => {
  const known = new Set<string>()
  return (name) => {
    if (known.has(name)) return name
    if (known.size >= limit) return '_other'
    known.add(name)
    return name
  }
}

const knownCauses = ['analytics_unreachable', 'ingest_failing', 'dead_letters'] as const

/** One registry per hub; nothing global. */
export const createMetrics = (): Metrics => {
  const registry = new Registry()
  const registers = [registry]
  const counter = ([name, help, labelNames]: readonly [string, string, readonly string[], unknown]) =>
    new Counter({ name, help, labelNames, registers })
  const histogram = ([name, help, labelNames, buckets]: readonly [string, string, readonly string[], readonly number[] | null]) =>
    new Histogram({ name, help, labelNames, buckets: [...(buckets ?? seconds)], registers })

  const duration = histogram(table.duration)
  const firstChunk = histogram(table.firstChunk)
  const tokenUsage = histogram(table.tokenUsage)
  const requests = counter(table.requests)
  const attempts = counter(table.attempts)
  const cost = counter(table.cost)
  const saved = counter(table.saved)
  const unpriced = counter(table.unpriced)
  const ingested = counter(table.ingested)
  const retries = counter(table.retries)
  const rollupRepairs = counter(table.rollupRepairs)
  const batchTime = histogram(table.batchSeconds)
  const deadLetters = counter(table.deadLetters)
  const exports = {
    sent: counter(table.exportSent),
    rejected: counter(table.exportRejected),
    dropped: counter(table.exportDropped),
    dead: counter(table.exportDead),
  }
  const model = atMost(200)
  const provider = atMost(200)
  const target = atMost(200)

  const one = (facts: CallFacts): void => {
    const name = model(facts.model)
    const labels = {
      gen_ai_operation_name: facts.operation,
      gen_ai_provider_name: provider(facts.provider),
      gen_ai_request_model: model(facts.requestModel),
      gen_ai_response_model: model(facts.responseModel),
      error_type: facts.errorKind,
    }
    if (facts.totalMs !== null) duration.observe(labels, facts.totalMs / 1000)
    if (facts.streaming && facts.firstChunkMs !== null) firstChunk.observe(labels, facts.firstChunkMs / 1000)
    if (facts.inputTokens !== null) tokenUsage.observe({ ...labels, gen_ai_token_type: 'input' }, facts.inputTokens)
    if (facts.outputTokens !== null) tokenUsage.observe({ ...labels, gen_ai_token_type: 'output' }, facts.outputTokens)
    const who = { provider: provider(facts.provider), model: name }
    requests.inc({ ...who, outcome: facts.outcome, error_kind: facts.errorKind })
    if (facts.costUsd !== null && facts.costUsd > 0) cost.inc(who, facts.costUsd)
    if (facts.savedUsd !== null && facts.savedUsd > 0) saved.inc(who, facts.savedUsd)
    if (facts.unpriced) unpriced.inc(who)
    for (const [to, errorKind] of facts.attempts) attempts.inc({ target: target(to), error_kind: errorKind })
  }

  return {
    registry,
    stored(calls, events, batchSeconds) {
      ingested.inc(events)
      batchTime.observe(batchSeconds)
      for (const facts of calls) one(facts)
    },
    retried: () => retries.inc(),
    rollupRepaired: () => rollupRepairs.inc(),
    deadLetter: (where) => deadLetters.inc({ where }),
    exported: (destination, what, spans) => exports[what].inc({ destination }, spans),
    read(readings) {
      const gauge = ([name, help, labelNames]: readonly [string, string, readonly string[]], collect: (gauge: Gauge) => void) =>
        new Gauge({
          name,
          help,
          labelNames,
          registers,
          collect() {
            collect(this)
          },
        })
      gauge(gauges.lagSeconds, (lag) => lag.set(readings.lagSeconds()))
      gauge(gauges.exportLag, (lag) => {
        for (const { name, lagSeconds } of readings.exportLags()) lag.set({ destination: name }, lagSeconds)
      })
      gauge(gauges.degraded, (degraded) => {
        degraded.reset() // a cause with a destination's name would stay for ever
        const holding = new Set(readings.causes().map(({ cause }) => cause))
        for (const cause of new Set([...knownCauses, ...holding])) degraded.set({ cause }, holding.has(cause) ? 1 : 0)
      })
    },
  }
}
