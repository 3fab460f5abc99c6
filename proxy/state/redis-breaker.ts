import { hash } from 'node:crypto'
import type { TenantId } from '../../core/tenant.js'
import type { BreakerStore, CircuitFacts, CircuitState } from './breaker-store.js'
import { lookScript, noteScript, probeScript } from './circuit-scripts.js'
import { openMemoryBreaker } from './memory-breaker.js'
import type { RedisLink } from './redis-link.js'

interface Options {
  readonly link: RedisLink
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number
  /** Milliseconds, in the place of the clock of Redis; only tests know better than it. */
  readonly sharedNow?: () => number
}

/** A circuit that was not closed when it was last heard of. */
interface Standing {
  readonly tenant: TenantId
  readonly circuit: string
  /** On our clock; over = half open. */
  readonly openUntil: number
}

const states: readonly CircuitState[] = ['closed', 'open', 'half']
const mostStanding = 10_000

/** All circuits of a tenant lie in one slot of a cluster. What a caller wrote stands in no key: models have names of any length. */
const nameOf = (tenant: TenantId, circuit: string): string =>
  `weir:circuit:{${tenant}}:${hash('sha256', circuit, 'base64url').slice(0, 22)}`

/**
 * Circuits that any number of proxies share: what one finds out, all know. Each question is one script by the clock of Redis; what is
 * noted is waited for by nobody. This process keeps its own count beside it, and goes by that while Redis is away, is asked in vain, or
 * answers what cannot be understood.
 */
export const openRedisBreaker = ({ link, now, sharedNow }: Options): BreakerStore => {
  const own = openMemoryBreaker(now)
  const look = link.script('weirCircuitLook', lookScript)
  const probe = link.script('weirCircuitProbe', probeScript)
  const note = link.script('weirCircuitNote', noteScript)
  const at = (): number | string => sharedNow?.() ?? ''
  const standing = new Map<string, Standing>()

  /** Takes in a state and how long it lasts, as a script tells it. @throws TypeError */
  const heard = (tenant: TenantId, circuit: string, code: unknown, leftMs: unknown): CircuitState => {
    const state = typeof code === 'number' ? states[code] : undefined
    if (state === undefined || typeof leftMs !== 'number')
      throw new TypeError('Redis answered something else than was asked for.')
    const key = `${tenant} ${circuit}`
    standing.delete(key)
    if (state === 'closed') return state
    standing.set(key, { tenant, circuit, openUntil: now() + leftMs })
    const [oldest] = standing.keys()
    if (standing.size > mostStanding && oldest !== undefined) standing.delete(oldest)
    return state
  }
  const listOf = (answer: unknown): readonly unknown[] => {
    if (!Array.isArray(answer)) throw new TypeError('Redis answered something else than was asked for.')
    return answer
  }

  return {
    look: async (tenant, circuits) => {
      if (!link.isUp) return own.look(tenant, circuits)
      try {
        const keys = circuits.map((circuit) => nameOf(tenant, circuit))
        const found = listOf(await link.run(() => look(keys, [at()])))
        return circuits.map((circuit, i) => heard(tenant, circuit, found[2 * i], found[2 * i + 1]))
      } catch {
        return own.look(tenant, circuits)
      }
    },
    probe: async (tenant, circuit) => {
      if (!link.isUp) return own.probe(tenant, circuit)
      try {
        const [may, state, leftMs] = listOf(await link.run(() => probe([nameOf(tenant, circuit)], [at()])))
        heard(tenant, circuit, state, leftMs)
        return may === 1
      } catch {
        // A place that was taken behind the deadline and is not used lapses by itself.
        return own.probe(tenant, circuit)
      }
    },
    note: (tenant, circuit, health) => {
      own.note(tenant, circuit, health)
      if (!link.isUp) return
      const word = typeof health === 'string' ? health : health.openMs
      link
        .run(() => note([nameOf(tenant, circuit)], [at(), word]))
        .then((answer) => {
          const [state, leftMs] = listOf(answer)
          heard(tenant, circuit, state, leftMs)
        })
        .catch(() => undefined)
    },
    *standing(): Iterable<CircuitFacts> {
      if (!link.isUp) return yield* own.standing()
      const moment = now()
      for (const { tenant, circuit, openUntil } of standing.values())
        yield { tenant, circuit, state: moment < openUntil ? 'open' : 'half' }
    },
  }
}
