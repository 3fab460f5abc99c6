import { openDb } from '../clickhouse/open.js'
import { accessOf } from '../core/access.js'
import type { Config } from '../core/config.js'
import { processMetrics } from '../core/process-metrics.js'
import { createWebServer } from '../web/api/server.js'
import type { Command } from './command.js'
import { distantIngest } from './channel/distant-ingest.js'
import { openProxies } from './channel/proxies.js'
import { openControl } from './control.js'
import { listen, urlOf } from './listen.js'
import type { Log } from './log.js'
import { watchConfig } from './reload.js'
import type { RunningRole } from './role.js'
import { runRole } from './role.js'
import { shut } from './shut.js'
import { version } from './version.js'

const start = async (config: Config, log: Log, ending: AbortSignal): Promise<RunningRole> => {
  const proxyUrl = urlOf(config.host, config.proxyPort)
  const control = openControl(config, log)
  const db = await openDb(config, { schema: 'await', onWait: (sentence) => log.warn(sentence), signal: ending })
  let access = accessOf(config, Date.now)
  const local = config.proxiesUrls.length === 0 ? [proxyUrl] : []
  const proxies = openProxies({ config, local, now: Date.now, log })
  const ingest = config.ingestUrl === null ? null : distantIngest({ url: config.ingestUrl, token: config.adminSecret })
  const web = createWebServer({
    config,
    access: () => access,
    db,
    control,
    health: async () => {
      const [told, ingested] = await Promise.all([proxies.facts(), ingest?.health() ?? null])
      return {
        causes: [...told.causes, ...(ingested?.causes ?? [])],
        ingest: ingested?.ingest ?? null,
        journal: told.journal === null ? null : { ...told.journal, lagBytes: ingested?.ingest?.lagBytes ?? 0 },
        proxies: told.proxies,
        pricesDate: ingested?.pricesDate ?? null,
      }
    },
    destinations: () => ingest?.destinations() ?? [],
    // Rows come from another process: whoever looks is told to look again once a second.
    stored: (listener) => {
      const timer = setInterval(listener, 1000)
      return () => clearInterval(timer)
    },
    now: Date.now,
    log,
    version: version(),
    env: process.env,
    metrics: [processMetrics({ role: 'web', version: version() })],
    purge: config.adminSecret === null ? null : proxies.purge,
    reprice: ingest?.reprice ?? null,
    demoCall: null,
    proxyUrl,
    sqlUrl: null,
  })
  const port = await listen(web, { port: config.webPort, host: config.host, variable: 'WEIR_WEB_PORT' })
  const unwatch = watchConfig({
    config,
    live: new Set(['auth', 'keys', 'limits', 'targets', 'prices']),
    fixed: new Set(['allowedHosts']),
    apply: (next) => {
      access = accessOf(next, Date.now)
      proxies.changed(next)
    },
    log,
  })
  return {
    ports: { web: port },
    drain: () => Promise.resolve(),
    async stop() {
      unwatch()
      proxies.stop()
      await shut(web)
      await control.close()
      await db.close()
    },
  }
}

export const command: Command = {
  summary: 'the web UI and its API alone',
  about: `
Serves the pages and the API over the store at CLICKHOUSE_URL. Without that it opens the embedded store, which takes one process
at a time: good for looking at a stopped Weir's data.
It tells the proxies at WEIR_PROXIES_URLS keys, limits, targets and prices of its weir.yaml, and asks them and the ingest at
WEIR_INGEST_URL how they are.`,
  flags: {},
  run: () => runRole({ name: 'web', start }),
}
