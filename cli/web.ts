import { openDb } from '../clickhouse/open.js'
import { accessOf } from '../core/access.js'
import type { Config } from '../core/config.js'
import { processMetrics } from '../core/process-metrics.js'
import { createWebServer } from '../web/api/server.js'
import type { Command } from './command.js'
import { openControl } from './control.js'
import { listen, urlOf } from './listen.js'
import type { Log } from './log.js'
import { askProxy } from './proxy-facts.js'
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
  const web = createWebServer({
    config,
    access: () => access,
    db,
    control,
    health: async () => {
      const { causes, journal } = await askProxy(proxyUrl, config.adminSecret)
      return { causes, ingest: null, journal: journal === null ? null : { ...journal, lagBytes: 0 } }
    },
    destinations: () => [],
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
    demoCall: null,
    proxyUrl,
    sqlUrl: null,
  })
  const port = await listen(web, { port: config.webPort, host: config.host, variable: 'WEIR_WEB_PORT' })
  const unwatch = watchConfig({
    config,
    live: new Set(['auth', 'keys']),
    fixed: new Set(['allowedHosts']),
    apply: (next) => {
      access = accessOf(next, Date.now)
    },
    log,
  })
  return {
    ports: { web: port },
    drain: () => Promise.resolve(),
    async stop() {
      unwatch()
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
at a time: good for looking at a stopped Weir's data.`,
  flags: {},
  run: () => runRole({ name: 'web', start }),
}
