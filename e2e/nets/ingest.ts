import type { Db } from '../../clickhouse/db.js'
import { openPriceBook } from '../../core/prices/book.js'
import { consume, type Bounds, type Consumer, type EventLog } from '../../ingest/consume.js'
import type { DeadLetters } from '../../ingest/dead-letters.js'
import { enrich } from '../../ingest/enrich/enrich.js'
import { nothingKnown } from '../../ingest/enrich/known.js'
import { trustsCostByDefault } from '../../ingest/enrich/trusts-cost.js'
import { createMetrics } from '../../ingest/metrics.js'
import { createPrepare } from '../../ingest/prepare.js'
import { createStore } from '../../ingest/store/store.js'
import { insertWith, noLookUp, type Switches } from './switches.js'

const bounds: Bounds = { events: 150, bytes: 1024 * 1024, everyMs: 20, insertShare: 1, latestMs: 1000 }

/** Nothing of these tests is to be set aside. */
const noLetters: DeadLetters['put'] = ({ reason, error }) => Promise.reject(new Error(`${reason}: ${error}`))

/** Ingest as it is, from the log into the store, but for the switches. */
export const ingestWith = (db: Db, source: EventLog, switches: Switches): Consumer =>
  consume({
    source,
    consumer: 'ingest',
    store: createStore({
      db: { rows: db.rows, insert: insertWith(db, switches) },
      now: Date.now,
      random: Math.random,
      onRetry: () => undefined,
      ...(switches.lookUp === 'off' ? { lookUp: noLookUp } : {}),
    }),
    enrich: (exchange, position, known = nothingKnown) =>
      enrich(exchange, position, { book, known, trustsCost: trustsCostByDefault }),
    prepare: createPrepare({ count: () => Promise.reject(new Error('Every call tells its usage.')) }),
    deadLetters: { put: noLetters, count: () => 0, recount: () => Promise.resolve(), place: '' },
    metrics: createMetrics(),
    bounds,
    now: Date.now,
    random: Math.random,
    onStored: () => undefined,
    onFault: (message, cause) => console.error(message, cause),
  })

const book = openPriceBook([])
