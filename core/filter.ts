import { nearest } from './nearest.js'

/**
 * The one filter grammar of API, UI, saved views and exports:
 *
 *     filter = all { "or" all }          all = item { "and" item }          item = "(" filter ")" | term
 *     term   = field operator value | field [ "not" ] "in" "(" value { "," value } ")"
 *     field  = a name of `filterFields` | prop.<key> | prop."any key"
 *     operator = "=" | "!=" | ">" | ">=" | "<" | "<=" | "~" (contains, whatever the case) | "!~"
 *     value  = word | "text" | 'text'    (a doubled quote inside is that quote)    | null (not known; with = and != only)
 *
 * @example provider = openai and (status >= 400 or outcome in (stall, refused)) and prop.feature = "smart search"
 */
export type Filter = FilterGroup | FilterTerm
export interface FilterGroup {
  readonly kind: 'and' | 'or'
  readonly items: readonly Filter[]
}
export interface FilterTerm {
  readonly kind: 'term'
  readonly field: FilterField | 'prop'
  /** Key of the property; `null` for the other fields. */
  readonly key: string | null
  readonly op: FilterOp
  /** Checked for the field's type; several for `in`; `null` = not known. */
  readonly values: readonly string[] | null
}

export const filterOps = ['=', '!=', '>', '>=', '<', '<=', '~', '!~', 'in', 'not in'] as const
export type FilterOp = (typeof filterOps)[number]
export type FilterType = 'text' | 'number' | 'decimal' | 'boolean' | 'id' | 'list'

interface FieldRule {
  readonly type: FilterType
  readonly meaning: string
}
const text = (meaning: string): FieldRule => ({ type: 'text', meaning })
const number = (meaning: string): FieldRule => ({ type: 'number', meaning })

export const filterFields = {
  id: { type: 'id', meaning: 'id of the request' },
  provider: text('who served'),
  model: text('override, else response model, else request model'),
  request_model: text('model asked for'),
  response_model: text('model reported back'),
  operation: text('chat, embeddings ...; empty = relayed unread'),
  api: text('API of the provider: chat, responses, messages ...'),
  endpoint: text('method and path, as POST /v1/chat/completions'),
  target: text('target that answered'),
  status: number('HTTP status'),
  outcome: text('how the call ended: complete, refused, stall ...'),
  error_kind: text('class of failure; empty = none'),
  error_code: text('code of the error'),
  error_message: text('text of the error'),
  finish_reason: text('why the model stopped'),
  streaming: { type: 'boolean', meaning: 'streamed answer: true or false' },
  user_id: text('end user'),
  session_id: text('session'),
  session_name: text('name of the session'),
  session_path: text('path inside the session'),
  key_id: text('fingerprint of the key'),
  client_request_id: text('id the caller gave'),
  trace_id: text('W3C trace id'),
  tag: { type: 'list', meaning: 'tag of the call' },
  warning: { type: 'list', meaning: 'warning on the row' },
  cost: { type: 'decimal', meaning: 'USD; null = not known' },
  cost_status: text('exact, estimated, partial, unpriced, not_billable or provider'),
  cost_reason: text('why the cost is not exact'),
  usage_source: text('wire, header, estimated or none'),
  usage_reason: text('why tokens are estimated or not known'),
  tokens: number('input and output tokens together'),
  input_tokens: number('all input tokens; null = not known'),
  output_tokens: number('all output tokens; null = not known'),
  cache_read_tokens: number("input tokens read from the provider's cache"),
  cache_write_tokens: number("input tokens written to the provider's cache"),
  reasoning_tokens: number('output tokens of reasoning'),
  latency_ms: number('to the last byte; null = never came'),
  first_chunk_ms: number('to the first content of a stream; null = none'),
  attempts: number('sends to upstreams'),
  tool_calls: number('tool calls in the answer'),
  request_bytes: number('bytes of the request body'),
  response_bytes: number('bytes of the answer'),
  cache_status: text('hit, miss ... of our cache'),
  service_tier: text('tier the provider reported'),
  region: text('region the provider reported'),
  prompt_id: text('prompt'),
  prompt_version: text('version of the prompt'),
  input: text('beginning of the input'),
  output: text('beginning of the output'),
} as const satisfies Record<string, FieldRule>
export type FilterField = keyof typeof filterFields

const comparisons = ['=', '!=', '>', '>=', '<', '<=', 'in', 'not in'] as const
const opsOf: Record<FilterType, readonly FilterOp[]> = {
  text: ['=', '!=', '~', '!~', 'in', 'not in'],
  number: comparisons,
  decimal: comparisons,
  boolean: ['=', '!='],
  id: ['=', '!=', 'in', 'not in'],
  list: ['=', '!=', 'in', 'not in'],
}
/** Operators a field takes, the usual one first. */
export const operatorsOf = (type: FilterType): readonly FilterOp[] => opsOf[type]

