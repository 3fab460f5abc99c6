import type { Config } from '../core/config.js'
import { ownerOf } from '../core/folder-lock.js'
import { join } from 'node:path'
import { prepareDataFolder } from './data-folder.js'
import { checkFree, urlOf } from './listen.js'
import type { Log } from './log.js'
import { sameSignalMs } from './role.js'
import { HouseOwnedError } from './start-error.js'
import type { Ports, Supervised } from './supervise.js'
import { RoleFailed, supervise } from './supervise.js'

export interface Addresses {
  readonly proxy: string
  readonly web: string
  /** `null` when the analytics store is a server of its own. */
  readonly sql: string | null
}

export interface House {
  /** Resolves once all roles are ready. Rejects with PortError, DataFolderError or RoleFailed; then nothing runs. */
  readonly ready: Promise<Addresses>
  pids(): { readonly supervisor: number; readonly proxy: number | null; readonly hub: number | null }
  /** Drains the proxy, then the hub. A second call hurries both. */
  stop(): Promise<void>
  /** The roles read weir.yaml again. */
  hangup(): void
}

interface Options {
  readonly config: Config
  readonly log: Log
  /** Variables for the roles, beside those of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** Arguments for the hub. */
  readonly hubArgs?: readonly string[]
  /** As soon as calls are taken; the hub is not waited for. */
  readonly onProxyReady?: (url: string) => void
}

/** A start that fails must not leave half a house: whatever can be known before is asked before. */
const inspect = async (config: Config): Promise<void> => {
  prepareDataFolder(config.dataDir)
  const { host, proxyPort, webPort, sqlPort, clickhouseUrl } = config
  await checkFree({ port: proxyPort, host, variable: 'WEIR_PROXY_PORT' })
  await checkFree({ port: webPort, host, variable: 'WEIR_WEB_PORT' })
  if (clickhouseUrl === null) await checkFree({ port: sqlPort, host, variable: 'WEIR_SQL_PORT' })
  const owner = await ownerOf(join(config.dataDir, 'journal', 'consumer'))
  if (owner === null) return
  throw new HouseOwnedError(config.dataDir, owner)
}

/** The hub may start without the proxy once this has passed; dashboards are worth having while it is mended. */
const proxyHeadStartMs = 5000

const variables: Readonly<Record<string, string>> = { proxy: 'WEIR_PROXY_PORT', web: 'WEIR_WEB_PORT', sql: 'WEIR_SQL_PORT' }

/** Starts the roles of one machine and keeps them running: the proxy first, so that calls pass before anything else is up. */
export const startHouse = ({ config, log, env = {}, hubArgs = [], onProxyReady }: Options): House => {
  const kept: Record<string, string> = {}
  const common = {
    entry: process.argv[1] ?? '',
    env: () => ({ ...process.env, ...env, ...kept }),
    log,
    onReady: (ports: Ports) => {
      // Whoever comes back must come back where its callers know it.
      for (const [name, port] of Object.entries(ports)) kept[variables[name] ?? name] = String(port)
    },
  }
  // The engine's questions run on libuv's pool: with its four threads, slow ones would keep the journal's reads waiting.
  const hubEnv = () => ({ UV_THREADPOOL_SIZE: '16', ...common.env() })
  let proxyRole: Supervised | null = null
  let hub: Supervised | null = null
  let stopping: Promise<void> | null = null
  const refuseWhenStopping = (): void => {
    if (stopping !== null) throw new RoleFailed('Weir was stopped before it was ready.')
  }

  const start = async (): Promise<Addresses> => {
    await inspect(config)
    refuseWhenStopping()
    const first = (proxyRole = supervise({ ...common, name: 'proxy', args: ['proxy'] }))
    const proxyReady = first.firstReady.then(({ proxy: port = config.proxyPort }) => {
      const url = urlOf(config.host, port)
      onProxyReady?.(url)
      return url
    })
    proxyReady.catch(() => undefined)
    await Promise.race([proxyReady, new Promise((resolve) => setTimeout(resolve, proxyHeadStartMs).unref())])
    refuseWhenStopping()
    const proxyUrl = urlOf(config.host, Number(kept.WEIR_PROXY_PORT ?? config.proxyPort))
    hub = supervise({ ...common, env: hubEnv, name: 'hub', args: ['hub', '--proxy-url', proxyUrl, ...hubArgs] })
    const [proxy, ports] = await Promise.all([proxyReady, hub.firstReady])
    return {
      proxy,
      web: urlOf(config.host, ports.web ?? config.webPort),
      sql: ports.sql === undefined ? null : urlOf(config.host, ports.sql),
    }
  }
  const stop = (): Promise<void> => {
    if (stopping === null) return (stopping = (proxyRole?.stop() ?? Promise.resolve()).then(() => hub?.stop()))
    proxyRole?.signal('SIGTERM')
    hub?.signal('SIGTERM')
    return stopping
  }
  const ready = start().catch(async (cause: unknown) => {
    await stop()
    throw cause
  })
  ready.catch(() => undefined)
  return {
    ready,
    pids: () => ({ supervisor: process.pid, proxy: proxyRole?.pid() ?? null, hub: hub?.pid() ?? null }),
    stop,
    hangup() {
      proxyRole?.signal('SIGHUP')
      hub?.signal('SIGHUP')
    },
  }
}

/**
 * Ctrl-C and SIGTERM stop the house; once more hurries it. SIGHUP is passed on to the roles, which read weir.yaml again.
 *
 * @returns Resolves when the house was told to stop, and is down.
 */
export const untilTold = (house: House, onFirst: () => void): Promise<void> =>
  new Promise((resolve) => {
    let firstAt = 0
    const told = (): void => {
      if (firstAt === 0) {
        firstAt = Date.now()
        onFirst()
        void house.stop().then(resolve)
      } else if (Date.now() - firstAt > sameSignalMs) void house.stop()
    }
    process.on('SIGINT', told)
    process.on('SIGTERM', told)
    process.on('SIGHUP', () => house.hangup())
  })
