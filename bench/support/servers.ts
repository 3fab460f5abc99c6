import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BenchFailed } from './bench.js'
import { forkModule } from './processes.js'

/** A store that Weir works on, in a process that can be taken away. */
export interface Server {
  /** For the environment of Weir. */
  readonly env: Readonly<Record<string, string>>
  /** Of the store itself; another one after a restart. */
  readonly pid: () => number
  /** kill -9; resolves once it is gone. */
  kill(): Promise<void>
  /** Again, on the same port and what is on disk; resolves when it takes connections. */
  start(): Promise<void>
  stop(): Promise<void>
}

const root = (): string => {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}

/** @throws BenchFailed where nothing has fetched them. */
const kafkaJars = (): string => {
  const lib = process.env.WEIR_TEST_KAFKA ?? join(root(), '.cache', 'kafka', 'lib')
  if (!existsSync(lib) || readdirSync(lib).length === 0)
    throw new BenchFailed(
      'This bench needs a Kafka broker: `npm test -- bench` fetches it once, or WEIR_TEST_KAFKA names its jars.',
    )
  return lib
}

interface Told {
  readonly brokers: string
  readonly pid: number
}

/** A broker whose link can be cut. */
export interface Broker extends Server {
  cut(): Promise<void>
  mend(): Promise<void>
}

/** A real broker (KRaft, one node), its data in `dir`. By way of a relay its link can be cut, and costs more. */
export const startBroker = async (dir: string, way: 'direct' | 'relay' = 'direct'): Promise<Broker> => {
  const process = await forkModule<Told>('./kafka-process', {
    args: [dir, way],
    env: { WEIR_TEST_KAFKA: kafkaJars() },
    signal: 'SIGTERM',
  })
  let { pid } = process.told
  const done = async (what: string): Promise<void> => void (await process.ask(what))
  return {
    env: { KAFKA_BROKERS: process.told.brokers },
    pid: () => pid,
    kill: () => done('kill'),
    async start() {
      pid = (await process.ask<Told>('start')).pid
    },
    cut: () => done('cut'),
    mend: () => done('mend'),
    stop: () => process.stop(),
  }
}

/** ClickHouse's HTTP interface as the tests have it: the embedded engine behind it, in a process of its own. */
export const startClickHouse = async (dir: string): Promise<Server> => {
  mkdirSync(dir, { recursive: true })
  const open = (port: number | null) =>
    forkModule<string>('../../e2e/servers/clickhouse/main', {
      args: [dir, JSON.stringify(port === null ? {} : { port })],
      env: { UV_THREADPOOL_SIZE: '16' },
    })
  let process = await open(null)
  const url = process.told
  const port = Number(new URL(url).port)
  return {
    env: { CLICKHOUSE_URL: url },
    pid: () => process.pid,
    kill: () => process.stop(),
    async start() {
      process = await open(port)
    },
    stop: () => process.stop(),
  }
}
