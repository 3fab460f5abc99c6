import type { Db } from '../../clickhouse/db.js'
import type { PriceBook } from '../../core/prices/book.js'
import type { BookEntry } from '../../core/prices/book-entries.js'
import { breather } from '../pause.js'

/** What `DateTime` can hold: the book's "since ever" and "until further notice". */
const first = '1970-01-01 00:00:00'
const last = '2106-02-07 06:28:15'

const sqlTime = (ms: number): string =>
  ms === Infinity ? last : ms <= 0 ? first : new Date(ms).toISOString().slice(0, 19).replace('T', ' ')

const lineOf = (priceId: string, { from, until, ctxFrom, ...entry }: BookEntry): string =>
  `${JSON.stringify({ price_id: priceId, ...entry, ctx_from: ctxFrom, valid_from: sqlTime(from), valid_until: sqlTime(until) })}\n`

/** How long the event loop may be held in one go: the web API answers from the same process. */
const sliceMs = 10

/**
 * Writes all prices of a book into `model_prices`, if they are not there yet: what a row's `price_id` stood for can be asked for ever.
 *
 * @returns How many prices were written; 0 = the book was there.
 * @throws DbError when the store does not answer. One insert: it is all there, or nothing is.
 */
export const keepBook = async (db: Pick<Db, 'rows' | 'insert'>, book: PriceBook): Promise<number> => {
  const there = await db.rows('kept-book', 'SELECT 1 AS there FROM model_prices WHERE price_id = {id:String} LIMIT 1', {
    id: book.id,
  })
  if (there.length > 0) return 0
  const breathe = breather(sliceMs)
  const lines: string[] = []
  for (const entry of book.entries()) {
    lines.push(lineOf(book.id, entry))
    await breathe()
  }
  await db.insert('model_prices', Buffer.from(lines.join('')), `prices:${book.id}`)
  return lines.length
}
