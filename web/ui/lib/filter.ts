import { FilterError, parseFilter, printFilter, type Filter, type FilterField, type FilterTerm } from '../../../core/filter.js'

/** A filter as the bar shows it: parts that all must hold. A part with `or` inside is one chip. */
export const partsOf = (text: string): readonly Filter[] => {
  const filter = parseFilter(text)
  if (filter === null) return []
  return filter.kind === 'and' ? filter.items : [filter]
}

/** The text of parts that all must hold; `''` when there are none. */
export const joined = (parts: readonly Filter[]): string => {
  const [first] = parts
  if (first === undefined) return ''
  return printFilter(parts.length === 1 ? first : { kind: 'and', items: parts })
}

/** `model = gpt-5`, `prop.feature = search`: the term behind a cell, a bar, a legend entry. */
export const is = (field: FilterField | `prop.${string}`, value: string): FilterTerm =>
  field.startsWith('prop.')
    ? { kind: 'term', field: 'prop', key: field.slice(5), op: '=', values: [value] }
    : { kind: 'term', field: field as FilterField, key: null, op: '=', values: [value] }

export const failed: FilterTerm = { kind: 'term', field: 'error_kind', key: null, op: '!=', values: [''] }

const sameField = (a: Filter, b: Filter): boolean =>
  a.kind === 'term' && b.kind === 'term' && a.field === b.field && a.key === b.key && a.op === b.op

/**
 * Adds terms to a filter. A term on the same field with the same operator takes the old one's place: a click on another model
 * means that model, not both.
 *
 * @param text Text that cannot be read as a filter is dropped: the page has said so already.
 */
export const narrowed = (text: string, ...terms: readonly FilterTerm[]): string => {
  const parts = readable(text) ? partsOf(text) : []
  return joined(
    terms.reduce<readonly Filter[]>(
      (all, term) => [...all.filter((part) => !(term.op === '=' && sameField(part, term))), term],
      parts,
    ),
  )
}

/** The filter without its n-th part. */
export const without = (text: string, n: number): string => joined(partsOf(text).filter((_, i) => i !== n))

const readable = (text: string): boolean => faultIn(text) === null

/** What is wrong with a filter, in a sentence; `null` when nothing is. */
export const faultIn = (text: string): string | null => {
  try {
    parseFilter(text)
    return null
  } catch (cause) {
    if (cause instanceof FilterError) return cause.message
    throw cause
  }
}

export interface Chip {
  readonly field: string
  readonly op: string
  readonly value: string
}

/** How a part reads on its chip. What compares with nothing is put in words, so that it can be seen. */
export const chipOf = (part: Filter): Chip => {
  if (part.kind !== 'term') return { field: '', op: '', value: printFilter(part) }
  const field = part.field === 'prop' ? `prop.${part.key ?? ''}` : part.field
  const equal = part.op === '='
  if (part.values === null) return { field, op: equal ? 'is not known' : 'is known', value: '' }
  if (part.values.length === 1 && part.values[0] === '' && (equal || part.op === '!='))
    return { field, op: equal ? 'is not set' : 'is set', value: '' }
  return { field, op: part.op, value: part.values.map((one) => (one === '' ? '(not set)' : one)).join(', ') }
}
