import kafkajs, { type Kafka, type LogEntry, type SASLOptions } from 'kafkajs'
import { installCodecs } from './codecs.js'
import { plainCommits } from './plain-commits.js'
import { quietQueues } from './quiet-queue.js'

/** How a cluster is reached: `KAFKA_BROKERS` and `kafka` of weir.yaml. */
export interface KafkaAccess {
  /** `host:port` each. */
  readonly brokers: readonly string[]
  /** PEM texts, where not every trusted authority is. */
  readonly ssl:
    boolean | { readonly ca?: string | undefined; readonly cert?: string | undefined; readonly key?: string | undefined }
  readonly sasl: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    readonly username: string
    readonly password: string
  } | null
  /** Told in its logs. */
  readonly clientId: string
}

/** Gets what the client complains of, a sentence each; the same one at most once a minute. */
export type Complain = (sentence: string) => void

const quietMs = 60_000

const complaints = (complain: Complain) => {
  const told = new Map<string, number>()
  return ({ log: { message, error, broker } }: LogEntry): void => {
    const said = [message, error, broker].filter((part) => typeof part === 'string').join(': ')
    const before = told.get(said)
    if (before !== undefined && Date.now() - before < quietMs) return
    if (told.size > 100) told.clear()
    told.set(said, Date.now())
    complain(`Kafka: ${said}`)
  }
}

/** A client of kafkajs with our codec and guards. Nothing is connected yet. */
export const kafkaClient = ({ brokers, ssl, sasl, clientId }: KafkaAccess, complain: Complain): Kafka => {
  quietQueues()
  plainCommits()
  installCodecs()
  const heard = complaints(complain)
  return new kafkajs.Kafka({
    clientId,
    brokers: [...brokers],
    // It writes into what it is given, and a configuration is frozen.
    ssl: typeof ssl === 'boolean' ? ssl : { ...ssl },
    ...(sasl === null ? {} : { sasl: { ...sasl } as SASLOptions }),
    connectionTimeout: 5000,
    requestTimeout: 30_000,
    retry: { initialRetryTime: 100, maxRetryTime: 2000, retries: 5 },
    logLevel: kafkajs.logLevel.ERROR,
    logCreator: () => heard,
  })
}
