import { join } from 'node:path'
import { openDb } from '../../clickhouse/open.js'
import type { EventLog } from '../../ingest/consume.js'
import { kafkajsLink } from '../../journal/kafka/kafkajs-link.js'
import { openKafkaSource } from '../../journal/kafka/kafka-source.js'
import { openJournalSource } from '../../journal/source.js'
import { ingestWith } from './ingest.js'
import type { Switches } from './switches.js'

// Ingest as a process of its own, to be killed. It reads the journal of a data folder, or a topic, into its store until it is told to drain.
const { dataDir, clickhouseUrl, switches, kafka } = JSON.parse(process.argv[2] ?? '') as {
  readonly dataDir: string
  readonly clickhouseUrl: string | null
  readonly switches: Switches
  readonly kafka?: { readonly brokers: readonly string[]; readonly topic: string; readonly group: string }
}
const fromTopic = ({ brokers, topic, group }: NonNullable<typeof kafka>): EventLog => {
  const link = kafkajsLink({ access: { brokers, ssl: false, sasl: null, clientId: 'weir-test' }, complain: () => undefined })
  const { trouble: _trouble, ...source } = openKafkaSource({ link, topic, group })
  return source
}
const source =
  kafka === undefined ? await openJournalSource({ dir: join(dataDir, 'journal'), consumers: ['ingest'] }) : fromTopic(kafka)
const db = await openDb({ clickhouseUrl, dataDir }, { onWait: () => undefined })
const consumer = ingestWith(db, source, switches)
process.on('message', () => {
  void consumer
    .stop(120_000)
    .then(() => db.close())
    .then(() => source.close())
    .then(() => process.exit(0))
})
process.on('disconnect', () => process.exit(1))
process.send?.('ready')
