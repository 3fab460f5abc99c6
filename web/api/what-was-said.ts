import { fieldsOf } from '../../clickhouse/queries/filter-sql.js'
import type { Filter } from '../../core/filter.js'
import type { Asker } from './asker.js'
import { ApiError } from './problems.js'

/** Fields of the grammar that hold a piece of what was asked or answered. */
const saidFields: readonly string[] = ['input', 'output']

/** A row as the asker may see it: the beginnings of what was said are for who may read bodies. */
export const shownTo = <R extends { readonly inputPreview: string; readonly outputPreview: string }>(asker: Asker, row: R): R =>
  asker.has('read-bodies') ? row : { ...row, inputPreview: '', outputPreview: '' }

/** Whoever may not read what was said may not look for words in it either: the answer would tell. @throws ApiError missing_scope. */
export const checkLookedFor = (
  asker: Asker,
  { filter, search }: { readonly filter: Filter | null; readonly search: string },
): void => {
  if (asker.has('read-bodies')) return
  const said = filter === null ? undefined : fieldsOf(filter).find((field) => saidFields.includes(field))
  if (search === '' && said === undefined) return
  const param = search === '' ? 'filter' : 'q'
  const how = search === '' ? `The filter's field ${said ?? ''}` : 'A search'
  throw new ApiError('missing_scope', `${how} looks into what was said, for which the key lacks the scope read-bodies.`, {
    param,
  })
}
