import type { Registry } from 'prom-client'
import { join } from 'node:path'
import type { Config } from '../core/config.js'
import type { Db } from '../clickhouse/db.js'
import type { Cause } from '../core/health-causes.js'
import type { PriceBook } from '../core/prices/book.js'
import { byTenant } from './by-tenant.js'
import { consume, storeBounds, type Enrich, type EventLog } from './consume.js'
import { openDeadLetters, type DeadLetters } from './dead-letters.js'
import { enrich as enrichWith } from './enrich/enrich.js'
import { nothingKnown, type Charged } from './enrich/known.js'
import { trustsCostBy, type TrustsCost } from './enrich/trusts-cost.js'
import { createExporter } from './export/exporter.js'
import { consumerOf, openOutbox, type DestinationState, type Verdicts } from './export/outbox.js'
import { resources } from './export/resources.js'
import { causesOf } from './health.js'
import { createMetrics } from './metrics.js'
import { finishReprice, whileNoneReprices } from './reprice/reprice.js'
import { pause } from './pause.js'
import { createPrepare } from './prepare.js'
import { pricesInForce } from './prices/in-force.js'
import { storedVerdicts } from './store/charged.js'
import { ingestPauses } from './store/pauses.js'
import { rollupCheck } from './store/rollup-check.js'
import { createStore } from './store/store.js'
import { createTokenCounter } from './tokens/counter.js'

/** The part of a logger that is used here; pino's fits. */
export interface Log {
  warn(fields: object, message: string): void
  info(fields: object, message: string): void
}

interface Options {
  readonly config: Config
  /** What a consumer reads. Stays the caller's: closed by it, after `stop()`. */
  readonly sourceOf: (consumer: string) => EventLog
  /** Takes what the store will never take. Default: a folder of WEIR_DATA. */
  readonly deadLetters?: DeadLetters
  /** Stays the caller's, too. */
  readonly db: Db
  readonly now: () => number
  readonly log: Log
  /** Told after each batch: that many more rows are visible. */
  readonly onStored?: (rows: number) => void
  /** When roll-ups are compared with the calls. Default: after 5 min, then each hour. */
  readonly checks?: typeof rollupChecks
  /** Of Weir, for the spans' resource. */
  readonly version?: string
}

export interface IngestHealth {
  readonly causes: readonly Cause[]
  /** `events`: stored since the start. `deadLetters`: in the folder. */
  readonly ingest: {
    readonly lagSeconds: number
    readonly lagBytes: number
    readonly events: number
    readonly deadLetters: number
  }
}

export interface Ingest {
  /** Takes in and sends what is left, for at most 10 s. What remains is taken up by the next start. */
  stop(): Promise<void>
  health(): IngestHealth
  /** One registry, for `GET /metrics` of the hub. */
  readonly metrics: Registry
  /**
   * Runs work while nothing is stored, no roll-up is rebuilt and no call priced anew; what was begun is stored and committed before.
   *
   * @throws FolderOwnedError while a re-pricing writes; Error when ingest ends before its turn.
   */
  whilePaused<T>(work: () => Promise<T>): Promise<T>
  destinations(): readonly DestinationState[]
  /** The prices in force. */
  book(): PriceBook
  /** By the configuration in force. */
  trustsCost: TrustsCost
  /**
   * Prices calls by another configuration from now on; what is stored stays as it was booked.
   *
   * @throws Error in a sentence for the operator. Nothing has changed then.
   */
  usePrices(config: Pick<Config, 'prices' | 'providers'>): void
}

/** The consumer under which the store's position is kept. */
export const storeConsumer = 'ingest'

/** The consumers a log has to keep records for: the store and each destination. One that is not named holds nothing back. */
export const consumersOf = (config: Pick<Config, 'exports'>): string[] => [storeConsumer, ...config.exports.map(consumerOf)]

const drainMs = 10_000
/** When roll-ups are compared with the calls: some time after a start, and then each hour. */
const rollupChecks = { firstMs: 5 * 60_000, everyMs: 3_600_000 }
/** Longer than an insert takes from its look at the pauses to its first block. */
const settleMs = 5000
const exportDeadLetterBytes = 64 * 1024 * 1024

/** Longer than any pause of a batch. */
const stuckMs = 30_000

