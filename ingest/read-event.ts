import { decodeExchange, type Exchange } from '../core/exchange.js'

type Kind = 'string' | 'number' | 'boolean' | 'list' | 'object' | 'text or null'

/** What every step behind this one takes for granted. Ids and times travel in questions to the store, where one that is none fails all. */
const wanted: readonly (readonly [keyof Exchange, Kind | RegExp])[] = [
  ['id', /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/],
  ['kind', /^end$/],
  ['tenant', 'string'],
  ['writer', 'string'],
  ['startedAt', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/],
  ['marksUs', 'object'],
  ['operation', 'string'],
  ['provider', 'string'],
  ['api', 'string'],
  ['endpoint', 'string'],
  ['target', 'text or null'],
  ['serverAddress', 'text or null'],
  ['streaming', 'boolean'],
  ['requestModel', 'text or null'],
  ['responseModel', 'text or null'],
  ['responseId', 'text or null'],
  ['finishReason', 'text or null'],
  ['status', 'number'],
  ['outcome', 'string'],
  ['attempts', 'list'],
  ['usageRaw', 'list'],
  ['priceFacts', 'object'],
  ['counts', 'object'],
  ['sha256', 'object'],
  ['reqHeaders', 'list'],
  ['resHeaders', 'list'],
  ['identity', 'object'],
  ['guardrails', 'list'],
  ['altered', 'list'],
  ['warnings', 'list'],
  ['notes', 'list'],
  ['retentionDays', 'object'],
]

const isA = (kind: Kind | RegExp, value: unknown): boolean => {
  if (kind instanceof RegExp) return typeof value === 'string' && kind.test(value)
  if (kind === 'list') return Array.isArray(value)
  if (kind === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  if (kind === 'text or null') return value === null || typeof value === 'string'
  return typeof value === kind
}

/**
 * The event of a record of the log. On a topic anybody may have written: what is no event of a proxy is told apart here, so that no later
 * step stumbles over it.
 *
 * @throws RangeError for an event of a newer Weir; Error for anything else that is none.
 */
export const readEvent = (payload: Buffer): Exchange => {
  const exchange = decodeExchange(payload)
  for (const [field, kind] of wanted)
    if (!isA(kind, exchange[field]))
      throw new Error(`This is not an event of a proxy: its ${field} is missing or of another form.`)
  return exchange
}
