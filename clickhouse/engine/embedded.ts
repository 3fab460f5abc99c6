import { Session, drainPending } from 'chdb'
import { mkdir } from 'node:fs/promises'
import { acquireFolderLock } from '../../core/folder-lock.js'
import { DbError, type Db, type Params } from '../db.js'
import { questionMemoryBytes, writeEngineConfig } from './embedded-config.js'
import { insertSettings } from './insert-settings.js'
import { boundParams, sqlString, wireText } from './bound-params.js'
import { passGate } from './pass-gate.js'
import { inTurn } from './in-turn.js'

interface Question {
  readonly sql: string
  readonly format: string
  readonly wireParams: Readonly<Record<string, string>>
  readonly limits: Limits
}

interface Limits {
  readonly seconds: number
  readonly rows: number
  /** 1: no setting can be changed. 2: a question of ours may end in SETTINGS. Neither writes. */
  readonly readonly: 1 | 2
}

const ourLimits: Limits = { seconds: 10, rows: 10_000, readonly: 2 }

const settingsOf = ({ seconds, rows, readonly }: Limits, wireParams: Question['wireParams']): string[] => [
  `max_execution_time=${seconds}`,
  `max_result_rows=${rows}`,
  `max_memory_usage=${questionMemoryBytes}`,
  `max_bytes_before_external_group_by=${questionMemoryBytes / 2}`,
  `max_bytes_before_external_sort=${questionMemoryBytes / 2}`,
  `readonly=${readonly}`,
  ...Object.entries(wireParams).map(([name, text]) => {
    if (!/^\w+$/.test(name))
      throw new DbError(36, `Code: 36. DB::Exception: ${JSON.stringify(name)} is not a parameter's name. (BAD_ARGUMENTS)`)
    return `param_${name}=${sqlString(text)}`
  }),
]

const wired = (sql: string, params: Params): Record<string, string> =>
  Object.fromEntries(Object.entries(boundParams(sql, params)).map(([name, value]) => [name, wireText(value)]))

const failure = (cause: unknown): DbError => {
  if (cause instanceof DbError) return cause
  const { message, clickhouseCode } = cause as { message?: string; clickhouseCode?: number }
  const text = (message ?? String(cause)).replace(/^(Code: \d+\. DB::Exception: )\1/, '$1')
  return new DbError(clickhouseCode ?? 0, text, { cause })
}

const parseLines = <T>(text: string): T[] => (text === '' ? [] : (JSON.parse(`[${text.trimEnd().replaceAll('\n', ',')}]`) as T[]))

/**
 * chDB in this process, with the folder to itself.
 *
 * Reading opens a session of its own each time (1 ms): sessions run one query at a time, so that a slow one would hold
 * up the rest, and limits and parameters that were SET stay with the session they were set in.
 *
 * @throws FolderOwnedError when another process has the folder open: chDB would corrupt it without a word.
 */
export const openEmbedded = async (dir: string): Promise<Db> => {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const lock = await acquireFolderLock(dir)
  let openSession: () => Session
  let writer: Session
  try {
    const connectionArgs = await writeEngineConfig(dir)
    openSession = () => new Session(dir, { connectionArgs })
    writer = openSession()
  } catch (cause) {
    await lock.release()
    throw failure(cause)
  }
  const ourTurn = inTurn(2)
  const guestTurn = inTurn(1)
  let closed: Promise<void> | null = null

  const read = async ({ sql, format, wireParams, limits }: Question) => {
    if (closed !== null) throw new DbError(0, 'The database is closed.')
    const session = openSession()
    try {
      await session.queryAsync(`SET ${settingsOf(limits, wireParams).join(', ')}`)
      return await session.queryAsync(sql, { format })
    } catch (cause) {
      throw failure(cause)
    } finally {
      session.close()
    }
  }

  const write = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closed !== null) throw new DbError(0, 'The database is closed.')
    try {
      return await work()
    } catch (cause) {
      throw failure(cause)
    }
  }

  const close = async (): Promise<void> => {
    writer.close()
    // A connection that goes while the engine still works for it takes the process down with SIGSEGV.
    await drainPending()
    await lock.release()
  }

  return {
    rows: <T>(name: string, sql: string, params: Params = {}) =>
      ourTurn(async () => {
        const question = { sql: `/* ${name} */ ${sql}`, format: 'JSONEachRow', wireParams: wired(sql, params), limits: ourLimits }
        return parseLines<T>((await read(question)).text())
      }),
    raw: (text, { format, params, wireParams = {}, maxSeconds = 10 }) =>
      guestTurn(async () => {
        const sql = passGate(text)
        const limits = { seconds: maxSeconds, rows: 10_000, readonly: 1 } as const
        const result = await read({ sql, format, wireParams: { ...wired(sql, params), ...wireParams }, limits })
        return {
          bytes: result.bytes(),
          elapsedMs: result.elapsed * 1000,
          rowsRead: result.rowsRead,
          bytesRead: result.bytesRead,
        }
      }),
    exec: (sql) =>
      write(async () => {
        await writer.queryAsync(sql)
      }),
    insert: (table, lines, token) =>
      write(async () => {
        await writer.insert({ table, values: lines, format: 'JSONEachRow', settings: insertSettings(token) })
      }),
    close: () => (closed ??= close()),
  }
}
