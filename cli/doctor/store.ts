import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { SchemaError } from '../../clickhouse/migrate.js'
import { openDb, serverAddress, serverFault } from '../../clickhouse/open.js'
import { engineVersion } from '../../clickhouse/queries/engine-version.js'
import type { Config } from '../../core/config.js'
import { causesOfTeller, wordOf, type Cause } from '../../core/health-causes.js'
import type { FolderOwner } from '../../core/folder-lock.js'
import { urlOf } from '../listen.js'
import { sentenceOf } from '../start-error.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'

/** The hub owns the store; it is asked instead, and says what is degraded: a check for each cause that is not the proxy's. */
const askHub = async (url: string, secret: string | null): Promise<readonly Check[]> => {
  const { ok, warn, fail } = verdicts('store')
  try {
    const answer = await fetch(`${url}/api/health`, {
      signal: AbortSignal.timeout(3000),
      headers: secret === null ? {} : { authorization: `Bearer ${secret}` },
    })
    if (answer.status === 401) return [ok(`held by the running hub at ${url}, which wants the admin secret to say more`)]
    const { causes = [] } = (await answer.json()) as { causes?: readonly Cause[] }
    const own = causes.filter(({ cause }) => ofHub.has(wordOf(cause).word))
    if (own.length === 0) return [ok(`held by the running hub at ${url}`)]
    return own.map(({ cause, effect, advice }) => warn(`${cause}: ${effect}`, advice))
  } catch (cause) {
    return [
      fail(
        `the hub does not answer at ${url} (${sentenceOf(cause)})`,
        'Its log says why; `weir start` starts it anew by itself.',
      ),
    ]
  }
}

const ofHub = new Set<string>([...causesOfTeller('ingest'), ...causesOfTeller('web')].map(({ word }) => word))

const made = (dir: string): Promise<boolean> =>
  access(dir).then(
    () => true,
    () => false,
  )

/** Opens the store as a start would, but changes nothing. */
const look = async (config: Config): Promise<Check> => {
  const { ok, fail } = verdicts('store')
  const { clickhouseUrl } = config
  try {
    const db = await openDb(config, { schema: 'await' })
    const version = await engineVersion(db)
    await db.close()
    const named =
      clickhouseUrl === null ? `embedded engine ${version}` : `ClickHouse ${version} at ${serverAddress(clickhouseUrl)}`
    return ok(`${named}, schema up to date`)
  } catch (cause) {
    if (cause instanceof SchemaError && cause.kind === 'behind')
      return ok('ClickHouse server; the next start of ingest brings its tables up to date')
    if (clickhouseUrl === null || cause instanceof SchemaError) return fail(sentenceOf(cause), 'The sentence says what to do.')
    return fail(
      `The ClickHouse server at ${serverAddress(clickhouseUrl)} cannot be used. ${serverFault(cause)}`,
      'Start it, or correct CLICKHOUSE_URL; calls go on meanwhile and wait in the log.',
    )
  }
}

/**
 * Looks at the store; when the hub has the embedded one open, asks the hub. A server takes whoever asks, whatever runs here: it is looked at,
 * and the hub is asked beside it. A folder that was never made is left unmade.
 */
export const checkAnalytics = async (config: Config, owner: FolderOwner | null): Promise<readonly Check[]> => {
  const { ok, fail } = verdicts('store')
  const asked = owner === null || config.webPort === 0 ? [] : await askHub(urlOf(config.host, config.webPort), config.adminSecret)
  if (config.clickhouseUrl !== null) return [await look(config), ...asked.filter(({ state }) => state !== 'ok')]
  if (owner !== null) return asked.length > 0 ? asked : [ok(`held by the running hub, process ${owner.pid}`)]
  if (await made(join(config.dataDir, 'chdb'))) return [await look(config)]
  try {
    await import('chdb')
    return [ok('embedded engine; made at the first start')]
  } catch (cause) {
    return [
      fail(
        `the embedded engine cannot be loaded (${sentenceOf(cause)})`,
        'Run npm ci again on this machine, or set CLICKHOUSE_URL to a ClickHouse server.',
      ),
    ]
  }
}
