import { Registry } from 'prom-client'
import { boundedPairs } from '../core/bounded-names.js'
import { degradedMetric } from '../core/degraded.js'
import { errors, type ErrorCode } from '../core/errors.js'
import type { CacheFacts, ErrorKind, Outcome } from '../core/exchange.js'
import type { Cause } from '../core/health-causes.js'
import { metricMaker, type Sample } from '../core/metric-maker.js'
import type { JournalState } from '../journal/port.js'
import type { LimitFault } from './limit-use.js'

interface Ended {
  /** Empty where none was found. */
  readonly provider: string
  readonly model: string
  readonly outcome: Outcome
  readonly errorKind: ErrorKind
  /** Of the error that ended it, ours or the upstream's; empty where none did. */
  readonly errorCode: string
  /** What our cache did; `null` = it was not asked. */
  readonly cache: CacheFacts['status'] | null
  /** Microseconds from arrival to sending; `null` = not sent. */
  readonly sentUs: number | null
}

/** A circuit that is not closed, as far as it may be told of. */
export interface OpenCircuit {
  readonly provider: string
  readonly model: string
  readonly state: 'open' | 'half'
}

export interface ProxyMetrics {
  readonly registry: Registry
  readonly inFlight: () => number
  opened(): void
  closed(): void
  /** An exchange has ended. */
  ended(exchange: Ended): void
  /** A request that never became a call was refused. */
  refusedUnread(code: ErrorCode): void
  /** A limit was not enforced. */
  unenforced(fault: LimitFault): void
}

/** Counts per label set in a plain map; they become prom-client's only when somebody asks. */
class LabelledCount {
  readonly #counts = new Map<string, { readonly labels: Record<string, string>; value: number }>()
  add(key: string, labels: () => Record<string, string>): void {
    const found = this.#counts.get(key)
    if (found === undefined) this.#counts.set(key, { labels: labels(), value: 1 })
    else found.value++
  }
  all(): Iterable<Sample> {
    return this.#counts.values()
  }
}

const relayed: ReadonlySet<Outcome> = new Set(['complete', 'error_event', 'cached'])

/** What is read when somebody asks. */
export interface ProxyReadings {
  readonly journal: () => JournalState
  readonly circuits: () => Iterable<OpenCircuit>
  readonly causes: () => readonly Cause[]
  /** Calls in flight from which new ones are refused. */
  readonly inFlightLimit: () => number
  readonly uploadBytes: () => number
  /** Since the control plane was heard; `null` = it never was. */
  readonly controlAgeMs: () => number | null
  /** Of the memory cache; `null` = answers are in Redis. */
  readonly cacheBytes: () => number | null
  /** Questions to Redis without an answer, by reason; `null` = there is no Redis. */
  readonly redisFailures: (() => Iterable<readonly [reason: string, n: number]>) | null
}

/** What the proxy tells at /metrics (traces.md §7). Per call it costs one look-up in a map. */
export const proxyMetrics = (readings: ProxyReadings): ProxyMetrics => {
  const { journal, circuits, causes, inFlightLimit, uploadBytes, controlAgeMs, cacheBytes, redisFailures } = readings
  const registry = new Registry()
  const make = metricMaker(registry)
  const pairOf = boundedPairs()
  const requests = new LabelledCount()
  const ourErrors = new LabelledCount()
  const cached = new LabelledCount()
  const unenforced = new LabelledCount()
  let inFlight = 0
  let unknownPaths = 0
  make.read('weir_requests_total', () => requests.all())
  make.read('weir_errors_total', () => ourErrors.all())
  make.read('weir_cache_requests_total', () => cached.all())
  make.read('weir_limit_unenforced_total', () => unenforced.all())
  make.readOne('weir_unknown_path_total', () => unknownPaths)
  make.readOne('weir_in_flight', () => inFlight)
  make.readOne('weir_in_flight_limit', inFlightLimit)
  make.readOne('weir_upload_memory_bytes', uploadBytes)
  make.read('weir_control_age_seconds', () => {
    const age = controlAgeMs()
    return age === null ? [] : [{ value: age / 1000 }]
  })
  if (cacheBytes() !== null) make.readOne('weir_cache_bytes', () => cacheBytes() ?? 0)
  if (redisFailures !== null)
    make.read('weir_redis_failures_total', () =>
      Array.from(redisFailures(), ([reason, value]) => ({ labels: { reason }, value })),
    )
  make.read('weir_circuit_state', () => {
    const counts = new LabelledCount()
    for (const { provider, model, state } of circuits()) {
      const pair = pairOf(provider, model)
      counts.add(`${pair.provider}|${pair.model}|${state}`, () => ({ ...pair, state }))
    }
    return counts.all()
  })
  degradedMetric(make, () => ({ tellers: ['proxy'], causes: causes() }))
  const overhead = make.histogram('weir_overhead_seconds')
  make.readOne('weir_journal_bytes', () => journal().bytes)
  make.readOne('weir_journal_limit_bytes', () => journal().limitBytes)
  make.readOne('weir_journal_dropped_total', () => journal().dropped)
  make.readOne('weir_journal_torn_bytes_total', () => journal().tornBytes)
  const refused = (code: string): void => ourErrors.add(code, () => ({ code }))
  return {
    registry,
    inFlight: () => inFlight,
    opened: () => void inFlight++,
    closed: () => void inFlight--,
    refusedUnread: refused,
    unenforced: (reason) => unenforced.add(reason, () => ({ reason })),
    ended: ({ provider: at, model: asked, outcome, errorKind, errorCode, cache, sentUs }) => {
      if (errorCode === 'unknown_path') return void unknownPaths++
      const { provider, model } = pairOf(at, asked)
      requests.add(`${provider}|${model}|${outcome}|${errorKind}`, () => ({ provider, model, outcome, error_kind: errorKind }))
      // Of an answer that was relayed the code is the upstream's: it may be anything.
      if (!relayed.has(outcome) && Object.hasOwn(errors, errorCode)) refused(errorCode)
      if (cache !== null) cached.add(cache, () => ({ result: cache }))
      if (sentUs !== null) overhead.observe(sentUs / 1e6)
    },
  }
}
