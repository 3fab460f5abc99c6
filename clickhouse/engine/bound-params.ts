import type { Params } from '../db.js'

type Bound = string | number | readonly string[] | null

const pad = (n: number, width: number): string => String(n).padStart(width, '0')

const dateText = (date: Date, type: string): string => {
  if (Number.isNaN(date.getTime())) throw new RangeError('An invalid Date cannot be bound.')
  const day = `${pad(date.getUTCFullYear(), 4)}-${pad(date.getUTCMonth() + 1, 2)}-${pad(date.getUTCDate(), 2)}`
  if (/\bDate(32)?\b/.test(type)) return day
  const clock = `${pad(date.getUTCHours(), 2)}:${pad(date.getUTCMinutes(), 2)}:${pad(date.getUTCSeconds(), 2)}`
  return /\bDateTime64\b/.test(type) ? `${day} ${clock}.${pad(date.getUTCMilliseconds(), 3)}` : `${day} ${clock}`
}

const boundValue = (value: Params[string], type: string): Bound => {
  if (value instanceof Date) return dateText(value, type)
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (typeof value === 'bigint') return String(value)
  return value as Bound
}

const placeholder = /\{\s*([A-Za-z_]\w*)\s*:\s*([^{}]+?)\s*\}/g

/**
 * Parameters in the form of the type their placeholder declares: a Date becomes a day for `{from:Date}`, milliseconds for
 * `{at:DateTime64(3)}`, seconds else; in UTC.
 */
export const boundParams = (sql: string, params: Params): Record<string, Bound> => {
  const types = new Map<string, string>()
  for (const [, name = '', type = ''] of sql.matchAll(placeholder)) if (!types.has(name)) types.set(name, type)
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, boundValue(value, types.get(name) ?? '')]))
}

/** A string as a SQL literal. */
export const sqlString = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

const tabs: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\0': '\\0',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

/** The text a parameter travels as, in `SET param_x` as over HTTP: a TSV field, but an array as its plain literal. */
export const wireText = (value: Bound): string => {
  if (value === null) return '\\N'
  if (typeof value === 'object') return `[${value.map(sqlString).join(',')}]`
  return String(value).replaceAll(/[\\\0\b\f\n\r\t]/g, (c) => tabs[c] ?? c)
}
