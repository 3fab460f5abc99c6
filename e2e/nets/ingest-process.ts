import { join } from 'node:path'
import { openDb } from '../../clickhouse/open.js'
import { openJournalSource } from '../../journal/source.js'
import { ingestWith } from './ingest.js'
import type { Switches } from './switches.js'

// Ingest as a process of its own, to be killed. It reads the journal of a data folder into its store until it is told to drain.
const { dataDir, clickhouseUrl, switches } = JSON.parse(process.argv[2] ?? '') as {
  readonly dataDir: string
  readonly clickhouseUrl: string | null
  readonly switches: Switches
}
const source = await openJournalSource({ dir: join(dataDir, 'journal'), consumers: ['ingest'] })
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
