import type { Config } from '../../core/config.js'
import type { Drains } from '../drains.js'
import { cachedBy, type CacheDeps } from './cache/cache.js'
import { drainedBy } from './drained.js'
import type { ForwardDeps } from './forward.js'
import type { Limits } from './limits/limits.js'
import type { ChainDeps } from './failover/chain-run.js'
import { failoverBy } from './failover/failover.js'
import { sendBy } from './send.js'
import { sendOnceBy } from './send-once.js'
import type { Obtain } from './stage.js'

/** The way to an answer: each stage wraps the next, and whoever asked for nothing goes straight through. */
export const obtainBy = (
  deps: ForwardDeps &
    ChainDeps & { readonly config: Config; readonly cache: CacheDeps; readonly limits: Limits; readonly drains: Drains },
): Obtain => {
  const send = sendBy(deps)
  const obtain = cachedBy(deps.cache)(deps.limits.stage(drainedBy(deps.drains)(failoverBy(deps, send)(sendOnceBy(send)))))
  return async (admitted, record, client) => {
    try {
      return await obtain(admitted, record, client)
    } finally {
      admitted.body.release()
    }
  }
}
