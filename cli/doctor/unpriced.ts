import { openDb } from '../../clickhouse/open.js'
import { unpricedCalls } from '../../clickhouse/queries/unpriced-calls.js'
import type { Config } from '../../core/config.js'
import type { FolderOwner } from '../../core/folder-lock.js'
import { defaultTenant, tenantId, type TenantId } from '../../core/tenant.js'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { urlOf } from '../listen.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'

const days = 7
const dayMs = 86_400_000
const named = 5

interface Found {
  readonly provider: string
  readonly model: string
  readonly reason: string
  readonly requests: number
}

/** Tenants that calls may be of now: callers without a key of the file are `default`. */
const tenantsOf = ({ keys }: Config): readonly TenantId[] => [
  ...new Set([defaultTenant, ...keys.map(({ tenant }) => tenantId(tenant))]),
]

const askHub = async (config: Config, tenant: TenantId, now: number): Promise<readonly Found[] | null> => {
  const query = new URLSearchParams({ tenant, from: String(now - days * dayMs), to: String(now) })
  const answer = await fetch(`${urlOf(config.host, config.webPort)}/api/unpriced?${query.toString()}`, {
    signal: AbortSignal.timeout(5000),
    headers: config.adminSecret === null ? {} : { authorization: `Bearer ${config.adminSecret}` },
  })
  return answer.ok ? ((await answer.json()) as { models: Found[] }).models : null
}

const askStore = async (config: Config, now: number): Promise<readonly Found[] | null> => {
  if (config.clickhouseUrl === null) {
    const made = await access(join(config.dataDir, 'chdb')).then(
      () => true,
      () => false,
    )
    if (!made) return []
  }
  const db = await openDb(config, { schema: 'await' })
  try {
    const found: Found[] = []
    for (const tenant of tenantsOf(config))
      found.push(...(await unpricedCalls(db, tenant, { from: new Date(now - days * dayMs), to: new Date(now) })))
    return found
  } finally {
    await db.close()
  }
}

/** `null` = the hub does not say, for one of them at least. */
const askHubForAll = async (config: Config, now: number): Promise<readonly Found[] | null> => {
  const found: Found[] = []
  for (const tenant of tenantsOf(config)) {
    const some = await askHub(config, tenant, now)
    if (some === null) return null
    found.push(...some)
  }
  return found
}

/** Which calls of the last days have no price: each is money that no sum shows. */
export const checkUnpriced = async (config: Config, owner: FolderOwner | null, now: number): Promise<Check> => {
  const { ok, warn } = verdicts('unpriced')
  try {
    if (owner !== null && config.webPort === 0) return ok('known to the running hub')
    const found = owner === null ? await askStore(config, now) : await askHubForAll(config, now)
    if (found === null) return ok('known to the running hub, which wants the admin secret to say more')
    const calls = found.reduce((sum, { requests }) => sum + requests, 0)
    if (calls === 0) return ok(`every call of the last ${days} days has a price`)
    const list = found
      .slice(0, named)
      .map(
        ({ provider, model, reason, requests }) => `${provider}/${model === '' ? '(no model)' : model} ${requests} (${reason})`,
      )
    const more = found.length > named ? `, and ${found.length - named} more` : ''
    return warn(
      `${calls} ${calls === 1 ? 'call' : 'calls'} of the last ${days} days ${calls === 1 ? 'has' : 'have'} no price: ${list.join(', ')}${more}`,
      'Give them one under prices in weir.yaml (docs/prices.md), then run weir reprice --from ... --to ...',
    )
  } catch {
    return ok('not looked at: the store does not answer')
  }
}
