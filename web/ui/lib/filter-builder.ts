import type { Filter, FilterField, FilterOp, FilterTerm } from '../../../core/filter.js'
import type { Fields } from '../../api/contract.js'

/** A term while it is typed: everything is text. `known` and `unknown` stand for `!= null` and `= null`. */
export interface Draft {
  readonly field: string
  readonly op: string
  readonly value: string
}
export const emptyDraft: Draft = { field: 'model', op: '=', value: '' }

const nullOps = { 'not known': '=', known: '!=' } as const
const isNullOp = (op: string): op is keyof typeof nullOps => Object.hasOwn(nullOps, op)
const takesMany = (op: string): boolean => op === 'in' || op === 'not in'

/** Operators on offer for a field, the usual one first. Figures may also be known or not known. */
export const draftOps = (fields: Fields | null, field: string): readonly string[] => {
  if (field.startsWith('prop.')) return ['=', '!=', '~', '!~', 'in', 'not in']
  const rule = fields?.fields.find(({ name }) => name === field)
  if (rule === undefined) return ['=', '!=']
  const figure = rule.type === 'decimal' || (rule.type === 'number' && /tokens|_ms$/.test(field))
  return [...rule.operators, ...(figure ? Object.keys(nullOps) : [])]
}

/** Whether the draft still wants a value. */
export const wantsValue = (op: string): boolean => !isNullOp(op)

const words: Readonly<Record<string, string>> = {
  '=': 'is',
  '!=': 'is not',
  '~': 'contains',
  '!~': 'does not contain',
  in: 'is one of',
  'not in': 'is none of',
  known: 'is known',
  'not known': 'is not known',
  '>': '>',
  '>=': '≥',
  '<': '<',
  '<=': '≤',
}
/** An operator in words. */
export const opWord = (op: string): string => words[op] ?? op

/** The term a draft means. The values are not checked here: the filter's own parser does that. */
export const termOf = ({ field, op, value }: Draft): FilterTerm => {
  const name = field.startsWith('prop.')
    ? ({ field: 'prop', key: field.slice(5) } as const)
    : ({ field: field as FilterField, key: null } as const)
  if (isNullOp(op)) return { kind: 'term', ...name, op: nullOps[op], values: null }
  const values = takesMany(op)
    ? value
        .split(',')
        .map((one) => one.trim())
        .filter((one) => one !== '')
    : [value.trim()]
  return { kind: 'term', ...name, op: op as FilterOp, values }
}

/** The draft that would make this part; `null` when it is no single term and has to be edited as text. */
export const draftOf = (part: Filter): Draft | null => {
  if (part.kind !== 'term') return null
  const field = part.field === 'prop' ? `prop.${part.key ?? ''}` : part.field
  if (part.values === null) return { field, op: part.op === '=' ? 'not known' : 'known', value: '' }
  // A comma inside a value would read as two.
  if (takesMany(part.op) && part.values.some((value) => value.includes(','))) return null
  return { field, op: part.op, value: part.values.join(', ') }
}
