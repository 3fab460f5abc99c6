import { Pool } from 'undici'
import type { Target } from '../call.js'
import { guardedConnector } from './guard/connector.js'
import type { Guard } from './guard/guard.js'

/** What a pool is for. */
export type Addressed = Pick<Target, 'origin' | 'byCaller'>

export interface Pools {
  /** The pool for a target; made on first use. */
  of(target: Addressed): Pool
  /** A pool whose sockets serve once: for a resend that must not meet another stale connection. */
  unshared(target: Addressed): Pool
  close(): Promise<void>
}

interface PoolRules {
  readonly connectMs: number
  /** Of the head of an answer; a longer one is none. */
  readonly headerBytes: number
  readonly guard: Guard
}

const mostPools = 512
/** Of addresses that callers gave. */
const mostOfCallers = 128

/**
 * Connections to upstreams, one pool an origin: unlimited, unpipelined, kept 4 s (a peer's own `Keep-Alive` counts, less 1 s). A socket to
 * an address that a caller gave serves once, and meets no socket of a provider's. No timeout of undici's is left on: `deadlines.ts` rules.
 * The least recently used pool goes when there are 512, of callers' 128.
 */
export const openPools = ({ connectMs, headerBytes, guard }: PoolRules): Pools => {
  const pools = new Map<string, Pool>()
  const ofCallers = new Map<string, Pool>()
  const open = ({ origin, byCaller }: Addressed, pipelining: 0 | 1): Pool =>
    new Pool(origin, {
      connections: null,
      pipelining,
      keepAliveTimeout: 4000,
      keepAliveMaxTimeout: 600_000,
      keepAliveTimeoutThreshold: 1000,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: headerBytes,
      connect: guardedConnector(guard, origin, guard.reachOf(origin, byCaller === true), connectMs),
      allowH2: false,
    })
  const dropOldest = (of: Map<string, Pool>, most: number): void => {
    const [oldest] = of
    if (of.size < most || oldest === undefined) return
    of.delete(oldest[0])
    void oldest[1].close()
  }
  const look = (target: Addressed, key: string, pipelining: 0 | 1): Pool => {
    let pool = pools.get(key)
    if (pool === undefined) {
      pool = open(target, pipelining)
      dropOldest(pools, mostPools)
    } else if (pools.size > 64) pools.delete(key)
    pools.set(key, pool)
    return pool
  }
  const lookForCaller = (target: Addressed): Pool => {
    const found = ofCallers.get(target.origin)
    if (found === undefined) dropOldest(ofCallers, mostOfCallers)
    else ofCallers.delete(target.origin)
    const pool = found ?? open(target, 0)
    ofCallers.set(target.origin, pool)
    return pool
  }
  return {
    of: (target) => (target.byCaller === true ? lookForCaller(target) : look(target, target.origin, 1)),
    unshared: (target) => (target.byCaller === true ? lookForCaller(target) : look(target, `unshared ${target.origin}`, 0)),
    close: async () => {
      await Promise.all([...pools.values(), ...ofCallers.values()].map((pool) => pool.destroy()))
      pools.clear()
      ofCallers.clear()
    },
  }
}
