import { createServer } from 'node:http'
import { openDb } from '../clickhouse/open.js'
import { accessOf } from '../core/access.js'
import type { Config } from '../core/config.js'
import { processMetrics } from '../core/process-metrics.js'
import { opsApp } from '../ingest/ops.js'
import type { Command } from './command.js'
import { listen } from './listen.js'
import type { Log } from './log.js'
import { openReplaceable } from './pipeline.js'
import { watchConfig } from './reload.js'
import type { RunningRole } from './role.js'
import { runRole } from './role.js'
import { shut } from './shut.js'
import { version } from './version.js'

const start = async (config: Config, log: Log, ending: AbortSignal): Promise<RunningRole> => {
  const db = await openDb(config, { onWait: (sentence) => log.warn(sentence), signal: ending })
  const pipeline = await openReplaceable({ config, db, log, onStored: () => undefined })
  let access = accessOf(config, Date.now)
  const own = processMetrics({ role: 'ingest', version: version() })
  const ops = createServer(
    opsApp({
      access: () => access,
      causes: () => pipeline.current().ingest.health().causes,
      registries: () => [own, pipeline.current().ingest.metrics],
    }),
  )
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
Health and metrics are at WEIR_INGEST_PORT (8789). SIGTERM reads the journal out, for at most 10 s.`,
  flags: {},
  run: () => runRole({ name: 'ingest', start }),
}
