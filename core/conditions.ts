import type { ErrorKind } from './exchange.js'

/** The kinds of failure that a caller may name (routing.md §3). */
export const namedKinds = [
  'rate_limit',
  'overloaded',
  'server',
  'network',
  'timeout_connect',
  'timeout_ttft',
  'timeout_idle',
  'timeout_total',
  'auth',
  'quota',
  'not_found',
  'context_length',
  'conflict',
  'content_policy',
  'too_large',
  'bad_request',
] as const satisfies readonly ErrorKind[]

type NamedKind = (typeof namedKinds)[number]

/** Failures that are meant: any of these kinds, or any of these statuses. */
export interface Conditions {
  readonly kinds: ReadonlySet<ErrorKind>
  /** From and to, both included. */
  readonly statuses: readonly (readonly [number, number])[]
}

/** A failed attempt, as conditions see it. */
export interface Failure {
  readonly kind: ErrorKind
  /** Of the answer; 0 = none came. */
  readonly status: number
}

const isKind = (word: string): word is NamedKind => (namedKinds as readonly string[]).includes(word)

const statusesOf = (word: string): readonly [number, number] | null => {
  const found = /^(?:([1-9])xx|([1-9]\d\d)(?:-([1-9]\d\d))?)$/.exec(word)
  if (found === null) return null
  if (found[1] !== undefined) return [Number(found[1]) * 100, Number(found[1]) * 100 + 99]
  const from = Number(found[2])
  const to = Number(found[3] ?? from)
  return to < from ? null : [from, to]
}

/**
 * Reads conditions: `429 5xx 520-524 overloaded`, blanks or commas between (headers.md §3.2).
 *
 * @returns Where the fault is, counted in characters from 1, when it is none.
 */
export const parseConditions = (text: string): Conditions | { readonly at: number; readonly word: string } => {
  const kinds = new Set<ErrorKind>()
  const statuses: (readonly [number, number])[] = []
  for (const { 0: word, index } of text.matchAll(/[^\s,]+/g)) {
    const range = statusesOf(word)
    if (range !== null) statuses.push(range)
    else if (isKind(word)) kinds.add(word)
    else return { at: index + 1, word }
  }
  return kinds.size + statuses.length === 0 ? { at: 1, word: '' } : { kinds, statuses }
}

/** What a failure that came inside a 200 would have had for its status. Anthropic says 529 where others say 503. */
const meant: Partial<Record<ErrorKind, readonly number[]>> = {
  rate_limit: [429],
  overloaded: [503, 529],
  server: [500],
  auth: [401],
  quota: [402],
  not_found: [404],
  context_length: [400],
  conflict: [409],
  content_policy: [400],
  too_large: [413],
  bad_request: [400],
}

/** Is this failure meant? One inside a 200 is meant by the status it should have had, too. */
export const isMeant = ({ kinds, statuses }: Conditions, { kind, status }: Failure): boolean => {
  if (kinds.has(kind)) return true
  const had = status === 0 ? [] : status >= 400 ? [status] : (meant[kind] ?? [])
  return statuses.some(([from, to]) => had.some((each) => each >= from && each <= to))
}
