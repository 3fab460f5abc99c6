import { z } from 'zod'
import type { Asked, Scope } from '../../clickhouse/queries/scope.js'
import { maxSteps } from '../../clickhouse/queries/series.js'
import type { Place } from '../../clickhouse/queries/requests-page.js'
import { FilterError, parseFilter, type Filter } from '../../core/filter.js'
import type { Period } from './contract.js'
import type { Asker } from './asker.js'
import { ApiError } from './problems.js'
import { checkLookedFor } from './what-was-said.js'

const dayMs = 86_400_000
const longest = 800 * dayMs
const earliest = Date.UTC(2000, 0)
const latest = Date.UTC(2200, 0)

const instant = z
  .union([z.iso.datetime({ offset: true }), z.string().regex(/^\d{1,15}$/)])
  .describe('ISO 8601, or milliseconds since the epoch')

/** Parameters every page shares. */
export const scopeParams = {
  from: instant.optional().describe('ISO 8601 or milliseconds since the epoch. Default: 24 hours before to.'),
  to: instant.optional().describe('Exclusive. Default: now.'),
  filter: z
    .string()
    .max(4096)
    .optional()
    .describe('As: provider = openai and (status >= 400 or prop.feature in (search, "smart chat")). Fields: GET /api/fields.'),
  q: z.string().max(512).optional().describe('Text in previews, or all words of it in a body.'),
}

interface ScopeInput {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly filter?: string | undefined
  readonly q?: string | undefined
}

const msOf = (text: string): number => (/^\d+$/.test(text) ? Number(text) : Date.parse(text))

export const filterOf = (text: string | undefined): Filter | null => {
  try {
    return parseFilter(text ?? '')
  } catch (cause) {
    if (cause instanceof FilterError) throw new ApiError('bad_filter', cause.message, { param: 'filter', cause })
    throw cause
  }
}

/** @throws ApiError bad_parameter, bad_filter, missing_scope. */
export const askedOf = (asker: Asker, { from, to, filter, q }: ScopeInput, now: number): Asked => {
  const end = to === undefined ? now : msOf(to)
  const start = from === undefined ? end - dayMs : msOf(from)
  const refuse = (param: string, detail: string): never => {
    throw new ApiError('bad_parameter', detail, { param })
  }
  if (start < earliest || start > latest) refuse('from', 'from lies outside the years 2000 to 2200.')
  if (end < earliest || end > latest) refuse('to', 'to lies outside the years 2000 to 2200.')
  if (start >= end) refuse('from', 'from must lie before to.')
  if (end - start > longest) refuse('from', 'A question spans at most 800 days.')
  const looked = { filter: filterOf(filter), search: (q ?? '').trim() }
  checkLookedFor(asker, looked)
  return { period: { from: new Date(start), to: new Date(end) }, ...looked }
}

/** What was really read. */
export const periodOf = ({ period, source }: Scope): Period => ({
  from: period.from.toISOString(),
  to: period.to.toISOString(),
  source,
})

const steps = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 7 * 86_400]
const wantedSteps = 180

/** The finest step that gives at most 180 of them, in whole units of what will be read. */
export const stepFor = ({ period }: Pick<Asked, 'period'>, atLeastSeconds: number): number => {
  const seconds = (period.to.getTime() - period.from.getTime()) / 1000
  return steps.find((step) => step >= atLeastSeconds && seconds / step <= wantedSteps) ?? 7 * 86_400
}

/** @throws ApiError bad_parameter when the step is too fine for the period. */
export const checkedStep = ({ period }: Pick<Asked, 'period'>, step: number): number => {
  if ((period.to.getTime() - period.from.getTime()) / 1000 / step > maxSteps - 2)
    throw new ApiError(
      'bad_parameter',
      `A series has at most ${String(maxSteps - 2)} steps: choose a longer step or a shorter range.`,
      { param: 'step' },
    )
  return step
}

const place = z.tuple([
  z
    .string()
    .max(40)
    .regex(/^-?\d*(\.\d+)?$/),
  z.int().min(earliest).max(latest),
  z.uuid(),
])

/** A place in a list as text. It holds no secret, and whatever is put in its stead is checked. */
export const cursorOf = ({ value, atMs, id }: Place): string =>
  Buffer.from(JSON.stringify([value, atMs, id])).toString('base64url')

/** @throws ApiError bad_parameter. */
export const placeOf = (cursor: string, sorted: 'by value' | 'by time' | 'by whole number'): Place => {
  const refuse = (): never => {
    throw new ApiError('bad_parameter', 'The cursor is not one this list gave.', { param: 'cursor' })
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    return refuse()
  }
  const checked = place.safeParse(parsed)
  if (!checked.success) return refuse()
  const [value, atMs, id] = checked.data
  const form = { 'by time': /^$/, 'by value': /^-?\d{1,6}(\.\d{1,12})?$/, 'by whole number': /^-?\d{1,18}$/ }[sorted]
  return form.test(value) ? { value, atMs, id } : refuse()
}

const key = /^property:([^]{1,128})$/

/** `property:<key>`, or one of the words. @throws ApiError bad_parameter. */
export const groupOf = <T extends string>(
  text: string,
  words: readonly T[],
  param: string,
): { readonly word: T | 'property'; readonly property: string } => {
  const property = key.exec(text)?.[1]
  if (property !== undefined) return { word: 'property', property }
  const word = words.find((known) => known === text)
  if (word === undefined)
    throw new ApiError('bad_parameter', `${param} is not known. Accepted: ${words.join(', ')}, property:<key>.`, { param })
  return { word, property: '' }
}
