import { createServer } from 'node:http'
import { openDb } from '../clickhouse/open.js'
import { accessOf } from '../core/access.js'
import type { Config } from '../core/config.js'
import { processMetrics } from '../core/process-metrics.js'
import type { Ingest } from '../ingest/main.js'
import { opsApp } from '../ingest/ops.js'
import { ingestChannel } from './channel/ingest-channel.js'
import type { Command } from './command.js'
import { listen } from './listen.js'
import type { Log } from './log.js'
import { openReplaceable } from './pipeline.js'
import { pricesDateOf } from './prices-date.js'
import { watchConfig } from './reload.js'
import { repriceJobs } from './reprice-jobs.js'
import type { RunningRole } from './role.js'
import { runRole } from './role.js'
import { shut } from './shut.js'
import { version } from './version.js'

const start = async (config: Config, log: Log, ending: AbortSignal): Promise<RunningRole> => {
  const db = await openDb(config, { onWait: (sentence) => log.warn(sentence), signal: ending })
  const pipeline = await openReplaceable({ config, db, log, onStored: () => undefined })
  let access = accessOf(config, Date.now)
  const own = processMetrics({ role: 'ingest', version: version() })
  const app = opsApp({
    access: () => access,
    causes: () => pipeline.current().ingest.health().causes,
    registries: () => [own, pipeline.current().ingest.metrics],
  })
  const current = (): Ingest => pipeline.current().ingest
  const channel = ingestChannel({
    tokens: [config.channelToken, config.adminSecret],
    facts: () => {
      const { causes, ingest } = current().health()
      return {
        causes: [...causes],
        ingest,
        destinations: [...current().destinations()],
        pricesDate: pricesDateOf(current().book()),
      }
    },
    reprice: repriceJobs({
      db,
      dataDir: config.dataDir,
      book: () => current().book(),
      trustsCost: (provider) => current().trustsCost(provider),
      log,
    }),
    log,
  })
  const ops = createServer((req, res) => {
    if (!channel(req, res)) app(req, res)
  })
  const port = await listen(ops, { port: config.ingestPort, host: config.host, variable: 'WEIR_INGEST_PORT' })
  const unwatch = watchConfig({
    config,
    live: new Set(['exports', 'prices', 'providers', 'auth', 'keys']),
    fixed: new Set(),
    apply: async (next) => {
      access = accessOf(next, Date.now)
      await pipeline.replace(next)
    },
    log,
  })
  return {
    ports: { ingest: port },
    drain: () => {
      unwatch()
      return pipeline.current().stop()
    },
    async stop() {
      unwatch()
      await shut(ops)
      await db.close()
    },
  }
}

export const command: Command = {
  summary: 'the analytics pipeline alone',
  about: `
Reads the journal under WEIR_DATA, prices every call, stores it and sends it to the trace destinations of weir.yaml.
With CLICKHOUSE_URL it stores there, and \`weir web\` may run beside it; the embedded store takes one process at a time.
Health, metrics and what \`weir web\` asks (WEIR_INGEST_URL) are at WEIR_INGEST_PORT (8789). SIGTERM reads the journal out, for at most 10 s.`,
  flags: {},
  run: () => runRole({ name: 'ingest', start }),
}
