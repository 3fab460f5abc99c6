import { causeOf, type Cause } from '../core/health-causes.js'
import type { Health } from '../web/api/contract.js'

export interface ProxyFacts {
  readonly causes: readonly Cause[]
  /** Without the lag, which ingest knows; `null` when the proxy does not answer. */
  readonly journal: Omit<NonNullable<Health['journal']>, 'lagBytes'> | null
}

interface Readyz {
  readonly causes?: readonly Cause[]
  readonly journal?: { readonly bytes: number; readonly limitBytes: number; readonly dropped: number }
}

/**
 * What the proxy says of itself on /readyz. Never throws: a proxy that does not answer is a cause, too.
 *
 * @param secret Lets us see figures and addresses where not everybody may.
 */
export const askProxy = async (url: string, secret: string | null): Promise<ProxyFacts> => {
  try {
    const answer = await fetch(`${url}/readyz`, {
      signal: AbortSignal.timeout(1000),
      headers: secret === null ? {} : { authorization: `Bearer ${secret}` },
    })
    const { causes = [], journal } = (await answer.json()) as Readyz
    return {
      causes,
      journal: journal === undefined ? null : { bytes: journal.bytes, limitBytes: journal.limitBytes, dropped: journal.dropped },
    }
  } catch {
    return { causes: [causeOf('proxy_unreachable', `The proxy does not answer at ${url}: calls fail.`)], journal: null }
  }
}
