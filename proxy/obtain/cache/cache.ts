import type { KeyObject } from 'node:crypto'
import type { Config } from '../../../core/config.js'
import { WeirError } from '../../../core/errors.js'
import type { Admitted } from '../../admit/admit.js'
import { headersFor } from '../primary-headers.js'
import { bypassed, missed } from '../../cache-use.js'
import type { Reply } from '../../call.js'
import type { Client } from '../../client.js'
import type { Pricing } from '../../deliver/cost-in-answer.js'
import type { CacheAsked } from '../../identify/cache.js'
import type { CallRecord } from '../../record.js'
import type { CacheEntry, CacheStore, Found } from '../../state/cache-store.js'
import type { Obtain, Stage } from '../stage.js'
import { cacheKey } from './cache-key.js'
import { cachedTargets, isDrawn } from './cache-targets.js'
import { isCacheable } from './cacheable.js'
import { Flight, LeadersClient, type Joined } from './flight.js'
import { inTime } from './in-time.js'
import { replay } from './replay.js'
import { Saving, type CollectedBytes, type Place, type SavingDeps } from './saving.js'

export interface CacheDeps {
  readonly config: Config
  readonly store: CacheStore
  /** Of this installation; makes keys. */
  readonly secret: KeyObject
  readonly collected: CollectedBytes
  readonly pricing: Pricing
  readonly now: () => number
  readonly monotonic: () => number
}

/** A store that takes longer is passed by. */
const storeMs = 20

/** The calls under way that others may join, by key; the key tells the tenant. */
type Flights = Map<string, Flight>

/** One call on its way past the cache. */
interface Passing {
  readonly admitted: Admitted
  readonly record: CallRecord
  readonly client: Client
  readonly asked: CacheAsked
  readonly place: Place
}

/** The call is one to the target that answered: so it is shown, and so what it saved is priced. */
const isOf = (index: number, { chain }: Admitted, record: CallRecord): void => {
  const to = chain?.targets.find((each) => each.index === index)
  if (to === undefined || to.isOwn) return
  record.target = to.target
  if (record.asked !== null && to.model !== null) record.asked = { ...record.asked, model: to.model }
}

/**
 * Answers from the cache where a call asks for that, and keeps answers where it asks for that (routing.md §8). Fails open: whatever is
 * wrong with the store is a miss.
 *
 * @throws WeirError `policy_denied` (403): the scope is wider than the operator allows.
 */
export const cachedBy = (deps: CacheDeps): Stage => {
  const saving: SavingDeps = { ...deps, entryBytes: deps.config.cache.entry }
  const flights: Flights = new Map()
  const costs = new WeakMap<CacheEntry, string | null>()

  /** What the original cost, at the prices of now; worked out once. */
  const costOf = async (entry: CacheEntry, record: CallRecord): Promise<string | null> => {
    const tell = await deps.pricing()
    const [, usd = null] = tell(record, { outcome: 'complete', status: entry.status, error: null }) ?? []
    costs.set(entry, usd)
    return usd
  }

  const hit = async ({ entry, slot }: Found, { admitted, asked, record }: Passing): Promise<Reply> => {
    isOf(entry.target, admitted, record)
    const { reply, reader } = replay(entry, asked.replay)
    record.reader = reader
    const known = costs.get(entry)
    const costUsd = known === undefined ? await costOf(entry, record) : known
    const { id, totalMs, savedAt } = entry
    record.cache = {
      status: 'hit',
      replayed: { id, slot, ageMs: Math.max(0, deps.now() - savedAt), totalMs, costUsd, reader },
    }
    return reply
  }

  const follow = (joined: Exclude<Joined, string>, { admitted, record }: Passing): Reply => {
    const { leader, reader, reply, target } = joined
    isOf(target, admitted, record)
    record.cache = { status: 'hit', replayed: { id: leader, slot: 0, ageMs: 0, totalMs: null, costUsd: null, reader } }
    return reply
  }

  /** Obtains the answer and lets it be kept; whoever asks the same meanwhile gets it, too. */
  const lead = async (next: Obtain, { admitted, record, client, place }: Passing, flight: Flight | null): Promise<Reply> => {
    record.tap = new Saving(saving, place, record, flight)
    // Those who come back will be told what they saved.
    void deps.pricing()
    try {
      const reply = await next(admitted, record, flight === null ? client : new LeadersClient(client, flight))
      // What a later target answers is not what was asked for.
      if (reply.status === 200 && (isDrawn(admitted) || (record.attempts?.index ?? 0) === 0)) return reply
      record.tap = null
      flight?.failed()
      return reply
    } catch (cause) {
      record.tap = null
      flight?.failed()
      throw cause
    }
  }

  /** The same call may be under way: then its answer is waited for. */
  const together = async (next: Obtain, passing: Passing): Promise<Reply> => {
    const { tenant, key } = passing.place
    const name = `${tenant}/${key}`
    const under = flights.get(name)
    if (under === undefined) {
      const flight = new Flight(deps.config.cache.entry, () => {
        if (flights.get(name) === flight) flights.delete(name)
      })
      flights.set(name, flight)
      return await lead(next, passing, flight)
    }
    const joined = await under.join(passing.client)
    if (joined === 'lead') return await lead(next, passing, under)
    return joined === 'alone' ? await lead(next, passing, null) : follow(joined, passing)
  }

  const obtain = async (
    next: Obtain,
    asked: CacheAsked,
    admitted: Admitted,
    record: CallRecord,
    client: Client,
  ): Promise<Reply> => {
    const { call, target, body } = admitted
    if (asked.scope === 'tenant' && !deps.config.cache.shared)
      throw new WeirError(
        'policy_denied',
        'Weir-Cache-Scope: answers are not shared by a whole tenant here (cache.shared in weir.yaml).',
        { param: 'Weir-Cache-Scope' },
      )
    const userId = call.identity.userId ?? record.asked?.user ?? null
    const cacheable = isCacheable(admitted, record) && (asked.scope !== 'user' || userId !== null)
    const reads = asked.read === 'yes' && cacheable
    const saves = asked.save && cacheable && !call.identity.omitResponse
    if (asked.read !== 'no') record.cache = reads ? missed : bypassed
    if (!reads && !saves) return await next(admitted, record, client)
    const key = cacheKey(deps.secret, asked, {
      tenant: call.tenant,
      weirKey: call.weirKey,
      userId,
      method: call.method,
      ...cachedTargets(admitted),
      path: target.path,
      family: target.route.family,
      headers: headersFor(call, target),
      passesUsage: call.streamUsage === 'pass',
      body: body.head,
    })
    const { slots, maxAgeMs } = asked
    const passing = { admitted, record, client, asked, place: { tenant: call.tenant, key, slots, maxAgeMs } }
    if (reads) {
      const found = await inTime(deps.store.find(call.tenant, key, { slots, maxAgeMs }), storeMs)
      if (found !== null) return await hit(found, passing)
    }
    if (!saves) return await next(admitted, record, client)
    return reads && slots === 1 ? await together(next, passing) : await lead(next, passing, null)
  }

  return (next) => (admitted, record, client) => {
    const { cache } = admitted.call.steering
    return cache === null ? next(admitted, record, client) : obtain(next, cache, admitted, record, client)
  }
}