const nullable: ReadonlySet<string> = new Set([
  'cost',
  'tokens',
  'input_tokens',
  'output_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'latency_ms',
  'first_chunk_ms',
])

/** Text that is not a filter. `at` is the offset of the fault; the message is for people and says what is accepted. */
export class FilterError extends Error {
  readonly at: number
  constructor(at: number, message: string) {
    super(`${message} (at character ${String(at + 1)} of the filter)`)
    this.name = 'FilterError'
    this.at = at
  }
}

const limits = { length: 4096, terms: 64, depth: 16, values: 100 }

interface Token {
  readonly kind: 'word' | 'quoted' | 'op' | '(' | ')' | ',' | 'end'
  readonly text: string
  readonly at: number
  readonly end: number
}

const wordChar = /[^\s"'(),=!<>~]/
const ops = ['!=', '>=', '<=', '!~', '=', '>', '<', '~']

const quoted = (source: string, at: number): Token => {
  const quote = source[at] as string
  let value = ''
  for (let i = at + 1; i < source.length; i++) {
    if (source[i] !== quote) value += source[i] as string
    else if (source[i + 1] === quote) {
      value += quote
      i++
    } else return { kind: 'quoted', text: value, at, end: i + 1 }
  }
  throw new FilterError(at, `The quote ${quote} is not closed.`)
}

const tokenAt = (source: string, from: number): Token => {
  let at = from
  while (at < source.length && /\s/.test(source[at] as string)) at++
  const char = source[at]
  if (char === undefined) return { kind: 'end', text: '', at, end: at }
  if (char === '(' || char === ')' || char === ',') return { kind: char, text: char, at, end: at + 1 }
  if (char === '"' || char === "'") return quoted(source, at)
  const op = ops.find((candidate) => source.startsWith(candidate, at))
  if (op !== undefined) return { kind: 'op', text: op, at, end: at + op.length }
  let end = at
  while (end < source.length && wordChar.test(source[end] as string)) end++
  if (end === at) throw new FilterError(at, `"${char}" is not expected here.`)
  return { kind: 'word', text: source.slice(at, end), at, end }
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const accepted: Record<FilterType, { readonly form: RegExp; readonly says: string }> = {
  text: { form: /^[^]{0,1024}$/, says: 'text of at most 1024 characters' },
  list: { form: /^[^]{0,1024}$/, says: 'text of at most 1024 characters' },
  number: { form: /^-?\d{1,15}$/, says: 'a whole number' },
  decimal: { form: /^-?\d{1,15}(\.\d{1,12})?$/, says: 'a decimal, as 0.0105' },
  boolean: { form: /^(true|false)$/, says: 'true or false' },
  id: { form: uuid, says: 'a whole id, as 01976f0a-5b1e-7a3c-8f00-0123456789ab' },
}

/** A parser is a cursor over the text; it reads each token once, so time is linear in the length. */
class Parser {
  private token: Token
  private terms = 0
  constructor(private readonly source: string) {
    this.token = tokenAt(source, 0)
  }

  whole(): Filter {
    const filter = this.group('or', 0)
    if (this.token.kind !== 'end')
      throw new FilterError(this.token.at, `"${this.token.text}" is not expected here. Join terms with and, or.`)
    return filter
  }

  private next(): Token {
    const token = this.token
    this.token = tokenAt(this.source, token.end)
    return token
  }

  private is(kind: Token['kind']): boolean {
    return this.token.kind === kind
  }

  private isWord(word: string): boolean {
    return this.token.kind === 'word' && this.token.text.toLowerCase() === word
  }

  private group(kind: 'and' | 'or', depth: number): Filter {
    if (depth > limits.depth)
      throw new FilterError(this.token.at, `At most ${String(limits.depth)} groups may lie inside each other.`)
    const item = (): Filter => (kind === 'or' ? this.group('and', depth) : this.item(depth))
    const items = [item()]
    while (this.isWord(kind)) {
      this.next()
      items.push(item())
    }
    return items.length === 1 ? (items[0] as Filter) : { kind, items }
  }

  private item(depth: number): Filter {
    if (!this.is('(')) return this.term()
    this.next()
    const filter = this.group('or', depth + 1)
    if (!this.is(')')) throw new FilterError(this.token.at, 'A ")" is missing.')
    this.next()
    return filter
  }

  private term(): FilterTerm {
    if (++this.terms > limits.terms) throw new FilterError(this.token.at, `At most ${String(limits.terms)} terms fit one filter.`)
    const { field, key } = this.field()
    const type = field === 'prop' ? 'text' : filterFields[field].type
    const at = this.token.at
    const op = this.operator()
    if (!opsOf[type].includes(op))
      throw new FilterError(at, `${field} does not take "${op}". Accepted: ${opsOf[type].join(' ')}.`)
    const many = op === 'in' || op === 'not in'
    return { kind: 'term', field, key, op, values: many ? this.list(type) : this.value(field, op, type) }
  }

  private field(): { field: FilterField | 'prop'; key: string | null } {
    const token = this.next()
    if (token.kind !== 'word') throw new FilterError(token.at, 'A field is expected here, as provider, status, prop.<key>.')
    if (token.text.startsWith('prop.')) {
      const inQuotes = token.text === 'prop.' && this.token.kind === 'quoted' && this.token.at === token.end
      const key = inQuotes ? this.next().text : token.text.slice(5)
      if (key === '' || key.length > 128)
        throw new FilterError(token.at, 'A property is written prop.<key>, its key 1 to 128 characters.')
      return { field: 'prop', key }
    }
    if (Object.hasOwn(filterFields, token.text)) return { field: token.text as FilterField, key: null }
    const near = nearest(token.text.slice(0, 64), Object.keys(filterFields))
    throw new FilterError(
      token.at,
      `"${token.text.slice(0, 64)}" is not a field.${near === null ? '' : ` Did you mean ${near}?`} Fields: ${Object.keys(filterFields).join(', ')}, prop.<key>.`,
    )
  }

  private operator(): FilterOp {
    const token = this.next()
    if (token.kind === 'op') return token.text as FilterOp
    const word = token.kind === 'word' ? token.text.toLowerCase() : ''
    if (word === 'in') return 'in'
    if (word === 'not' && this.isWord('in')) {
      this.next()
      return 'not in'
    }
    throw new FilterError(token.at, `An operator is expected here: ${filterOps.join(' ')}.`)
  }

  private list(type: FilterType): readonly string[] {
    if (!this.is('(')) throw new FilterError(this.token.at, 'A list in parentheses is expected here, as (a, b).')
    const values: string[] = []
    do {
      this.next()
      if (values.length >= limits.values)
        throw new FilterError(this.token.at, `At most ${String(limits.values)} values fit one list.`)
      values.push(this.checked(type))
    } while (this.is(','))
    if (!this.is(')')) throw new FilterError(this.token.at, 'A "," or ")" is missing.')
    this.next()
    return values
  }

  private value(field: string, op: FilterOp, type: FilterType): readonly string[] | null {
    if (this.isWord('null') && nullable.has(field)) {
      const token = this.next()
      if (op !== '=' && op !== '!=') throw new FilterError(token.at, 'null goes with = and != only.')
      return null
    }
    return [this.checked(type)]
  }

  private checked(type: FilterType): string {
    const token = this.next()
    if (token.kind !== 'word' && token.kind !== 'quoted')
      throw new FilterError(token.at, 'A value is expected here: a word, "text" or \'text\'.')
    const rule = accepted[type]
    if (!rule.form.test(token.text))
      throw new FilterError(token.at, `"${token.text.slice(0, 64)}" does not fit. Accepted: ${rule.says}.`)
    return token.text
  }
}

/**
 * Reads a filter.
 *
 * @returns `null` when the text is empty: everything passes.
 * @throws FilterError
 */
export const parseFilter = (source: string): Filter | null => {
  if (source.length > limits.length)
    throw new FilterError(limits.length, `A filter has at most ${String(limits.length)} characters.`)
  return source.trim() === '' ? null : new Parser(source).whole()
}

const bare = /^[A-Za-z0-9_./:@+*%-]+$/
const printed = (value: string): string =>
  bare.test(value) && !['and', 'or', 'in', 'not', 'null'].includes(value.toLowerCase())
    ? value
    : `"${value.replaceAll('"', '""')}"`

/** The text of a filter; `parseFilter` reads it back the same. */
export const printFilter = (filter: Filter): string => {
  if (filter.kind !== 'term') {
    const inner = filter.items.map((item) =>
      item.kind === 'term' || item.kind === filter.kind ? printFilter(item) : `(${printFilter(item)})`,
    )
    return inner.join(` ${filter.kind} `)
  }
  const key =
    filter.key === null ? '' : /^[A-Za-z0-9_.-]+$/.test(filter.key) ? filter.key : `"${filter.key.replaceAll('"', '""')}"`
  const field = filter.field === 'prop' ? `prop.${key}` : filter.field
  const many = filter.op === 'in' || filter.op === 'not in'
  const value = filter.values === null ? 'null' : filter.values.map(printed).join(', ')
  return `${field} ${filter.op} ${many ? `(${value})` : value}`
}
