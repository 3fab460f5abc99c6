/** Values for `{name:Type}` parameters. Arrays and maps are written in ClickHouse's own literal form by the engine. */
export type Params = Readonly<Record<string, string | number | bigint | boolean | Date | readonly string[] | null>>

export interface RawResult {
  readonly bytes: Uint8Array
  readonly elapsedMs: number
  readonly rowsRead: number
  readonly bytesRead: number
}

export interface RawOptions {
  readonly format: string
  readonly params: Params
  /** Parameters as a ClickHouse client sent them (`param_*`), escaped already; they win over `params`. */
  readonly wireParams?: Readonly<Record<string, string>>
  readonly maxSeconds?: number
}

/** The analytics store: chDB in this process, or a ClickHouse server. Both speak the same dialect. */
export interface Db {
  /**
   * Rows of one question. 64-bit integers and decimals arrive as strings.
   *
   * @param name Tags the query in `system.query_log`: kebab-case, the name of the question.
   * @throws DbError with the engine's code and text.
   */
  rows<T>(name: string, sql: string, params?: Params): Promise<T[]>
  /**
   * One answer in a ClickHouse format, for SQL a user wrote. Read-only, limited to 10,000 rows; the text passes the gate
   * (`front/gate.ts`) first.
   */
  raw(sql: string, options: RawOptions): Promise<RawResult>
  /** A statement without an answer (migrations, chores). */
  exec(sql: string): Promise<void>
  /** Inserts JSONEachRow lines. The same token twice inserts once, roll-ups included. */
  insert(table: string, lines: Buffer, token: string): Promise<void>
  close(): Promise<void>
}

export class DbError extends Error {
  /** ClickHouse's error code (60 = unknown table ...); 0 when the engine did not say. */
  readonly code: number
  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DbError'
    this.code = code
  }
}
