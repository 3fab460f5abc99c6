import { checkedConfig } from './checked-config.js'
import type { Command } from './command.js'
import type { Addresses, House } from './house.js'
import { startHouse, untilTold } from './house.js'
import { createLog } from './log.js'
import { welcome } from './snippet.js'
import { version } from './version.js'

const about = `
Starts the proxy and the hub (ingest, web, SQL) on this machine and keeps them running.
Everything is configured by weir.yaml and environment variables (docs/configuration.md); the usual ones:

  WEIR_DATA         where everything on disk lies (./.weir)
  WEIR_HOST         address to bind (127.0.0.1); wider needs WEIR_ADMIN_SECRET
  WEIR_PROXY_PORT   8787     WEIR_WEB_PORT   8788     WEIR_SQL_PORT   8123; 0 picks a free one
  WEIR_LOG_LEVEL    trace, debug, info, warn, error, silent

The first Ctrl-C (or SIGTERM) drains: open calls end, the journal is read out. The second one stops at once.
SIGHUP, or saving weir.yaml, applies what can be changed without a restart.
`

/** `{"proxy":...,"web":...,"sql":...,"pids":{...}}`, one line, once all roles are ready. */
export const readyLine = (addresses: Addresses, pids: ReturnType<House['pids']>, more: Record<string, unknown> = {}): string =>
  `${JSON.stringify({ ...addresses, pids, ...more })}\n`

export const command: Command = {
  summary: 'everything on this machine: proxy, ingest, web',
  about,
  flags: { json: { type: 'boolean', help: 'print one line of JSON, with addresses and pids, once all roles are ready' } },
  async run({ json }) {
    const startedAt = Date.now()
    const config = checkedConfig(process.env, process.cwd())
    const log = createLog('weir', config.logLevel)
    const say = (text: string): void => void (json === true || process.stdout.write(text))
    const house = startHouse({
      config,
      log,
      onProxyReady: (url) =>
        say(
          `\nweir ${version()}, data in ${config.dataDir}\n\n  proxy  ${url}  (takes calls, ${((Date.now() - startedAt) / 1000).toFixed(1)} s)\n`,
        ),
    })
    let told = false
    const ended = untilTold(house, () => {
      told = true
      say('\nDraining: open calls end, then the journal is read out. Ctrl-C again stops at once.\n')
    })
    const addresses = await house.ready.catch((cause: unknown) => {
      if (!told) throw cause
      return null
    })
    if (addresses !== null) {
      if (json === true) process.stdout.write(readyLine(addresses, house.pids()))
      else say(welcome(addresses))
    }
    await ended
    say('Stopped.\n')
    return 0
  },
}
