import type { Config } from '../core/config.js'
import { ConfigError } from '../core/config/parse.js'
import { ownerOf } from '../core/folder-lock.js'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { prepareDataFolder } from './data-folder.js'
import { hubNode } from './hub-node.js'
import { checkFree, urlOf } from './listen.js'
import type { Log } from './log.js'
import { sameSignalMs } from './role.js'
import { HouseOwnedError } from './start-error.js'
import type { Ports, Supervised } from './supervise.js'
import { RoleFailed, supervise } from './supervise.js'

export interface Addresses {
  readonly proxy: string
  /** All of them, the first one, too; only where there are several. */
  readonly proxies?: readonly string[]
  readonly web: string
  /** `null` when the analytics store is a server of its own. */
  readonly sql: string | null
}

export interface House {
  /** Resolves once all roles are ready. Rejects with PortError, DataFolderError or RoleFailed; then nothing runs. */
  readonly ready: Promise<Addresses>
  pids(): {
    readonly supervisor: number
    readonly proxy: number | null
    readonly hub: number | null
    /** As `proxies` of the addresses. */
    readonly proxies?: readonly (number | null)[]
  }
  /** Drains the proxies, then the hub. A second call hurries all. */
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
  const { host, webPort, sqlPort, clickhouseUrl } = config
  for (const port of proxyPorts(config)) await checkFree({ port, host, variable: 'WEIR_PROXY_PORT' })
  await checkFree({ port: webPort, host, variable: 'WEIR_WEB_PORT' })
  if (clickhouseUrl === null) await checkFree({ port: sqlPort, host, variable: 'WEIR_SQL_PORT' })
  const owner = await ownerOf(join(config.dataDir, 'journal', 'consumer'))
  if (owner === null) return
  throw new HouseOwnedError(config.dataDir, owner)
}

/** From `WEIR_PROXY_PORT` on, those of other roles left out; 0 picks a free one for each. */
export const proxyPorts = (
  config: Pick<Config, 'proxies' | 'proxyPort' | 'webPort' | 'ingestPort' | 'sqlPort'>,
): readonly number[] => {
  const { proxies, proxyPort, webPort, ingestPort, sqlPort } = config
  const ports: number[] = []
  for (let port = proxyPort; ports.length < proxies; port += proxyPort === 0 ? 0 : 1)
    if (ports.length === 0 || ![webPort, ingestPort, sqlPort].includes(port) || port === 0) ports.push(port)
  const [last = 0] = ports.slice(-1)
  if (last > 65_535) throw new ConfigError(`WEIR_PROXIES: there are no ${proxies} ports from WEIR_PROXY_PORT ${proxyPort} on.`)
  return ports
}

/** The hub may start without the proxy once this has passed; dashboards are worth having while it is mended. */
const proxyHeadStartMs = 5000

const variables: Readonly<Record<string, string>> = { web: 'WEIR_WEB_PORT', sql: 'WEIR_SQL_PORT' }

/** Starts the roles of one machine and keeps them running: the proxies first, so that calls pass before anything else is up. */
export const startHouse = ({ config, log, env = {}, hubArgs = [], onProxyReady }: Options): House => {
  const kept: Record<string, string> = {}
  // By it the processes of this house know each other; it dies with the supervisor.
  const channel = { WEIR_CHANNEL_TOKEN: randomBytes(32).toString('base64url') }
  const common = {
    entry: process.argv[1] ?? '',
    env: () => ({ ...process.env, ...env, ...kept, ...channel }),
    log,
    onReady: (ports: Ports) => {
      // Whoever comes back must come back where its callers know it.
      for (const [name, port] of Object.entries(ports)) kept[variables[name] ?? name] = String(port)
    },
  }
  const hubEnv = () => hubNode(common.env())
  const proxyRoles: Supervised[] = []
  let hub: Supervised | null = null
  let stopping: Promise<void> | null = null
  const refuseWhenStopping = (): void => {
    if (stopping !== null) throw new RoleFailed('Weir was stopped before it was ready.')
  }

  const start = async (): Promise<Addresses> => {
    await inspect(config)
    refuseWhenStopping()
    /** Whoever comes back must come back where its callers know it. */
    const ports = [...proxyPorts(config)]
    const several = ports.length > 1
    for (const i of ports.keys())
      proxyRoles.push(
        supervise({
          ...common,
          name: several ? `proxy ${i + 1}` : 'proxy',
          args: ['proxy'],
          env: () => ({ ...common.env(), WEIR_PROXY_PORT: String(ports[i]) }),
          onReady: ({ proxy }) => void (ports[i] = proxy ?? ports[i] ?? 0),
        }),
      )
    const urls = (): readonly string[] => ports.map((port) => urlOf(config.host, port))
    const proxiesReady = Promise.all(proxyRoles.map(({ firstReady }) => firstReady)).then(() => {
      onProxyReady?.(urls().join('  '))
      return urls()
    })
    proxiesReady.catch(() => undefined)
    await Promise.race([proxiesReady, new Promise((resolve) => setTimeout(resolve, proxyHeadStartMs).unref())])
    refuseWhenStopping()
    hub = supervise({ ...common, env: hubEnv, name: 'hub', args: ['hub', '--proxy-url', urls().join(','), ...hubArgs] })
    const [proxies, { web, sql }] = await Promise.all([proxiesReady, hub.firstReady])
    return {
      proxy: proxies[0] ?? '',
      ...(several ? { proxies } : {}),
      web: urlOf(config.host, web ?? config.webPort),
      sql: sql === undefined ? null : urlOf(config.host, sql),
    }
  }
  const stop = (): Promise<void> => {
    if (stopping === null) return (stopping = Promise.all(proxyRoles.map((role) => role.stop())).then(() => hub?.stop()))
    for (const role of proxyRoles) role.signal('SIGTERM')
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
    pids: () => {
      const proxies = proxyRoles.map((role) => role.pid())
      return {
        supervisor: process.pid,
        proxy: proxies[0] ?? null,
        hub: hub?.pid() ?? null,
        ...(proxies.length > 1 ? { proxies } : {}),
      }
    },
    stop,
    hangup() {
      for (const role of proxyRoles) role.signal('SIGHUP')
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
