import type { TenantId } from '../../core/tenant.js'
import type { ControlDb } from '../store.js'

export interface SavedView {
  readonly id: string
  readonly name: string
  readonly page: string
  readonly query: string
  readonly createdAt: string
}

/** More than a person can look through; keeps the table bounded. */
export const maxSavedViews = 500

const columns = ['id', 'name', 'page', 'query', 'created_at'] as const
interface Row {
  readonly id: string
  readonly name: string
  readonly page: string
  readonly query: string
  readonly created_at: Date
}
const viewOf = ({ id, name, page, query, created_at }: Row): SavedView => ({
  id,
  name,
  page,
  query,
  createdAt: created_at.toISOString(),
})

/** The saved views, by name. */
export const savedViews = async (db: ControlDb, tenant: TenantId): Promise<SavedView[]> => {
  const rows = await db
    .selectFrom('saved_views')
    .select(columns)
    .where('tenant_id', '=', tenant)
    .orderBy('name')
    .orderBy('page')
    .limit(maxSavedViews)
    .execute()
  return rows.map(viewOf)
}

/**
 * Saves a view. One of the same name on the same page is replaced and keeps its id.
 *
 * @returns `null` when there are `maxSavedViews` already.
 */
export const saveView = async (db: ControlDb, tenant: TenantId, view: SavedView): Promise<SavedView | null> =>
  db.transaction().execute(async (step) => {
    const { taken } = await step
      .selectFrom('saved_views')
      .select(({ fn }) => fn.countAll<string>().as('taken'))
      .where('tenant_id', '=', tenant)
      .where((row) => row.or([row('name', '!=', view.name), row('page', '!=', view.page)]))
      .executeTakeFirstOrThrow()
    if (Number(taken) >= maxSavedViews) return null
    const row = await step
      .insertInto('saved_views')
      .values({
        tenant_id: tenant,
        id: view.id,
        name: view.name,
        page: view.page,
        query: view.query,
        created_at: new Date(view.createdAt),
      })
      .onConflict((same) =>
        same.columns(['tenant_id', 'page', 'name']).doUpdateSet({ query: view.query, created_at: new Date(view.createdAt) }),
      )
      .returning(columns)
      .executeTakeFirstOrThrow()
    return viewOf(row)
  })

/** @returns false when there is no such view. */
export const deleteView = async (db: ControlDb, tenant: TenantId, id: string): Promise<boolean> => {
  const { numDeletedRows } = await db
    .deleteFrom('saved_views')
    .where('tenant_id', '=', tenant)
    .where('id', '=', id)
    .executeTakeFirst()
  return numDeletedRows > 0n
}
