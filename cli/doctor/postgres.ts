import type { Client } from 'pg'
import { postgresFault } from '../postgres-fault.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'

const answerMs = 5000
const oldestMajor = 13

/** What is wrong with a Postgres that answers. */
const judge = async (client: Client, where: string): Promise<Check> => {
  const { ok, warn, fail } = verdicts('database')
  const { rows } = await client.query<{ version: string; makes: boolean; readonly: string }>(
    `SELECT current_setting('server_version') AS version, coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS makes,
       current_setting('transaction_read_only') AS readonly`,
  )
  const [{ version = '', makes = false, readonly = '' } = {}] = rows
  const told = `Postgres ${version.split(' ', 1)[0] ?? ''} at ${where}`
  if (Number.parseInt(version, 10) < oldestMajor) return warn(`${told} is old`, `Use Postgres ${oldestMajor} or newer.`)
  if (readonly === 'on') return fail(`${told} takes no writes`, 'Let DATABASE_URL name the primary.')
  if (!makes)
    return warn(
      `${told}; its user may not make tables`,
      'Grant CREATE on the schema to the user of DATABASE_URL, at least for the next start after an upgrade.',
    )
  return ok(told)
}

/** Asks the Postgres of DATABASE_URL; nothing is written. */
export const checkPostgres = async (url: string): Promise<Check> => {
  const { fail } = verdicts('database')
  const { host, pathname } = new URL(url)
  const where = `${host}${pathname}`
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: answerMs, query_timeout: answerMs })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await judge(client, where)
  } catch (cause) {
    return fail(
      `The Postgres at ${where} cannot be used. ${postgresFault(cause)}`,
      'Start it, or correct DATABASE_URL; calls go on meanwhile, saved views are away.',
    )
  } finally {
    await client.end().catch(() => undefined)
  }
}
