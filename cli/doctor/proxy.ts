import { causeOf } from '../../core/health-causes.js'
import { askProxy } from '../channel/ask-proxy.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'

/** What a proxy says of itself: a check for each cause, in its words. */
export const checkProxy = async (url: string, secret: string | null): Promise<readonly Check[]> => {
  const { ok, warn, fail } = verdicts('proxy')
  const told = await askProxy({ url, token: secret })
  const causes = typeof told === 'string' ? [causeOf('proxy_unreachable', told)] : told.causes
  if (causes.length === 0) return [ok(`takes calls at ${url}`)]
  return causes.map(({ cause, effect, advice }) => (cause === 'proxy_unreachable' ? fail : warn)(`${cause}: ${effect}`, advice))
}
