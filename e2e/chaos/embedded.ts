import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startFakeProvider } from '../../cli/fake-provider/server.js'
import { freePort } from '../servers/kafka/kafka.js'
import { providersAt } from '../support/house.js'
import { roleOf } from '../support/processes.js'
import { canMount, mountSmallDisk } from '../support/small-disk.js'
import { openTcpRelay } from '../support/tcp-relay.js'
import { until } from '../support/wait.js'
import { keep } from './kept.js'
import { answers, countedMs, freeze, pause, signal, type Scene, type Strike, type Victim } from './scene.js'
import { asker } from '../support/sql.js'

const weir = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const journalMiB = 96
const storeMiB = 1024
/** reliability.md §3: no role outlives its supervisor by more. */
const orphansMs = 30_000

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}/stat`)

/** `weir start` on this machine, everything embedded. Journal and store lie on small disks, where one may be mounted. */
export const openEmbedded = async (): Promise<Scene> => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-chaos-'))
  const dataDir = join(folder, 'data')
  mkdirSync(dataDir)
  const journalDisk = canMount ? mountSmallDisk(join(dataDir, 'journal'), journalMiB) : null
  const storeDisk = canMount ? mountSmallDisk(join(dataDir, 'chdb'), storeMiB) : null
  const fake = await startFakeProvider()
  const upstream = await openTcpRelay()
  upstream.lead(fake.port)
  const configFile = join(folder, 'weir.yaml')
  writeFileSync(configFile, providersAt(`http://127.0.0.1:${upstream.port}`, ['openai', 'anthropic', 'gemini']))
  const [proxyPort, webPort, sqlPort] = [await freePort(), await freePort(), await freePort()]
  const [proxy, web, sql] = [proxyPort, webPort, sqlPort].map((port) => `http://127.0.0.1:${port}`) as [string, string, string]

  /** Roles of supervisors that were killed. */
  let orphans: readonly number[] = []
  const crashes: string[] = []
  /** Ends that were asked for, until the supervisor tells of them. */
  const asked = { proxy: 0, hub: 0 }
  const supervisor = keep({
    name: 'supervisor',
    command: process.execPath,
    args: [weir, 'start'],
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? '',
      WEIR_DATA: dataDir,
      WEIR_CONFIG: configFile,
      WEIR_PROXY_PORT: String(proxyPort),
      WEIR_WEB_PORT: String(webPort),
      WEIR_SQL_PORT: String(sqlPort),
      WEIR_LOG_LEVEL: 'warn',
    },
    beforeAgain: async () => {
      const since = Date.now()
      while (orphans.some(isAlive) && Date.now() - since < orphansMs) await pause(100)
      if (orphans.some(isAlive)) crashes.push(`a role outlived its supervisor by ${orphansMs / 1000} s`)
      orphans = []
      asked.proxy = 0
      asked.hub = 0
    },
    onLine: (line) => {
      const name = /The (proxy|hub) (?:ended \(|did not start)/.exec(line)?.[1] as 'proxy' | 'hub' | undefined
      if (name === undefined) return
      if (asked[name] > 0) asked[name]--
      else crashes.push(line)
    },
  })
  const role = (name: 'proxy' | 'hub') => (): number | null => {
    const pid = supervisor.pid()
    return pid === null ? null : roleOf(pid, name)
  }
  const roles = (): number[] => [role('proxy')(), role('hub')()].flatMap((pid) => (pid === null ? [] : [pid]))
  const end =
    (name: 'proxy' | 'hub', how: NodeJS.Signals): Strike =>
    async () => {
      const pid = await until(`the ${name} to run`, role(name), { timeoutMs: 60_000, everyMs: 20 })
      asked[name]++
      signal(pid, how)
      await until(`the ${name} to end`, () => !isAlive(pid) || role(name)() !== pid, { timeoutMs: 60_000, everyMs: 10 })
    }
  const endSupervisor =
    (how: 'SIGKILL' | 'SIGTERM'): Strike =>
    async () => {
      orphans = roles()
      await supervisor.end(how)
    }
  const full = (disk: typeof journalDisk): { D?: Strike } =>
    disk === null
      ? {}
      : {
          D: async (ms) => {
            disk.fill()
            await pause(ms)
            disk.clear()
            await pause(countedMs)
          },
        }
  const query = asker(sql)
  const hubIsBack = async (): Promise<boolean> =>
    (await answers(`${web}/healthz`)) &&
    (await query('SELECT 1 AS one').then(
      () => true,
      () => false,
    ))
  const victims: readonly Victim[] = [
    {
      name: 'proxy',
      faults: {
        K: end('proxy', 'SIGKILL'),
        T: end('proxy', 'SIGTERM'),
        S: (ms) => freeze(role('proxy'), ms),
        ...full(journalDisk),
      },
      isBack: () => answers(`${proxy}/healthz`),
      felt: { K: 'cuts', T: 'refusals' },
    },
    {
      name: 'hub',
      faults: { K: end('hub', 'SIGKILL'), T: end('hub', 'SIGTERM'), S: (ms) => freeze(role('hub'), ms), ...full(storeDisk) },
      isBack: hubIsBack,
      felt: {},
    },
    {
      name: 'supervisor',
      faults: {
        K: endSupervisor('SIGKILL'),
        T: endSupervisor('SIGTERM'),
        S: (ms) => freeze(() => supervisor.pid(), ms),
      },
      isBack: async () => (await answers(`${proxy}/healthz`)) && (await hubIsBack()),
      // Roles whose supervisor is gone end as if they were told to.
      felt: { K: 'refusals', T: 'refusals' },
    },
  ]
  const said = (): string => supervisor.said()
  const stop = async (after: 'keep' | 'remove' = 'remove'): Promise<void> => {
    await supervisor.stop()
    await upstream.close()
    await fake.close()
    for (const disk of [journalDisk, storeDisk])
      if (after === 'keep') disk?.leave()
      else disk?.unmount()
    if (after === 'keep') writeFileSync(join(folder, 'log'), said())
    else rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    await until('Weir to run', async () => (await answers(`${proxy}/healthz`)) && (await hubIsBack()), { timeoutMs: 120_000 })
  } catch (cause) {
    await stop()
    throw new Error(`Weir did not start. ${said()}`, { cause })
  }
  return {
    shape: 'embedded',
    fake,
    proxies: [proxy],
    victims,
    links: [{ name: 'proxy to upstream', relay: upstream, toUpstream: true }],
    query,
    crashes: () => [...supervisor.crashes(), ...crashes],
    folder,
    said,
    stop,
  }
}
