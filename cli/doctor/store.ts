import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { SchemaError } from '../../clickhouse/migrate.js'
import { openDb } from '../../clickhouse/open.js'
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

/** Opens the store as a start would; when the hub has it open, asks the hub. A folder that was never made is left unmade. */
export const checkAnalytics = async (config: Config, owner: FolderOwner | null): Promise<readonly Check[]> => {
  const { ok, fail } = verdicts('store')
  if (owner !== null && config.webPort !== 0) return askHub(urlOf(config.host, config.webPort), config.adminSecret)
  if (owner !== null) return [ok(`held by the running hub, process ${owner.pid}`)]
  const embedded = config.clickhouseUrl === null
  if (embedded && !(await made(join(config.dataDir, 'chdb')))) {
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
  try {
    const db = await openDb(config, { schema: 'await' })
    const version = await engineVersion(db)
    await db.close()
    return [ok(`${embedded ? 'embedded engine' : 'ClickHouse server'} ${version}, schema up to date`)]
  } catch (cause) {
    if (cause instanceof SchemaError && cause.kind === 'behind')
      return [ok('ClickHouse server; the next start of ingest brings its tables up to date')]
    return [
      fail(
        sentenceOf(cause),
        embedded ? 'The sentence says what to do.' : 'Check CLICKHOUSE_URL, its user and password, and that the server runs.',
      ),
    ]
  }
}
