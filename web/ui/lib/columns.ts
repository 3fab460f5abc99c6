import type { RequestSort } from '../../api/contract.js'

/** A column of the requests table. */
export interface Column {
  readonly key: string
  readonly label: string
  /** px */
  readonly width: number
  readonly align: 'left' | 'right'
  /** What the API calls the order by this column; `null` = it cannot be sorted. */
  readonly sort: 'at' | 'cost' | 'latency' | 'first_chunk' | 'tokens' | null
  readonly meaning: string
}

const column = (
  key: string,
  label: string,
  width: number,
  meaning: string,
  options: Partial<Pick<Column, 'align' | 'sort'>> = {},
): Column => ({
  key,
  label,
  width,
  meaning,
  align: options.align ?? 'left',
  sort: options.sort ?? null,
})
const figure = (key: string, label: string, width: number, meaning: string, sort: Column['sort'] = null): Column =>
  column(key, label, width, meaning, { align: 'right', sort })

/** Every column there is, in the order of the table. Properties come after them, as `prop.<key>`. */
export const columns: readonly Column[] = [
  column('time', 'Time', 156, 'when the call came in, in your time zone', { sort: 'at' }),
  column('status', 'Ending', 104, 'HTTP status, or how the call ended without one'),
  column('model', 'Model', 190, 'override, else response model, else request model'),
  figure('cost', 'Cost', 104, 'USD: exact, ≈ estimated, ≥ at least, — not known', 'cost'),
  figure('input', 'Input', 76, 'all input tokens, cached ones too'),
  figure('output', 'Output', 76, 'all output tokens, reasoning too', 'tokens'),
  figure('latency', 'Latency', 88, 'until the last byte', 'latency'),
  figure('first_chunk', 'First chunk', 96, 'until the first content of a stream', 'first_chunk'),
  column('user', 'User', 160, 'end user'),
  column('session', 'Session', 150, 'session'),
  column('preview', 'Input begins with', 300, 'the beginning of the input'),
  column('provider', 'Provider', 96, 'who served'),
  column('request_model', 'Asked for', 170, 'model that was asked for'),
  column('response_model', 'Answered by', 190, 'model the provider reported back'),
  figure('cached', 'Cached', 76, "input tokens read from the provider's cache"),
  figure('reasoning', 'Reasoning', 84, 'output tokens of reasoning'),
  figure('attempts', 'Attempts', 76, 'sends to upstreams'),
  column('cache', 'Cache', 76, 'of Weir: hit, miss'),
  column('error', 'Error', 240, 'kind and text of the error'),
  column('operation', 'Operation', 104, 'chat, embeddings ...'),
  column('endpoint', 'Endpoint', 210, 'method and path'),
  column('finish', 'Finish', 96, 'why the model stopped'),
  figure('tools', 'Tool calls', 84, 'tool calls in the answer'),
  column('key', 'Key', 110, 'fingerprint of the key'),
  column('tags', 'Tags', 140, 'tags of the call'),
]

/** What the table shows until somebody chooses. */
export const defaultColumns: readonly string[] = [
  'time',
  'status',
  'model',
  'cost',
  'input',
  'output',
  'latency',
  'first_chunk',
  'user',
  'session',
  'preview',
]

const property = (key: string): Column => column(`prop.${key}`, key, 130, `property ${key}`)
const columnOf = (key: string): Column | undefined =>
  key.startsWith('prop.') && key.length > 5 ? property(key.slice(5)) : columns.find((one) => one.key === key)

/** Reads `?cols=time,model,prop.feature`. Keys nobody knows are left out; no column at all is the default. */
export const columnsFrom = (text: string | null): readonly Column[] => {
  const keys = text === null ? defaultColumns : text.split(',').map(unescaped)
  const found = [...new Set(keys)].map(columnOf).filter((one) => one !== undefined)
  return found.length === 0 ? columnsFrom(null) : found
}

/** The parameter for these columns; `null` when they are the default. */
export const columnsParam = (keys: readonly string[]): string | null => {
  const order = (key: string): number => {
    const i = columns.findIndex((one) => one.key === key)
    return i === -1 ? columns.length : i
  }
  const text = keys
    .toSorted((a, b) => order(a) - order(b))
    .map(escaped)
    .join(',')
  return text === defaultColumns.toSorted((a, b) => order(a) - order(b)).join(',') || keys.length === 0 ? null : text
}
// A property key may hold a comma.
const escaped = (key: string): string => key.replaceAll('%', '%25').replaceAll(',', '%2C')
const unescaped = (key: string): string => key.replaceAll('%2C', ',').replaceAll('%25', '%')

const sorts: readonly string[] = [
  '-at',
  'at',
  '-cost',
  'cost',
  '-latency',
  'latency',
  '-first_chunk',
  'first_chunk',
  '-tokens',
  'tokens',
]
/** Reads `?sort=`; newest first where it says nothing we know. */
export const sortFrom = (text: string | null): RequestSort =>
  text !== null && sorts.includes(text) ? (text as RequestSort) : '-at'

/** The order a click on a column's head asks for: greatest first, then the other way round. */
export const sortAfter = (now: RequestSort, by: NonNullable<Column['sort']>): RequestSort => (now === `-${by}` ? by : `-${by}`)
