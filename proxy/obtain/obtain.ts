import type { Config } from '../../core/config.js'
import type { ForwardDeps } from './forward.js'
import { sendOnceBy } from './send-once.js'
import type { Obtain } from './stage.js'

/** The way to an answer: each stage wraps the next, and whoever asked for nothing goes straight through. */
export const obtainBy = (deps: ForwardDeps & { readonly config: Config }): Obtain => {
  const obtain = sendOnceBy(deps)
  return async (admitted, record, client) => {
    try {
      return await obtain(admitted, record, client)
    } finally {
      admitted.body.release()
    }
  }
}
