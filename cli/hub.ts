import { openDb } from '../clickhouse/open.js'
import { createSqlFront } from '../clickhouse/front/server.js'
import { accessOf } from '../core/access.js'
import type { Config } from '../core/config.js'
import { processMetrics } from '../core/process-metrics.js'
import type { HubFacts } from '../web/api/house.js'
import { createWebServer } from '../web/api/server.js'
import type { Command } from './command.js'
import { openControl } from './control.js'
import { backupJobs } from './backup/backup-jobs.js'
import { openProxies } from './channel/proxies.js'
import { demoCall } from './demo/demo-call.js'
import { listen, urlOf } from './listen.js'
import type { Log } from './log.js'
import { openReplaceable } from './pipeline.js'
import { pricesDateOf } from './prices-date.js'
import { watchConfig } from './reload.js'
import type { RunningRole } from './role.js'
import { repriceJobs } from './reprice-jobs.js'
import { runRole } from './role.js'
import { shut } from './shut.js'
import { version } from './version.js'

interface Wiring {
  /** Of this machine; empty = one, where the configuration says. */
  readonly proxyUrls: readonly string[]
  readonly demo: boolean
}

/** Ingest, web and SQL in one process: the only owner of the embedded stores. */
const startHub =
  (wiring: Wiring) =>
  async (config: Config, log: Log, ending: AbortSignal): Promise<RunningRole> => {
    const own = processMetrics({ role: 'hub', version: version() })
    const [proxyUrl = urlOf(config.host, config.proxyPort)] = wiring.proxyUrls
    const listeners = new Set<() => void>()
    const control = openControl(config, log)
    const db = await openDb(config, { onWait: (sentence) => log.warn(sentence), signal: ending })
    const pipeline = await openReplaceable({ config, db, log, onStored: () => listeners.forEach((listener) => listener()) })
    const local = wiring.proxyUrls.length === 0 ? [proxyUrl] : wiring.proxyUrls
    const proxies = openProxies({ config, local, now: Date.now, log })

    const health = async (): Promise<HubFacts> => {
      const { causes, ingest } = pipeline.current().ingest.health()
      const told = await proxies.facts()
      return {
        causes: [...told.causes, ...causes],
        ingest,
        journal: told.journal === null ? null : { ...told.journal, lagBytes: ingest.lagBytes },
        proxies: told.proxies,
        pricesDate: pricesDateOf(pipeline.current().ingest.book()),
      }
    }

    const inForce = {
      book: () => pipeline.current().ingest.book(),
      trustsCost: (provider: string) => pipeline.current().ingest.trustsCost(provider),
    }
    const { host, allowedHosts } = config
    let access = accessOf(config, Date.now)
    // With a server of its own the store has its own front door.
    const front = config.clickhouseUrl === null ? createSqlFront({ db, access: () => access, allowedHosts }) : null
    const sqlPort = front === null ? null : await listen(front, { port: config.sqlPort, host, variable: 'WEIR_SQL_PORT' })
    const web = createWebServer({
      config,
      access: () => access,
      db,
      control,
      health,
      destinations: () => pipeline.current().ingest.destinations(),
      stored: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      now: Date.now,
      log,
      version: version(),
      env: process.env,
      get metrics() {
        return [own, pipeline.current().ingest.metrics]
      },
      purge: proxies.purge,
      reprice: repriceJobs({ db, dataDir: config.dataDir, ...inForce, log }),
      backup:
        config.clickhouseUrl === null
          ? backupJobs({
              db,
              control,
              dataDir: config.dataDir,
              whilePaused: (work) => pipeline.current().ingest.whilePaused(work),
              version: version(),
              log,
            })
          : null,
      demoCall: wiring.demo ? () => demoCall(proxyUrl) : null,
      proxyUrl,
      sqlUrl: sqlPort === null ? null : urlOf(host, sqlPort),
    })
    const webPort = await listen(web, { port: config.webPort, host, variable: 'WEIR_WEB_PORT' })
    const unwatch = watchConfig({
      config,
      live: new Set(['exports', 'prices', 'providers', 'auth', 'keys', 'limits', 'targets']),
      fixed: new Set(['allowedHosts']),
      apply: async (next) => {
        // First of all: whoever is locked out does not wait for a pipeline to read out.
        access = accessOf(next, Date.now)
        proxies.changed(next)
        await pipeline.replace(next)
      },
      log,
    })

    return {
      ports: { web: webPort, ...(sqlPort === null ? {} : { sql: sqlPort }) },
      drain: () => {
        unwatch()
        return pipeline.current().stop()
      },
      async stop() {
        unwatch()
        proxies.stop()
        await Promise.all([shut(web), front === null ? undefined : shut(front)])
        await control.close()
        await db.close()
      },
    }
  }

export const command: Command = {
  summary: 'ingest and web in one process',
  about: 'Started by `weir start`, which tells it where the proxies are.',
  flags: {
    'proxy-url': { type: 'string', value: 'urls', help: 'where proxies of this machine answer, with commas between' },
    demo: { type: 'boolean', help: 'the fake provider runs: offer the demo call' },
  },
  run: (values) => {
    const proxyUrls = typeof values['proxy-url'] === 'string' ? values['proxy-url'].split(',') : []
    return runRole({ name: 'hub', start: startHub({ proxyUrls, demo: values.demo === true }) })
  },
}
