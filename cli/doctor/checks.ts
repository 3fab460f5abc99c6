import { join } from 'node:path'
import type { Config } from '../../core/config.js'
import type { FolderOwner } from '../../core/folder-lock.js'
import { ownerOf } from '../../core/folder-lock.js'
import { openPriceBook } from '../../core/prices/book.js'
import { proxyPorts } from '../house.js'
import { urlOf } from '../listen.js'
import { sentenceOf } from '../start-error.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'
import { checkClock } from './clock.js'
import { checkDataFolder, checkDisk } from './data-folder.js'
import { checkDestination } from './destination.js'
import { checkKafka } from './kafka.js'
import { checkKeys } from './keys.js'
import { checkNode, checkOpenFiles } from './node.js'
import { checkPort } from './port.js'
import { checkPrices } from './prices.js'
import { checkProxy } from './proxy.js'
import { checkIngest } from './ingest.js'
import { checkAnalytics } from './store.js'
import { checkUnpriced } from './unpriced.js'

interface Options {
  readonly load: () => Config
  readonly tell: (check: Check) => void
  readonly now: () => number
}

/** Whether a Weir runs on this data folder; its ports are then taken by right. */
const runningOn = async (dataDir: string): Promise<FolderOwner | null> => {
  try {
    return await ownerOf(join(dataDir, 'journal', 'consumer'))
  } catch {
    return null
  }
}

/** All checks, in the order in which a start would meet the faults; each is told as soon as it is known. */
export const doctorChecks = async ({ load, tell, now }: Options): Promise<void> => {
  tell(checkNode(process.versions.node))
  tell(checkOpenFiles())
  const configuration = verdicts('configuration')
  let config: Config
  try {
    config = load()
    tell(configuration.ok(config.file === null ? 'no weir.yaml, the defaults hold' : `${config.file} is in order`))
  } catch (cause) {
    return tell(configuration.fail(sentenceOf(cause), 'Mend the file or the variable; `weir config --check` looks again.'))
  }
  tell(checkKeys(config, now()))
  const { dataDir, host, clickhouseUrl } = config
  const owner = await runningOn(dataDir)
  tell(await checkDataFolder(dataDir, owner))
  tell(await checkDisk(dataDir))
  tell(await checkClock(dataDir, now()))
  const places = [
    ['proxy', config.proxyPort, 'WEIR_PROXY_PORT'],
    ['web', config.webPort, 'WEIR_WEB_PORT'],
    ...(clickhouseUrl === null ? [['sql', config.sqlPort, 'WEIR_SQL_PORT'] as const] : []),
  ] as const
  for (const [name, port, variable] of places) tell(await checkPort(name, { port, host, variable }, owner !== null))
  const local = owner === null || config.proxyPort === 0 ? [] : proxyPorts(config).map((port) => urlOf(host, port))
  for (const url of new Set([...local, ...config.proxiesUrls]))
    for (const check of await checkProxy(url, config.adminSecret)) tell(check)
  if (config.ingestUrl !== null)
    for (const check of await checkIngest({ url: config.ingestUrl, token: config.adminSecret })) tell(check)
  for (const check of await checkKafka(config)) tell(check)
  for (const check of await checkAnalytics(config, owner)) tell(check)
  if (config.redisUrl !== null) tell(await (await import('./redis.js')).checkRedis(config.redisUrl))
  if (config.databaseUrl !== null) tell(await (await import('./postgres.js')).checkPostgres(config.databaseUrl))
  tell(checkPrices(now(), openPriceBook(config.prices).id))
  tell(await checkUnpriced(config, owner, now()))
  for (const destination of config.exports) tell(await checkDestination(destination))
}
