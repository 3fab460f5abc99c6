import { openDb } from '../clickhouse/open.js'
import type { Config } from '../core/config.js'
import type { Command } from './command.js'
import type { Log } from './log.js'
import { openReplaceable } from './pipeline.js'
import { watchConfig } from './reload.js'
import type { RunningRole } from './role.js'
import { runRole } from './role.js'

const start = async (config: Config, log: Log, ending: AbortSignal): Promise<RunningRole> => {
  const db = await openDb(config, { onWait: (sentence) => log.warn(sentence), signal: ending })
  const pipeline = await openReplaceable({ config, db, log, onStored: () => undefined })
  const unwatch = watchConfig({
    config,
    live: new Set(['exports', 'prices', 'providers']),
    fixed: new Set(),
    apply: pipeline.replace,
    log,
  })
  return {
    ports: {},
    drain: () => {
      unwatch()
      return pipeline.current().stop()
    },
    stop() {
      unwatch()
      return db.close()
    },
  }
}

export const command: Command = {
  summary: 'the analytics pipeline alone',
  about: `
Reads the journal under WEIR_DATA, prices every call, stores it and sends it to the trace destinations of weir.yaml.
With CLICKHOUSE_URL it stores there, and \`weir web\` may run beside it; the embedded store takes one process at a time.
SIGTERM reads the journal out, for at most 10 s.`,
  flags: {},
  run: () => runRole({ name: 'ingest', start }),
}
