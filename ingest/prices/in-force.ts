import type { Db } from '../../clickhouse/db.js'
import { openPriceBook, type PriceBook } from '../../core/prices/book.js'
import type { PriceOverride } from '../../core/prices/override.js'
import { fullJitter, pause } from '../pause.js'
import { keepBook } from './keep-book.js'

/** The prices by which calls are priced now. */
export interface PricesInForce {
  readonly book: PriceBook
  /** From now on these are in force, on top of those that come with Weir. What is stored stays as it was booked. */
  use(overrides: readonly PriceOverride[]): void
  stop(): Promise<void>
}

interface Options {
  readonly overrides: readonly PriceOverride[]
  readonly db: Pick<Db, 'rows' | 'insert'>
  readonly random: () => number
  readonly onFault: (message: string, cause: unknown) => void
}

const backoffMs = { base: 1000, cap: 60_000 }

/** Opens the prices, and keeps every book that was in force in the store, in the background and until it is there. */
export const pricesInForce = ({ overrides, db, random, onFault }: Options): PricesInForce => {
  const halt = new AbortController()
  let book = openPriceBook(overrides)
  let keeping = Promise.resolve()

  const keep = async (used: PriceBook): Promise<void> => {
    for (let tries = 1; !halt.signal.aborted; tries++) {
      try {
        await keepBook(db, used)
        return
      } catch (cause) {
        if (tries === 1) onFault(`The prices ${used.id} cannot be kept in the store; trying again until they are.`, cause)
        await pause(fullJitter(tries, backoffMs.base, backoffMs.cap, random), halt.signal)
      }
    }
  }
  const keepNext = (): void => {
    const used = book
    keeping = keeping.then(() => keep(used))
  }
  keepNext()

  return {
    get book() {
      return book
    },
    use(changed) {
      const next = openPriceBook(changed)
      if (next.id === book.id) return
      book = next
      keepNext()
    },
    async stop() {
      halt.abort()
      await keeping
    },
  }
}
