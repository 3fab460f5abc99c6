import type { PriceBook } from '../core/prices/book.js'

/** Date of the newest price in a book, whose id is base, date, overrides: `0.1.8+2026-11-22+9f31c2aa`. */
export const pricesDateOf = ({ id }: Pick<PriceBook, 'id'>): string | null => id.split('+')[1] ?? null
