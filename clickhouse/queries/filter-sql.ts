import type { Filter, FilterField, FilterTerm, FilterType } from '../../core/filter.js'
import { filterFields } from '../../core/filter.js'

/** Where each field of the grammar lies in `requests`. The roll-ups name the fields they hold alike. */
const columns: Record<FilterField, string> = {
  id: 'request_id',
  provider: 'provider',
  model: 'model',
  request_model: 'request_model',
  response_model: 'response_model',
  operation: 'operation',
  api: 'api',
  endpoint: 'endpoint',
  target: 'target',
  status: 'status',
  outcome: 'outcome',
  error_kind: 'error_kind',
  error_code: 'error_code',
  error_message: 'error_message',
  finish_reason: 'finish_reason',
  streaming: 'streaming',
  user_id: 'user_id',
  session_id: 'session_id',
  session_name: 'session_name',
  session_path: 'session_path',
  key_id: 'key_id',
  client_request_id: 'client_request_id',
  trace_id: 'trace_id',
  tag: 'tags',
  warning: 'warnings',
  cost: 'cost_total',
  cost_status: 'cost_status',
  cost_reason: 'cost_reason',
  usage_source: 'usage_source',
  usage_reason: 'usage_reason',
  tokens: '(input_tokens + output_tokens)',
  input_tokens: 'input_tokens',
  output_tokens: 'output_tokens',
  cache_read_tokens: 'cache_read_tokens',
  cache_write_tokens: 'cache_write_tokens',
  reasoning_tokens: 'reasoning_tokens',
  latency_ms: 'total_ms',
  first_chunk_ms: 'time_to_first_chunk_ms',
  attempts: 'length(attempts)',
  tool_calls: 'tool_calls',
  request_bytes: 'req_bytes',
  response_bytes: 'res_bytes',
  cache_status: 'cache_status',
  service_tier: 'service_tier',
  region: 'region',
  prompt_id: 'prompt_id',
  prompt_version: 'prompt_version',
  input: 'input_preview',
  output: 'output_preview',
}

export interface Condition {
  readonly sql: string
  readonly params: Readonly<Record<string, string>>
}

type Bind = (value: string, type?: string) => string

const literal: Record<FilterType, (bind: Bind, value: string) => string> = {
  text: (bind, value) => bind(value),
  list: (bind, value) => bind(value),
  id: (bind, value) => bind(value, 'UUID'),
  boolean: (bind, value) => bind(value, 'Bool'),
  number: (bind, value) => bind(value, 'Int64'),
  decimal: (bind, value) => `toDecimal128(${bind(value)}, 12)`,
}

const compared = (column: string, type: FilterType, { op, values }: FilterTerm, bind: Bind): string => {
  if (values === null) return op === '=' ? `isNull(${column})` : `isNotNull(${column})`
  const bound = values.map((value) => literal[type](bind, value))
  if (op === 'in') return `${column} IN (${bound.join(', ')})`
  if (op === 'not in') return `${column} NOT IN (${bound.join(', ')})`
  if (op === '~') return `positionCaseInsensitiveUTF8(${column}, ${bound.join()}) > 0`
  if (op === '!~') return `positionCaseInsensitiveUTF8(${column}, ${bound.join()}) = 0`
  return `${column} ${op} ${bound.join()}`
}

const listed = (column: string, { op, values }: FilterTerm, bind: Bind): string => {
  const found = `hasAny(${column}, [${(values ?? []).map((value) => bind(value)).join(', ')}])`
  return op === '=' || op === 'in' ? found : `NOT ${found}`
}

/** `has(kv, 'key=value')` reads the text index (17 ms where `properties[key] = value` took 203, storage.md §4). */
const property = (term: FilterTerm, bind: Bind): string => {
  const key = term.key ?? ''
  const values = term.values ?? []
  if (term.op === '=' && values[0] !== '') return `has(kv, ${bind(`${key}=${values[0] ?? ''}`)})`
  if (term.op === 'in' && !values.includes(''))
    return `hasAny(kv, [${values.map((value) => bind(`${key}=${value}`)).join(', ')}])`
  return compared(`properties[${bind(key)}]`, 'text', term, bind)
}

const condition = (filter: Filter, bind: Bind): string => {
  if (filter.kind !== 'term')
    return `(${filter.items.map((item) => condition(item, bind)).join(` ${filter.kind.toUpperCase()} `)})`
  if (filter.field === 'prop') return property(filter, bind)
  const { type } = filterFields[filter.field]
  const column = columns[filter.field]
  return type === 'list' ? listed(column, filter, bind) : compared(column, type, filter, bind)
}

/**
 * A filter as a condition over `requests`. Columns come from the table above, every value is a bound parameter (`f0`, `f1` ...).
 * What is not known passes no comparison, only `= null`.
 */
export const filterSql = (filter: Filter | null): Condition => {
  if (filter === null) return { sql: '1', params: {} }
  const params: Record<string, string> = {}
  let n = 0
  const bind: Bind = (value, type = 'String') => {
    const name = `f${String(n++)}`
    params[name] = value
    return `{${name}:${type}}`
  }
  return { sql: condition(filter, bind), params }
}

/** Every field a filter names. */
export const fieldsOf = (filter: Filter): readonly FilterTerm['field'][] =>
  filter.kind === 'term' ? [filter.field] : filter.items.flatMap(fieldsOf)
