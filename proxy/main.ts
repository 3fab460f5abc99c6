import { createSecretKey } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Registry } from 'prom-client'
import { isLoopback, type Config } from '../core/config.js'
import { WeirError } from '../core/errors.js'
import { uuidv7 } from '../core/ids.js'
import { providersFrom } from '../core/providers/registry.js'
import { weirKeyring } from '../core/weir-keys.js'
import type { ShippingState } from '../journal/kafka/shipper-thread.js'
import type { JournalWriter } from '../journal/port.js'
import { adminApp } from './admin.js'
import { admitBy } from './admit/admit.js'
import { keyPlaces } from './admit/key-places.js'
import { isAllowedHost } from './allowed-host.js'
import type { ControlLine } from './internal/control-line.js'
import { proxyChannel } from './internal/proxy-channel.js'
import { proxyFactsOf } from './internal/proxy-facts.js'
import { watchDeadlines } from './deadlines.js'
import { pricingOnDemand } from './deliver/cost-in-answer.js'
import { Drains } from './drains.js'
import { echoBy, echoedIn } from './echo/echo.js'
import { callerBy } from './identify/caller.js'
import { addressesBy } from './identify/addresses.js'
import { identifyBy } from './identify/identify.js'
import { fingerprinter } from './identify/fingerprint.js'
import { openHttpServer } from './http-server.js'
import { limitMetrics } from './limits/limit-metrics.js'
import { journalForecast } from './journal-forecast.js'
import { proxyMetrics } from './metrics.js'
import { listModelsBy } from './models/list-models.js'
import { estimateOnDemand } from './obtain/failover/estimate-on-demand.js'
import { Latencies } from './obtain/failover/latencies.js'
import { openCircuits } from './obtain/failover/open-circuits.js'
import { guardBy } from './obtain/guard/guard.js'
import { thisNetwork, type Network } from './obtain/guard/network.js'
import { obtainBy } from './obtain/obtain.js'
import { openPools } from './obtain/pools.js'
import { chargesOnDemand } from './obtain/limits/charges-on-demand.js'
import { limitsBy } from './obtain/limits/limits.js'
import { CallRecord } from './record.js'
import type { BreakerStore } from './state/breaker-store.js'
import { openBreaker } from './state/open-breaker.js'
import type { CacheStore } from './state/cache-store.js'
import { openCacheStore } from './state/open-cache.js'
import type { LimitStore } from './state/limit-store.js'
import { openLimitStore } from './state/open-limits.js'
import { openRedis } from './state/open-redis.js'
import { openSharedSecret } from './state/shared-secret.js'
import { memoryCeilingBytes, watchOverload, type Pressure } from './overload.js'
import { proxyCauses, type ProxyState } from './proxy-causes.js'
import { refusalBytes, refusalHeaders, writeRefusal } from './refuse.js'
import { relayBy } from './relay/relay.js'
import { upgradeBy } from './relay/upgrade.js'
import { serveBy, type House } from './serve.js'
import { shippingMetrics } from './shipping-metrics.js'

export interface ProxyDeps {
  readonly config: Config
  readonly journal: JournalWriter
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  /** Remembers which targets fail. Default: as configured. */
  readonly breaker?: BreakerStore
  /** From 0 to 1, for what is left to chance: waits, draws. */
  readonly random?: () => number
  readonly log: { error(fields: object, message: string): void; warn(fields: object, message: string): void }
  /** How far the journal is shipped to Kafka; without, it is not. */
  readonly shipping?: () => ShippingState
  /** What the process tells of itself at /metrics, beside its calls. */
  readonly processMetrics?: Registry
  /** How hard the process is pressed. Default: as it is; only tests know better. */
  readonly pressure?: () => Pressure
  /** What the control plane says. Without, `config` alone holds, and nobody can ask or tell anything on `/internal`. */
  readonly control?: ControlLine
  /** Where the levels of limits are. Default: as configured. Closed with the proxy. */
  readonly limitStore?: LimitStore
  /** Where answers are kept. Default: as configured. Closed with the proxy. */
  readonly cacheStore?: CacheStore
  /** How names are resolved, and which addresses are public. Default: as it is; only tests know better. */
  readonly network?: Network
}

