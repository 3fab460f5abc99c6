import { type Kysely, type Migration, sql } from 'kysely'

/** Views saved in the UI: a page and its query string under a name. */
export const savedViews: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema
      .createTable('saved_views')
      .ifNotExists()
      .addColumn('tenant_id', 'text', (column) => column.notNull())
      .addColumn('id', 'uuid', (column) => column.notNull())
      .addColumn('page', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('query', 'text', (column) => column.notNull())
      .addColumn('created_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
      .addPrimaryKeyConstraint('saved_views_pk', ['tenant_id', 'id'])
      .addUniqueConstraint('saved_views_name', ['tenant_id', 'page', 'name'])
      .execute()
  },
}
