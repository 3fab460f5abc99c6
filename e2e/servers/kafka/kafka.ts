import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { until } from '../../support/wait.js'

/** Folder with the jars of the broker, as `npm test` makes it; `null` = tests that need it are left out. */
export const kafkaJars: string | null = process.env.WEIR_TEST_KAFKA ?? null

export interface KafkaNode {
  /** `127.0.0.1:port` */
  readonly address: string
  readonly pid: () => number
  /** kill -9; resolves once it is gone. */
  kill(): Promise<void>
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void
  /** Starts it again on its data; resolves when it takes connections. */
  start(): Promise<void>
}

export interface Kafka {
  /** For KAFKA_BROKERS. */
  readonly brokers: string
  readonly nodes: readonly KafkaNode[]
  stop(): Promise<void>
}

/** Of one node. */
export interface Ports {
  readonly broker: number
  readonly controller: number
}

interface Options {
  /** Kept: a folder that holds data already is recovered. */
  readonly dir: string
  readonly nodes?: number
  /** More lines of server.properties: what stands in them wins. */
  readonly extra?: string | ((own: Ports) => string)
  /** More arguments for the formatting of a node's storage. */
  readonly format?: readonly string[]
  /** Where clients are told to find the only node, if that is not where it listens. */
  readonly advertised?: string
  /** `own`: Ctrl-C on this terminal is not meant for it. */
  readonly processGroup?: 'own'
}

/** Linux gives connections that go out ports from 32,768 on: one of them may hold a port that a server wants back after a restart. */
const ownPorts = { from: 15_000, to: 32_000 }

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer().once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })

/** A port that nobody has, for a server that is stopped and comes back at the same one. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = randomInt(ownPorts.from, ownPorts.to)
    if (await isFree(port)) return port
  }
}

const takesConnections = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    }).once('error', () => resolve(false))
  })

/** The same for every node of a cluster: 16 bytes, base64. */
const clusterId = 'V2VpcktyYWZ0VGVzdHNBQQ'

const properties = (id: number, ports: readonly Ports[], data: string, extra: string): string => {
  const nodes = ports.length
  const own = ports[id - 1] as Ports
  const settings: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': id,
    'controller.quorum.voters': ports.map(({ controller }, i) => `${i + 1}@127.0.0.1:${controller}`).join(','),
    listeners: `PLAINTEXT://127.0.0.1:${own.broker},CONTROLLER://127.0.0.1:${own.controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${own.broker}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': data,
    'default.replication.factor': nodes,
    'min.insync.replicas': nodes > 2 ? 2 : 1,
    'offsets.topic.replication.factor': nodes,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': nodes,
    'transaction.state.log.num.partitions': 4,
    'transaction.state.log.min.isr': nodes > 2 ? 2 : 1,
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': false,
    // A restart after kill -9 waits for the session of the one that died.
    'broker.session.timeout.ms': 2000,
    'broker.heartbeat.interval.ms': 500,
    'controller.quorum.election.timeout.ms': 300,
    'controller.quorum.fetch.timeout.ms': 1500,
    'num.network.threads': 2,
    'num.io.threads': 4,
    'log.cleaner.dedupe.buffer.size': 4_194_304,
  }
  return `${Object.entries(settings)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join('\n')}\n${extra}\n`
}

const logging = (file: string): string => `rootLogger.level=info
rootLogger.appenderRef.f.ref=f
appender.f.type=File
appender.f.name=f
appender.f.fileName=${file}
appender.f.layout.type=PatternLayout
appender.f.layout.pattern=%d %p %m (%c)%n
`

const java = (folder: string): readonly string[] => [
  '-Xmx256m',
  '-Xms64m',
  '-XX:+UseSerialGC',
  `-Dlog4j2.configurationFile=${join(folder, 'log4j2.properties')}`,
  '-cp',
  join(kafkaJars ?? '', '*'),
]

const openNode = (
  id: number,
  ports: readonly Ports[],
  { dir, extra = '', format = [], advertised, processGroup }: Options,
): KafkaNode => {
  const folder = join(dir, `node${id}`)
  const own = ports[id - 1] as Ports
  const { broker } = own
  const more = `${advertised === undefined ? '' : `advertised.listeners=PLAINTEXT://${advertised}\n`}${typeof extra === 'string' ? extra : extra(own)}`
  const settings = join(folder, 'server.properties')
  mkdirSync(folder, { recursive: true })
  writeFileSync(settings, properties(id, ports, join(folder, 'data'), more))
  writeFileSync(join(folder, 'log4j2.properties'), logging(join(folder, 'log')))
  let child: ChildProcess | null = null
  // Nothing outlives the process that started it.
  process.once('exit', () => void child?.kill('SIGKILL'))
  return {
    address: `127.0.0.1:${broker}`,
    pid: () => {
      if (child?.pid === undefined) throw new Error(`Kafka node ${id} does not run.`)
      return child.pid
    },
    start: async () => {
      if (!existsSync(join(folder, 'data', 'meta.properties'))) {
        const made = spawnSync('java', [
          ...java(folder),
          'kafka.tools.StorageTool',
          'format',
          '-t',
          clusterId,
          '-c',
          settings,
          ...format,
        ])
        if (made.status !== 0) throw new Error(`Kafka cannot format ${folder}: ${made.stderr.toString()}`)
      }
      const out = openSync(join(folder, 'out'), 'a')
      const started = spawn('java', [...java(folder), 'kafka.Kafka', settings], {
        detached: processGroup === 'own',
        stdio: ['ignore', out, out],
      })
      child = started
      await until(
        `Kafka node ${id} takes connections`,
        () => {
          if (started.exitCode !== null) throw new Error(readFileSync(join(folder, 'out'), 'utf8').slice(-2000))
          return takesConnections(broker)
        },
        { timeoutMs: 90_000, everyMs: 100 },
      )
    },
    signal: (signal) => void child?.kill(signal),
    kill: () =>
      new Promise((resolve) => {
        if (child === null || child.exitCode !== null || child.signalCode !== null) return resolve()
        child.once('exit', () => resolve())
        child.kill('SIGKILL')
      }),
  }
}

/** Starts a real Kafka (KRaft, every node broker and controller) on free ports of loopback. Needs `kafkaJars`. */
export const startKafka = async (options: Options): Promise<Kafka> => {
  const { nodes = 1 } = options
  const ports: Ports[] = []
  for (let i = 0; i < nodes; i++) ports.push({ broker: await freePort(), controller: await freePort() })
  const all = ports.map((_, i) => openNode(i + 1, ports, options))
  const stop = async (): Promise<void> => {
    await Promise.all(all.map((node) => node.kill()))
  }
  try {
    // Together: a quorum forms only once most of them run.
    await Promise.all(all.map((node) => node.start()))
  } catch (cause) {
    await stop()
    throw cause
  }
  return { brokers: all.map(({ address }) => address).join(','), nodes: all, stop }
}