export interface Proxy {
  /** The port that is listened on. */
  readonly port: number
  /** Stops taking calls; resolves when the last one has ended or `drain.timeout` is over. The journal stays open. */
  drain(): Promise<void>
  /** Ends every call that is still open, as `draining`, and waits at most a second for their records. */
  stop(): Promise<void>
  /** Takes providers, models, timeouts and recording rules from a new configuration. Ports and folders stay. */
  reload(config: Config): void
}

const cacheCloseMs = 2000
/** Of the descriptors: journal, stores, files of long bodies; and half of them for connections that are told there is no room. */
const descriptorsBeside = 1000

/** The wiring of the data plane, top to bottom; `listen` is the last step. */
export const startProxy = async ({
  config: first,
  journal,
  now = Date.now,
  random = Math.random,
  log,
  shipping,
  processMetrics,
  pressure,
  control,
  limitStore,
  cacheStore,
  breaker,
  network = thisNetwork,
}: ProxyDeps): Promise<Proxy> => {
  let config = first
  /** Balancers are told to look elsewhere. */
  let draining = false
  /** And `drain.delay` is over: no new call is taken. */
  let refusing = false
  const monotonic = (): number => performance.now()
  const [redis, sharedSecret] = await Promise.all([openRedis({ config: first, log }), openSharedSecret({ config: first, log })])
  const circuits = breaker ?? openBreaker(redis, monotonic)
  const deadlines = watchDeadlines(monotonic)
  const { secret } = sharedSecret
  const fingerprint = fingerprinter(secret)
  const cacheSecret = createSecretKey(secret)
  const store = cacheStore ?? (await openCacheStore({ config: first, redis, now }))
  const levels = limitStore ?? openLimitStore({ config: first, redis, now, log })
  const collected = { held: 0, limitBytes: first.cache.memory }
  const drains = new Drains()
  const places = keyPlaces()
  const ownPorts = new Set<number>()
  const latencies = new Latencies(monotonic)
  const pool = { held: 0 }
  const copies = { held: 0, limitBytes: first.bodies.memory, cut: 0 }
  const descriptors = descriptorLimit()
  const mostInFlight = Math.max(64, Math.floor((descriptors - descriptorsBeside) / 2))
  const overload = watchOverload({
    limits: () => ({ loopDelayMs: config.ceilings.loopDelay, memoryBytes: memoryCeilingBytes(config.ceilings.memory) }),
    now: monotonic,
    ...(pressure === undefined ? {} : { pressure }),
  })
  const inFlightLimit = (): number => config.ceilings.inFlight ?? mostInFlight
  /** Why no more than these calls may be under way; `null` = they may. */
  const saturatedBy = (calls: number): string | null => {
    const ceiling = inFlightLimit()
    if (calls <= ceiling) return overload.reason()
    const key =
      config.ceilings.inFlight === null ? 'half of the open files that ulimit -n allows' : 'ceilings.inFlight in weir.yaml'
    return `${metrics.inFlight()} calls are in flight; the ceiling is ${ceiling} (${key}).`
  }

  const forecast = journalForecast(() => journal.state, now)
  const state: ProxyState = {
    journal,
    journalLeft: forecast.secondsLeft,
    shipping: shipping ?? null,
    dlqDir: join(first.dataDir, 'dlq'),
    // Of the call that would come next: nobody waits for a refusal to be told that there is no room.
    saturated: () => saturatedBy(metrics.inFlight() + 1),
    storeAway: () => redis?.away() ?? null,
    controlStale: () => control?.stale() ?? null,
    draining: () => draining,
  }
  const metrics = proxyMetrics({
    journal: () => journal.state,
    circuits: () => openCircuits(circuits),
    causes: () => proxyCauses(state),
    inFlightLimit,
    uploadBytes: () => pool.held,
    controlAgeMs: () => control?.facts().ageMs ?? null,
    cacheBytes: store.bytes,
    redisFailures: redis?.failures ?? null,
  })
  limitMetrics(metrics.registry, { copies, droppedConnections: () => server.droppedConnections() })
  if (shipping !== undefined) shippingMetrics(metrics.registry, shipping)

  const furnish = (of: Config): { house: House; close: () => void } => {
    const providers = providersFrom(of)
    const pricesFailed = (cause: unknown): void => log.error({ err: cause }, 'The prices cannot be opened.')
    const pricing = pricingOnDemand(of.prices, pricesFailed)
    const delivery = { deadlines, slowReaderMs: of.timeouts.slowReader, pricing, drains }
    const guard = guardBy({ config: of, providers, network, ownPorts })
    const addresses = addressesBy({ config: of, providers, guard })
    const keys = weirKeyring(of, now)
    const relay = relayBy({ config: of, deadlines, delivery, guard })
    const pools = openPools({ connectMs: of.timeouts.connect, headerBytes: of.ceilings.upstreamHeaders, guard })
    const bodies = {
      limitBytes: of.ceilings.body,
      memoryBytes: of.ceilings.bodyMemory,
      pool,
      poolBytes: of.ceilings.bodiesMemory,
      spillDir: join(first.dataDir, 'state', 'spill'),
      idleMs: of.timeouts.uploadIdle,
      deadlines,
    }
    const limits = limitsBy({
      config: of,
      store: levels,
      charges: chargesOnDemand(of.prices),
      unenforced: metrics.unenforced,
    })
    const recording = { journal, config: of, metrics, copies, now, monotonic }
    const house: House = {
      open: () => {
        metrics.opened()
        return new CallRecord(uuidv7(now()), recording)
      },
      doorkeeper: () => {
        if (refusing) throw new WeirError('draining', 'This proxy is about to stop; another attempt will meet its successor.')
        const stale = config.control.maxAge === null ? null : state.controlStale()
        if (stale?.refuses === true) throw new WeirError('control_stale', stale.effect)
        const busy = saturatedBy(metrics.inFlight())
        if (busy !== null) throw new WeirError('saturated', busy)
      },
      takePlace: (record, call) => {
        record.place = places.take(call, of.ceilings.inFlightPerKey)
      },
      identify: identifyBy({ config: of, providers, keys, caller: callerBy({ config: of, keys, fingerprint }), addresses }),
      admit: admitBy({ config: of, providers, bodies, addresses }),
      obtain: obtainBy({
        config: of,
        pools,
        deadlines,
        timeouts: of.timeouts,
        now,
        random,
        breaker: circuits,
        drains,
        latencies,
        fingerprint,
        estimate: estimateOnDemand(of.prices, pricesFailed),
        cache: { config: of, store, secret: cacheSecret, collected, pricing, now, monotonic },
        limits,
      }),
      limitRelayed: limits.relayed,
      relay: relay.web,
      models: listModelsBy({ config: of, providers, pools }),
      delivery,
      closed: (record) => {
        metrics.closed()
        record.place?.leave()
        record.place = null
      },
      failed: (cause) => log.error({ err: cause }, 'A call failed inside Weir.'),
    }
    // Nothing of it is kept.
    const unrecorded = { ...recording, config: { ...of, bodies: { ...of.bodies, store: false } } }
    echo = echoBy({ config: of, house, record: () => new CallRecord(uuidv7(now()), unrecorded) })
    const upgrade = upgradeBy({ house, relay, config: of, now })
    serve = serveBy(house)
    serveUpgrade = upgrade
    return {
      house,
      close: () => {
        relay.close()
        void pools.close()
      },
    }
  }
  let serve: ReturnType<typeof serveBy>
  let echo: ReturnType<typeof echoBy>
  let serveUpgrade: ReturnType<typeof upgradeBy>
  let furnished = furnish(first)

  const channel =
    control === undefined
      ? null
      : proxyChannel({
          tokens: [first.channelToken, first.adminSecret],
          control,
          facts: () =>
            proxyFactsOf({ ...state, config, control, port, inFlight: metrics.inFlight(), circuits: openCircuits(circuits) }),
          purge: (tenant) => store.purge(tenant),
          log,
        })
  const admin = adminApp({ ...state, config: () => config, metrics, processMetrics: processMetrics ?? null })
  const door = (req: IncomingMessage, res: ServerResponse): void => {
    const url = req.url ?? '/'
    if (isLoopback(config.host) && !isAllowedHost(req.headers.host, config)) {
      const error = new WeirError(
        'policy_denied',
        `This Weir does not answer for the host name "${(req.headers.host ?? '').slice(0, 100)}". Add it to allowedHosts in weir.yaml.`,
      )
      metrics.refusedUnread(error.code)
      return writeRefusal(res, 403, refusalHeaders('openai-chat', error), refusalBytes('openai-chat', error, ''))
    }
    if (ownPath(url)) return void admin(req, res)
    if (channel?.(req, res) === true) return
    const echoed = echoedIn(url)
    if (echoed !== null) {
      metrics.opened()
      return void echo(req, res, echoed).finally(metrics.closed)
    }
    void serve(req, res)
  }
  const server = await openHttpServer({
    config: () => config,
    descriptors,
    door,
    upgrade: (req, socket, head) => {
      if (isLoopback(config.host) && !isAllowedHost(req.headers.host, config)) return void socket.destroy()
      serveUpgrade(req, socket, head)
    },
    refusedUnread: metrics.refusedUnread,
  })
  const { port } = server
  ownPorts.add(port)

  /** Cache and levels are on disk, or as much of them as a short while allows. */
  const kept = (): Promise<unknown> =>
    Promise.race([
      Promise.all([store.close(), levels.close(), sharedSecret.close(), redis?.close()]),
      new Promise((resolve) => setTimeout(resolve, cacheCloseMs).unref()),
    ])

  /** The records of the last calls are in the journal, or a second is over. */
  const landed = async (): Promise<void> => {
    for (let i = 0; i < 100 && metrics.inFlight() > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const giveUpAll = (): void => {
    const cause = new WeirError('draining', 'This proxy had to stop before the answer was complete.')
    for (const watched of deadlines.all()) watched.giveUp?.(cause)
  }
  const stop = async (): Promise<void> => {
    draining = refusing = true
    giveUpAll()
    await landed()
    await kept()
  }
  const drain = async (): Promise<void> => {
    draining = true
    if (config.drain.delay > 0) await new Promise((resolve) => setTimeout(resolve, config.drain.delay))
    refusing = true
    await server.drain({ isIdle: () => metrics.inFlight() === 0, giveUp: giveUpAll, timeoutMs: config.drain.timeout })
    await landed()
    await kept()
    furnished.close()
    deadlines.close()
    forecast.close()
    overload.close()
  }
  return {
    port,
    drain,
    stop,
    reload: (next) => {
      const before = furnished
      furnished = furnish(next)
      config = next
      server.bound(next)
      copies.limitBytes = next.bodies.memory
      // Calls under way keep the pools they were given; idle ones go by their own time-outs.
      setTimeout(before.close, next.timeouts.total).unref()
      log.warn({}, 'The configuration was read anew.')
    },
  }
}

/** Paths that are answered by Weir itself and leave no row. */
const ownPath = (url: string): boolean =>
  (url.startsWith('/healthz') || url.startsWith('/healthcheck') || url.startsWith('/readyz') || url.startsWith('/metrics')) &&
  /^\/(?:healthz|healthcheck|readyz|metrics)(?:\?|$)/.test(url)

/** How many files and sockets this process may open. */
const descriptorLimit = (): number => {
  const report = process.report.getReport() as unknown as { userLimits?: { open_files?: { soft?: number | string } } }
  const soft = Number(report.userLimits?.open_files?.soft ?? 65_536)
  return Number.isFinite(soft) ? soft : 65_536
}
