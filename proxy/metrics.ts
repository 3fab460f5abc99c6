import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { CacheFacts, ErrorKind, Outcome } from '../core/exchange.js'
import type { JournalState } from '../journal/port.js'
import type { LimitFault } from './limit-use.js'

interface Ended {
  /** Empty where none was found. */
  readonly provider: string
  readonly model: string
  readonly outcome: Outcome
  readonly errorKind: ErrorKind
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
  unknownPath(): void
  /** A limit was not enforced. */
  unenforced(fault: LimitFault): void
}

const mostNames = 200

/** Callers choose the names of models, and of providers by their address: not all of them become labels. */
const fewNames = (): ((name: string) => string) => {
  const known = new Set<string>()
  return (name) => {
    if (!known.has(name)) {
      if (known.size >= mostNames) return '_other'
      known.add(name)
    }
    return name
  }
}

/** Counts per label set in a plain map; they become prom-client's only when somebody asks. */
class LabelledCount {
  readonly #counts = new Map<string, { labels: Record<string, string>; n: number }>()
  add(key: string, labels: () => Record<string, string>, n = 1): void {
    const found = this.#counts.get(key)
    if (found === undefined) this.#counts.set(key, { labels: labels(), n })
    else found.n += n
  }
  into(counter: Counter): void {
    counter.reset()
    for (const { labels, n } of this.#counts.values()) counter.inc(labels, n)
  }
}

const knownCauses = ['journal_full', 'journal_high', 'store_unreachable', 'saturated'] as const

/** What the proxy tells at /metrics (traces.md §7). Per call it costs one look-up in a map. */
export const proxyMetrics = (
  journal: () => JournalState,
  circuits: () => Iterable<OpenCircuit>,
  causes: () => readonly { readonly cause: string }[],
): ProxyMetrics => {
  const registry = new Registry()
  const modelName = fewNames()
  const providerName = fewNames()
  const requests = new LabelledCount()
  const cached = new LabelledCount()
  const unenforced = new LabelledCount()
  let inFlight = 0
  let unknownPaths = 0
  new Counter({
    name: 'weir_requests_total',
    help: 'Calls that ended, by provider, model, outcome and kind of error.',
    labelNames: ['provider', 'model', 'outcome', 'error_kind'],
    registers: [registry],
    collect() {
      requests.into(this)
    },
  })
  new Counter({
    name: 'weir_cache_requests_total',
    help: 'Calls that asked to read from the cache, by result: hit, miss, bypass.',
    labelNames: ['result'],
    registers: [registry],
    collect() {
      cached.into(this)
    },
  })
  new Counter({
    name: 'weir_unknown_path_total',
    help: 'Requests whose path leads nowhere; they leave no row.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(unknownPaths)
    },
  })
  new Counter({
    name: 'weir_limit_unenforced_total',
    help: 'Calls that a limit was for and was not enforced on: invalid_policy, segment_missing, store_unavailable.',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      unenforced.into(this)
    },
  })
  new Gauge({
    name: 'weir_in_flight',
    help: 'Calls that have come and not ended.',
    registers: [registry],
    collect() {
      this.set(inFlight)
    },
  })
  new Gauge({
    name: 'weir_circuit_state',
    help: 'Circuits of targets that failed of late, over all tenants and keys: open, or half open (one call finds out).',
    labelNames: ['provider', 'model', 'state'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { provider, model, state } of circuits())
        this.inc({ provider: providerName(provider), model: modelName(model), state })
    },
  })
  new Gauge({
    name: 'weir_degraded',
    help: '1 while the cause holds.',
    labelNames: ['cause'],
    registers: [registry],
    collect() {
      const holding = new Set(causes().map(({ cause }) => cause))
      for (const cause of knownCauses) this.set({ cause }, holding.has(cause) ? 1 : 0)
    },
  })
  const overhead = new Histogram({
    name: 'weir_overhead_seconds',
    help: 'Time from the arrival of a call to its sending upstream.',
    buckets: [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05],
    registers: [registry],
  })
  const journalGauge = (name: string, help: string, read: (state: JournalState) => number): void =>
    void new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read(journal()))
      },
    })
  journalGauge('weir_journal_bytes', 'Bytes of the journal on disk.', (state) => state.bytes)
  journalGauge('weir_journal_limit_bytes', 'Bytes the journal may take.', (state) => state.limitBytes)
  journalGauge(
    'weir_journal_dropped',
    'Ends that were not written because the journal was full, since the start.',
    (state) => state.dropped,
  )
  journalGauge('weir_journal_torn_bytes', 'Bytes found behind a torn record.', (state) => state.tornBytes)
  return {
    registry,
    inFlight: () => inFlight,
    opened: () => void inFlight++,
    closed: () => void inFlight--,
    unknownPath: () => void unknownPaths++,
    unenforced: (reason) => unenforced.add(reason, () => ({ reason })),
    ended: ({ provider: at, model: asked, outcome, errorKind, cache, sentUs }) => {
      const provider = providerName(at)
      const model = modelName(asked)
      requests.add(`${provider}|${model}|${outcome}|${errorKind}`, () => ({ provider, model, outcome, error_kind: errorKind }))
      if (cache !== null) cached.add(cache, () => ({ result: cache }))
      if (sentUs !== null) overhead.observe(sentUs / 1e6)
    },
  }
}
