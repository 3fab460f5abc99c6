import { Pool } from 'undici'

export interface Pools {
  /** The pool of an origin; made on first use. */
  of(origin: string): Pool
  /** A pool whose sockets serve once: for a resend that must not meet another stale connection. */
  unshared(origin: string): Pool
  close(): Promise<void>
}

const mostPools = 512

/**
 * Connections to upstreams, one pool an origin: unlimited, unpipelined, kept 4 s (a peer's own `Keep-Alive` counts, less 1 s).
 * No timeout of undici's is left on: `deadlines.ts` rules. The least recently used pool goes when there are 512.
 */
export const openPools = (connectMs: number): Pools => {
  const pools = new Map<string, Pool>()
  const look = (origin: string, key: string, pipelining: 0 | 1): Pool => {
    let pool = pools.get(key)
    if (pool === undefined) {
      pool = new Pool(origin, {
        connections: null,
        pipelining,
        keepAliveTimeout: 4000,
        keepAliveMaxTimeout: 600_000,
        keepAliveTimeoutThreshold: 1000,
        headersTimeout: 0,
        bodyTimeout: 0,
        maxHeaderSize: 64 * 1024,
        connect: { timeout: connectMs },
        allowH2: false,
      })
      const [oldest] = pools
      if (pools.size >= mostPools && oldest !== undefined) {
        pools.delete(oldest[0])
        void oldest[1].close()
      }
    } else if (pools.size > 64) pools.delete(key)
    pools.set(key, pool)
    return pool
  }
  return {
    of: (origin) => look(origin, origin, 1),
    unshared: (origin) => look(origin, `unshared ${origin}`, 0),
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
      pools.clear()
    },
  }
}
