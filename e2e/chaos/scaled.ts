import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startFakeProvider } from '../../cli/fake-provider/server.js'
import { redisServer } from '../../proxy/state/testing-redis.js'
import { freePort, startKafka } from '../servers/kafka/kafka.js'
import { providersAt } from '../support/house.js'
import { canMount, mountSmallDisk, type SmallDisk } from '../support/small-disk.js'
import { openTcpRelay, type TcpRelay } from '../support/tcp-relay.js'
import { until } from '../support/wait.js'
import { keep, type Kept } from './kept.js'
import { answers, countedMs, freeze, pause, signal, type Scene, type Strike, type Victim } from './scene.js'
import { asker } from '../support/sql.js'

const weir = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const clickHouseMain = fileURLToPath(new URL('../../dist/e2e/servers/clickhouse/main.js', import.meta.url))
const threadFaults = new URL('thread-faults.mjs', import.meta.url)
const storeMiB = 1024
const kafkaMiB = 256
const journalMiB = 96

const url = (port: number): string => `http://127.0.0.1:${port}`

/** A link that is cut for so long, and whole again. */
const cut =
  (...links: readonly TcpRelay[]): Strike =>
  async (ms) => {
    for (const link of links) link.cut()
    await pause(ms)
    for (const link of links) link.mend()
  }

const ends = (kept: Kept): Record<'K' | 'T' | 'S', Strike> => ({
  K: () => kept.end('SIGKILL'),
  T: () => kept.end('SIGTERM'),
  S: (ms) => freeze(() => kept.pid(), ms),
})

/**
 * The roles as they run on several hosts: two proxies, one ingest, a real Kafka and Redis, and a ClickHouse of which the engine is real.
 * What can be cut is reached by way of a relay of ours.
 */