/** Starts the analytics pipeline: events of the log into the store, and out to each trace destination. */
export const startIngest = async (options: Options): Promise<Ingest> => {
  const { config, sourceOf, db, now, log, onStored = () => undefined, checks = rollupChecks, version } = options
  const random = Math.random
  const source = sourceOf(storeConsumer)
  let trustsCost = trustsCostBy(config)
  const enrich: Enrich = (exchange, position, known = nothingKnown) =>
    enrichWith(exchange, position, { book: prices.book, known, trustsCost })
  const metrics = createMetrics()
  const dlq = join(config.dataDir, 'dlq')
  const deadLetters = options.deadLetters ?? (await openDeadLetters({ dir: dlq, limitBytes: null, now }))
  const onFault = (message: string, cause: unknown): void => log.warn({ err: cause }, message)
  const prices = pricesInForce({ overrides: config.prices, db, random, onFault })
  let events = 0
  const counter = createTokenCounter({ now, onFault })
  const prepare = createPrepare(counter)
  const verdicts: Verdicts = async (partition, readings) => {
    const { committed } = await source.progress(partition, storeConsumer)
    const stored = readings.filter(({ at }) => at < committed)
    if (stored.length === 0) return new Map()
    const found = new Map<number, Charged | null>()
    for (const [tenant, own] of byTenant(stored, ({ exchange }) => exchange.tenant)) {
      const exchanges = own.map(({ exchange }) => exchange)
      const byId = await storedVerdicts(db, tenant, exchanges)
      for (const { at, exchange } of own) found.set(at, byId.get(exchange.id) ?? null)
    }
    return found
  }
  // What a re-pricing that was killed had begun: half of it may be in the sums already.
  if (await finishReprice(db, config.dataDir)) log.info({}, 'Finished what an interrupted re-pricing had begun to write.')

  // The embedded engine belongs to this process alone; on a server others insert, too.
  const pauses = config.clickhouseUrl === null ? null : ingestPauses({ db, settleMs })
  const store = createStore({
    db,
    now,
    random,
    ...(pauses === null ? {} : { paused: pauses.asked }),
    onRetry(cause, tries) {
      metrics.retried()
      if (tries === 1) log.warn({ err: cause }, 'The analytics store does not take a batch; trying again until it does.')
    },
  })
  const consumer = consume({
    source,
    consumer: storeConsumer,
    store,
    enrich,
    prepare,
    deadLetters,
    metrics,
    bounds: storeBounds,
    now,
    random,
    onStored(rows, hours) {
      events += rows
      rollups.note(hours)
      onStored(rows)
    },
    onFault,
  })
  const rollups = rollupCheck({
    db,
    now,
    retentionDays: () => config.retention.rows,
    alone: (work) =>
      consumer.whilePaused((signal) =>
        whileNoneReprices(db, config.dataDir, async () => {
          const stoppable = (renew: () => Promise<void>) => work(() => (signal.throwIfAborted(), renew()))
          return pauses === null ? await stoppable(() => Promise.resolve()) : await pauses.hold(stoppable)
        }),
      ),
    onRebuilt(month) {
      metrics.rollupRepaired()
      log.warn({ month }, 'The roll-ups of a month differed from its calls and were built anew.')
    },
  })
  const resourceOf = resources({ serviceName: config.serviceName, version: version ?? null })
  const outboxes = await Promise.all(
    config.exports.map(async (destination) => {
      const letters = await openDeadLetters({ dir: join(dlq, consumerOf(destination)), limitBytes: exportDeadLetterBytes, now })
      const exporter = createExporter(destination)
      return openOutbox({
        destination,
        source: sourceOf(consumerOf(destination)),
        enrich,
        prepare,
        verdicts,
        exporter,
        deadLetters: letters,
        metrics,
        resourceOf,
        now,
        random,
        onFault,
      })
    }),
  )

  let lagBytes = 0
  /** When bytes were first seen to wait while nothing was read; `null` = all is read, or reading goes on. */
  let waitingSince: number | null = null
  let eventsThen = 0
  const halt = new AbortController()
  const measure = async (): Promise<void> => {
    for (let second = 0; !halt.signal.aborted; second++) {
      lagBytes = await source.lagBytes(storeConsumer).catch(() => lagBytes)
      if (lagBytes === 0 || events !== eventsThen) waitingSince = null
      else waitingSince ??= now()
      eventsThen = events
      if (second % 5 === 0) await deadLetters.recount().catch(() => undefined)
      await pause(1000, halt.signal)
    }
  }
  const measuring = measure()
  const compare = async (): Promise<void> => {
    for (let waitMs = checks.firstMs; ; waitMs = checks.everyMs) {
      await pause(waitMs, halt.signal)
      if (halt.signal.aborted) return
      try {
        await rollups.check(halt.signal)
      } catch (cause) {
        if (!halt.signal.aborted) onFault('Comparing the roll-ups with the calls failed; trying again in an hour.', cause)
      }
    }
  }
  const comparing = compare()
  const destinations = (): DestinationState[] => outboxes.map((outbox) => outbox.state())
  const causes = (): Cause[] =>
    causesOf({
      log: source.trouble ?? null,
      store: store.trouble,
      consumer: consumer.trouble,
      stuck: waitingSince !== null && now() - waitingSince > stuckMs ? { bytes: lagBytes, sinceMs: waitingSince } : null,
      lag: { bytes: lagBytes, seconds: consumer.lagSeconds() },
      destinations: destinations(),
      deadLetters: deadLetters.count(),
      dlq: deadLetters.place,
      now,
    })
  metrics.read({
    lagSeconds: () => consumer.lagSeconds(),
    lagBytes: () => lagBytes,
    deadLetters: () => deadLetters.count(),
    exportLags: destinations,
  })

  return {
    async stop() {
      halt.abort()
      await Promise.all([consumer.stop(drainMs), ...outboxes.map((outbox) => outbox.stop(drainMs))])
      await counter.close()
      await prices.stop()
      await Promise.all([measuring, comparing])
    },
    health: () => ({
      causes: causes(),
      ingest: { lagSeconds: consumer.lagSeconds(), lagBytes, events, deadLetters: deadLetters.count() },
    }),
    whilePaused: (work) => consumer.whilePaused(() => whileNoneReprices(db, config.dataDir, work)),
    metrics: metrics.registry,
    destinations,
    book: () => prices.book,
    trustsCost: (provider) => trustsCost(provider),
    usePrices(changed) {
      trustsCost = trustsCostBy(changed)
      prices.use(changed.prices)
    },
  }
}
