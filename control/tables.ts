import type { ColumnType } from 'kysely'

/** The tables of the control store, as the queries see them. Tenant first in each. */
export interface Tables {
  readonly saved_views: SavedViewsTable
}

export interface SavedViewsTable {
  readonly tenant_id: string
  readonly id: string
  readonly page: string
  readonly name: string
  /** Query string without `?`. */
  readonly query: string
  readonly created_at: ColumnType<Date, Date, Date>
}
