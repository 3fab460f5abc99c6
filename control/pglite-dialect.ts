import type { PGlite } from '@electric-sql/pglite'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely'

/** PGlite has one connection: whoever holds it (a transaction, a query) goes first, the others wait their turn. */
class PGliteDriver implements Driver {
  private turn: Promise<void> = Promise.resolve()
  private done = new Map<DatabaseConnection, () => void>()
  constructor(private readonly pg: PGlite) {}

  async init(): Promise<void> {
    await this.pg.waitReady
  }
  async acquireConnection(): Promise<DatabaseConnection> {
    const before = this.turn
    let release = (): void => undefined
    this.turn = new Promise((resolve) => (release = resolve))
    await before
    const connection: DatabaseConnection = {
      executeQuery: async <R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> => {
        const { rows, affectedRows } = await this.pg.query<R>(sql, [...parameters])
        return affectedRows === undefined ? { rows } : { rows, numAffectedRows: BigInt(affectedRows) }
      },
      streamQuery: () => {
        throw new Error('PGlite does not stream.')
      },
    }
    this.done.set(connection, release)
    return connection
  }
  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('BEGIN'))
  }
  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('COMMIT'))
  }
  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('ROLLBACK'))
  }
  releaseConnection(connection: DatabaseConnection): Promise<void> {
    this.done.get(connection)?.()
    this.done.delete(connection)
    return Promise.resolve()
  }
  async destroy(): Promise<void> {
    await this.pg.close()
  }
}

/** Kysely over PGlite, in the PostgreSQL dialect: queries are the same as on a server. */
export const pgliteDialect = (pg: PGlite): Dialect => ({
  createAdapter: () => new PostgresAdapter(),
  createDriver: () => new PGliteDriver(pg),
  createQueryCompiler: () => new PostgresQueryCompiler(),
  createIntrospector: (db) => new PostgresIntrospector(db),
})
