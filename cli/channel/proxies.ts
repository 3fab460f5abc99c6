import { z } from 'zod'
import type { Config } from '../../core/config.js'
import { causeOf, type Cause } from '../../core/health-causes.js'
import type { ProxyFacts } from '../../core/internal/facts.js'
import type { TenantId } from '../../core/tenant.js'
import type { Health, ProxyState } from '../../web/api/contract.js'
import { askProxy } from './ask-proxy.js'
import { askRole, type RoleAddress } from './ask-role.js'
import { feedControl } from './control-feed.js'

/** What all proxies say of themselves, each by its name and together. */
export interface ProxiesFacts {
  readonly causes: readonly Cause[]
  /** Of all journals together, without the lag, which ingest knows; `null` when no proxy answers. */
  readonly journal: Omit<NonNullable<Health['journal']>, 'lagBytes'> | null
  readonly proxies: readonly ProxyState[]
}

/** The proxies of this house, as hub and web see them. */
export interface Proxies {
  /** Never throws: a proxy that does not answer is a cause, too. */
  facts(): Promise<ProxiesFacts>
  /** Forgets the kept answers of a tenant everywhere. @returns How many, and which proxies did not do it. */
  purge(tenant: TenantId): Promise<{ readonly removed: number; readonly failed: readonly string[] }>
  /** weir.yaml was read anew. */
  changed(config: Config): void
  stop(): void
}

interface Options {
  readonly config: Config
  /** Where those on this machine answer. */
  readonly local: readonly string[]
  readonly now: () => number
  readonly log: { warn(message: string): void }
}

const removedOf = z.object({ removed: z.number() })

const journalOf = (all: readonly ProxyFacts[]): ProxiesFacts['journal'] => {
  const folders = new Map<string, { bytes: number; limitBytes: number }>()
  let dropped = 0
  for (const [i, { journal, folder }] of all.entries()) {
    if (journal === null) continue
    folders.set(folder ?? String(i), journal)
    dropped += journal.dropped
  }
  if (folders.size === 0) return null
  const sum = (of: 'bytes' | 'limitBytes'): number => [...folders.values()].reduce((total, each) => total + each[of], 0)
  return { bytes: sum('bytes'), limitBytes: sum('limitBytes'), dropped }
}

/** Begins to tell every proxy what weir.yaml says. */
export const openProxies = ({ config, local, now, log }: Options): Proxies => {
  const all: readonly RoleAddress[] = [
    ...local.map((url) => ({ url, token: config.channelToken ?? config.adminSecret })),
    ...config.proxiesUrls.filter((url) => !local.includes(url)).map((url) => ({ url, token: config.adminSecret })),
  ]
  const feeds = all.filter(({ token }) => token !== null).map((proxy) => feedControl({ proxy, config, now, log }))

  const stateOf = (url: string, told: ProxyFacts | string): ProxyState => {
    const facts = typeof told === 'string' ? null : told
    return {
      name: facts?.name ?? new URL(url).host,
      url,
      answers: facts !== null,
      causes: facts?.causes ?? [causeOf('proxy_unreachable', String(told))],
      inFlight: facts?.inFlight ?? null,
      breakers: facts?.breakers ?? [],
      limits: facts?.limits ?? null,
      journal: facts?.journal ?? null,
      shipping: facts?.shipping ?? null,
      control: facts?.control ?? null,
    }
  }

  return {
    async facts() {
      const told = await Promise.all(all.map(async (proxy) => ({ proxy, facts: await askProxy(proxy) })))
      const proxies = told.map(({ proxy, facts }) => stateOf(proxy.url, facts))
      const named = (name: string, { effect, ...cause }: Cause): Cause => ({
        ...cause,
        effect: proxies.length > 1 ? `${name}: ${effect}` : effect,
      })
      return {
        causes: proxies.flatMap(({ name, causes }) => causes.map((cause) => named(name, cause))),
        journal: journalOf(told.flatMap(({ facts }) => (typeof facts === 'string' ? [] : [facts]))),
        proxies,
      }
    },
    async purge(tenant) {
      let removed = 0
      const failed: string[] = []
      await Promise.all(
        all.map(async (proxy) => {
          try {
            const question = { method: 'POST', path: '/internal/cache/purge', body: { tenant }, timeoutMs: 30_000 } as const
            const told = removedOf.parse(await askRole(proxy, question))
            removed += told.removed
          } catch {
            failed.push(proxy.url)
          }
        }),
      )
      return { removed, failed }
    },
    changed: (next) => feeds.forEach((feed) => feed.changed(next)),
    stop: () => feeds.forEach((feed) => feed.stop()),
  }
}
