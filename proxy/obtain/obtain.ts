import type { Config } from '../../core/config.js'
import { cachedBy, type CacheDeps } from './cache/cache.js'
import type { ForwardDeps } from './forward.js'
import { sendOnceBy } from './send-once.js'
import type { Obtain } from './stage.js'

/** The way to an answer: each stage wraps the next, and whoever asked for nothing goes straight through. */
export const obtainBy = (deps: ForwardDeps & { readonly config: Config; readonly cache: CacheDeps }): Obtain => {
  const obtain = cachedBy(deps.cache)(sendOnceBy(deps))
  return async (admitted, record, client) => {
    try {
      return await obtain(admitted, record, client)
    } finally {
      admitted.body.release()
    }
  }
}
