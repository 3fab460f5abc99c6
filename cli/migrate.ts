import { openDb } from '../clickhouse/open.js'
import { loadConfig } from '../core/config.js'
import type { Command } from './command.js'

export const command: Command = {
  summary: "bring the store's tables to this version",
  about: `
Makes and changes tables as a start of \`weir ingest\` would, and ends. For a ClickHouse server whose user for ingest may not change
tables: run it with a CLICKHOUSE_URL of one that may (docs/clickhouse-server.md). Forward only; safe to run again.`,
  flags: {},
  async run() {
    const config = loadConfig(process.env, process.cwd())
    await (await openDb(config)).close()
    process.stdout.write('The tables are up to date.\n')
    return 0
  },
}
