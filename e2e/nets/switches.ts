import { randomUUID } from 'node:crypto'
import type { Db } from '../../clickhouse/db.js'
import type { storedElsewhere } from '../../ingest/store/doubt.js'

/**
 * How the tests of one net take the other away. The product has no such switches: the store takes them in a factory, and only from here.
 */
export interface Switches {
  /** `off`: every insert has a token of its own, so that none is ever known again. */
  readonly tokens: 'on' | 'off'
  /** `off`: no doubtful event is looked up. */
  readonly lookUp: 'on' | 'off'
  /** How often each batch is inserted. */
  readonly times: number
}

/** An insert as the switches want it. */
export const insertWith =
  (db: Db, { tokens, times }: Switches): Db['insert'] =>
  async (table, lines, token) => {
    for (let n = 0; n < times; n++) await db.insert(table, lines, tokens === 'on' ? token : randomUUID())
  }

/** Finds nothing, wherever it is. */
export const noLookUp: typeof storedElsewhere = () => Promise.resolve(new Set<string>())