export const openScaled = async (): Promise<Scene> => {
  if (redisServer === null) throw new Error('WEIR_TEST_REDIS does not name a redis-server.')
  const folder = mkdtempSync(join(tmpdir(), 'weir-chaos-'))
  const small: SmallDisk[] = []
  const mount = (name: string, mebi: number): SmallDisk | null => {
    mkdirSync(join(folder, name), { recursive: true })
    if (!canMount) return null
    const disk = mountSmallDisk(join(folder, name), mebi)
    small.push(disk)
    return disk
  }
  const running: { stop(): Promise<unknown> }[] = []
  const kept: Kept[] = []
  /** Last first: who needs another ends before it. */
  const started = <T extends { stop(): Promise<unknown> }>(one: T): T => {
    running.unshift(one)
    return one
  }
  const link = async (port: number): Promise<TcpRelay> => {
    const relay = await openTcpRelay()
    relay.lead(port)
    running.unshift({ stop: () => relay.close() })
    return relay
  }
  const stop = async (after: 'keep' | 'remove' = 'remove'): Promise<void> => {
    for (const one of running.splice(0)) await one.stop()
    for (const disk of small)
      if (after === 'keep') disk.leave()
      else disk.unmount()
    if (after === 'keep') for (const one of kept) writeFileSync(join(folder, `${one.name}.log`), one.said())
    else rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  const base = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' }
  try {
    const fake = await startFakeProvider()
    running.push({ stop: () => fake.close() })
    const upstream = await link(fake.port)

    const kafkaDisk = mount('kafka', kafkaMiB)
    const shipPort = await freePort()
    const [shipLink, readLink] = [await link(shipPort), await link(0)]
    const kafka = started(
      await startKafka({
        dir: join(folder, 'kafka'),
        processGroup: 'own',
        extra: ({ broker, controller }) => `
listeners=PLAINTEXT://127.0.0.1:${broker},SHIP://127.0.0.1:${shipPort},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${readLink.port},SHIP://127.0.0.1:${shipLink.port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SHIP:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.segment.bytes=16777216
log.index.size.max.bytes=1048576`,
      }),
    )
    readLink.lead(Number(kafka.brokers.split(':')[1]))
    const [node] = kafka.nodes
    if (node === undefined) throw new Error('Kafka has no node.')

    const redisPort = await freePort()
    const redis = started(
      keep({
        name: 'redis',
        command: redisServer,
        args: ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
        cwd: folder,
        env: base,
      }),
    )
    const redisLink = await link(redisPort)

    const storeDisk = mount('clickhouse', storeMiB)
    const storePort = await freePort()
    const clickHouse = started(
      keep({
        name: 'clickhouse',
        command: process.execPath,
        args: [clickHouseMain, join(folder, 'clickhouse'), JSON.stringify({ port: storePort })],
        cwd: folder,
        env: { ...base, UV_THREADPOOL_SIZE: '16' },
      }),
    )
    const storeLink = await link(storePort)
    const query = asker(url(storePort))
    const storeAnswers = (): Promise<boolean> =>
      query('SELECT 1 AS one').then(
        () => true,
        () => false,
      )
    await until('ClickHouse to answer', storeAnswers, { timeoutMs: 60_000 })

    const configFile = join(folder, 'weir.yaml')
    writeFileSync(
      configFile,
      `${providersAt(url(upstream.port), ['openai', 'anthropic', 'gemini'])}limits: { onStoreError: open }\n`,
    )
    const role = (name: 'proxy' | 'ingest', n: number, env: Readonly<Record<string, string>>): Kept => {
      const dir = join(folder, `${name}-${n}`)
      mkdirSync(dir, { recursive: true })
      return started(
        keep({
          name: `${name} ${n}`,
          command: process.execPath,
          args: [weir, name],
          cwd: dir,
          env: { ...base, WEIR_DATA: join(dir, 'data'), WEIR_CONFIG: configFile, WEIR_LOG_LEVEL: 'warn', ...env },
        }),
      )
    }
    const ingestPort = await freePort()
    const ingest = role('ingest', 1, {
      KAFKA_BROKERS: `127.0.0.1:${readLink.port}`,
      CLICKHOUSE_URL: url(storeLink.port),
      WEIR_INGEST_PORT: String(ingestPort),
      UV_THREADPOOL_SIZE: '16',
    })
    const orders = join(folder, 'threads')
    const journalDisks = [1, 2].map((n) => mount(join(`proxy-${n}`, 'data', 'journal'), journalMiB))
    const proxyPorts = [await freePort(), await freePort()]
    const proxies = proxyPorts.map((port, n) =>
      role('proxy', n + 1, {
        KAFKA_BROKERS: `127.0.0.1:${shipLink.port}`,
        REDIS_URL: `redis://127.0.0.1:${redisLink.port}`,
        WEIR_PROXY_PORT: String(port),
        WEIR_CHAOS_THREADS: orders,
        NODE_OPTIONS: `--import ${pathToFileURL(fileURLToPath(threadFaults)).href}`,
      }),
    )
    const serve = async (): Promise<boolean> =>
      (await Promise.all(proxyPorts.map((port) => answers(`${url(port)}/healthz`)))).every(Boolean)
    const ingests = (): Promise<boolean> => answers(`${url(ingestPort)}/healthz`)
    await until('both proxies and ingest to run', async () => (await serve()) && (await ingests()), { timeoutMs: 120_000 })

    /** The one proxy, then the other: the first has answered again by then. */
    let turn = 0
    const proxy = (): Kept => proxies[turn++ % proxies.length] as Kept
    const order = (text: string): void => {
      writeFileSync(orders, text)
      for (const one of proxies) signal(one.pid(), 'SIGUSR2')
    }
    const brokerGone = async (): Promise<void> => {
      await until('the broker to end', () => !existsSync(`/proc/${node.pid()}/stat`), { timeoutMs: 60_000 }).catch(() =>
        node.kill(),
      )
      await node.start()
    }
    const full = (disk: SmallDisk | null, after: () => Promise<void>): { D?: Strike } =>
      disk === null
        ? {}
        : {
            D: async (ms) => {
              disk.fill()
              await pause(ms)
              disk.clear()
              await pause(countedMs)
              await after()
            },
          }
    const always = (): Promise<boolean> => Promise.resolve(true)
    const victims: readonly Victim[] = [
      {
        name: 'proxy',
        faults: {
          K: () => proxy().end('SIGKILL'),
          T: () => proxy().end('SIGTERM'),
          S: (ms) => freeze(() => proxy().pid(), ms),
          ...full(journalDisks[0] ?? null, () => Promise.resolve()),
        },
        isBack: serve,
        felt: { K: 'cuts', T: 'refusals' },
      },
      { name: 'ingest', faults: ends(ingest), isBack: ingests, felt: {} },
      {
        name: 'shipper thread',
        faults: {
          K: () => Promise.resolve(order('kill')),
          S: async (ms) => {
            order(`freeze ${ms}`)
            await pause(ms)
          },
          L: cut(shipLink),
        },
        isBack: always,
        felt: {},
      },
      {
        name: 'Kafka broker',
        faults: {
          K: async () => {
            await node.kill()
            await node.start()
          },
          T: async () => {
            node.signal('SIGTERM')
            await brokerGone()
          },
          S: (ms) => freeze(node.pid, ms),
          L: cut(shipLink, readLink),
          ...full(kafkaDisk, async () => {
            await node.kill()
            await node.start()
          }),
        },
        isBack: always,
        felt: {},
      },
      {
        name: 'ClickHouse',
        faults: { ...ends(clickHouse), L: cut(storeLink), ...full(storeDisk, () => Promise.resolve()) },
        isBack: storeAnswers,
        felt: {},
      },
      { name: 'Redis', faults: { ...ends(redis), L: cut(redisLink) }, isBack: always, felt: {} },
    ]
    kept.push(...proxies, ingest, clickHouse, redis)
    return {
      shape: 'scaled',
      fake,
      proxies: proxyPorts.map(url),
      victims,
      links: [
        { name: 'proxies to upstream', relay: upstream, toUpstream: true },
        { name: 'proxies to Redis', relay: redisLink, toUpstream: false },
        { name: 'shipper to Kafka', relay: shipLink, toUpstream: false },
        { name: 'ingest to Kafka', relay: readLink, toUpstream: false },
        { name: 'ingest to ClickHouse', relay: storeLink, toUpstream: false },
      ],
      query,
      crashes: () => kept.flatMap((one) => one.crashes()),
      folder,
      said: () => kept.map((one) => one.said()).join('\n'),
      stop,
    }
  } catch (cause) {
    await stop()
    throw cause
  }
}
