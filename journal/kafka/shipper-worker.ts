import { mkdir, open, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { openJournalSource, type JournalSource } from '../source.js'
import { syncFolder } from '../sync-folder.js'
import { kafkajsLink } from './kafkajs-link.js'
import type { KafkaLink, TopicFacts } from './port.js'
import { shipperConsumer, startShipper, type Shipper, type Undeliverable } from './shipper.js'
import type { FromShipper, ShipperWork, ToShipper } from './shipper-thread.js'
import { eventsTopic } from './topics.js'
import { whyOf } from './why.js'

const { journalDir, dlqDir, access, topic, maxMessageBytes } = workerData as ShipperWork
const say = (message: FromShipper): void => parentPort?.postMessage(message, [])
const complain = (sentence: string): void => say({ type: 'told', sentence })
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Dead letters in the folder, as of the last look: people take them out. */
let kept = 0
const keptEveryMs = 5000
const look = async (): Promise<void> => {
  const names = await readdir(dlqDir).catch(() => [])
  kept = names.filter((name) => name.endsWith('.dead')).length
}

/** What no broker takes: one file each, a line of JSON that says why, then the event; the form of ingest's dead letters. */
const setAside = async ({ origin, payload, error }: Undeliverable): Promise<void> => {
  await mkdir(dlqDir, { recursive: true })
  const name = `${origin.writer}_${origin.at}-${origin.at}_refused.dead`
  const source = { partition: origin.writer, first: origin.at, last: origin.at }
  const file = await open(join(dlqDir, `${name}.tmp`), 'w', 0o600)
  try {
    const head = JSON.stringify({ v: 1, reason: 'refused', error: error.slice(0, 4096), source, at: new Date().toISOString() })
    await file.writev([Buffer.from(`${head}\n`), payload])
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(join(dlqDir, `${name}.tmp`), join(dlqDir, name))
  await syncFolder(dlqDir)
  await look()
}

/** The topic, made if it is missing; asks for as long as it takes. */
const topicFacts = async (link: KafkaLink, source: JournalSource): Promise<TopicFacts> => {
  for (let waitMs = 250, since = Date.now(), told = ''; ; waitMs = Math.min(waitMs * 2, 15_000)) {
    try {
      const [facts] = await link.ensure([eventsTopic(topic)])
      if (facts !== undefined) return facts
    } catch (cause) {
      const message = whyOf(cause)
      if (message !== told) complain(`Kafka does not take events; they wait in the journal. ${message}`)
      told = message
      const lagBytes = await source.lagBytes(shipperConsumer).catch(() => null)
      const lagSeconds = lagBytes === 0 ? 0 : (Date.now() - since) / 1000
      const trouble = { message, sinceMs: since }
      say({ type: 'state', state: { lagBytes, lagSeconds, events: 0, resent: 0, deadLetters: 0, kept, trouble } })
    }
    await pause(waitMs)
  }
}

let shipper: Shipper | null = null
parentPort?.on('message', (message: ToShipper) => {
  void (async () => {
    await shipper?.stop(message.ms)
    if (shipper !== null) say({ type: 'state', state: { ...shipper.state, kept } })
    await source.close()
    await link.close()
    process.exit(0)
  })()
})
await look()
setInterval(() => void look(), keptEveryMs)
const source = await openJournalSource({
  dir: journalDir,
  consumers: [shipperConsumer],
  // The thread's parent holds it, so that a thread that died leaves nothing locked.
  lock: { dir: journalDir, release: () => Promise.resolve() },
  log: complain,
})
const link = kafkajsLink({ access, complain })
const facts = await topicFacts(link, source)
const started = startShipper({
  source,
  link,
  topic,
  partitions: facts.partitions,
  ensure: async () => {
    const [found] = await link.ensure([eventsTopic(topic)])
    return found?.partitions ?? facts.partitions
  },
  // What the topic takes is compressed; a broker counts the batch around it, too.
  maxMessageBytes: Math.min(maxMessageBytes, (facts.maxMessageBytes ?? Infinity) - 1024),
  setAside,
  now: Date.now,
  random: Math.random,
  onFault: (sentence, cause) => complain(`${sentence} ${whyOf(cause)}`),
})
shipper = started
const tell = (): void => say({ type: 'state', state: { ...started.state, kept } })
setInterval(tell, 500)
tell()
