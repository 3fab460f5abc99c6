import { askProxy } from '../proxy-facts.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'

/** What the running proxy says of itself: a check for each cause, in its words. */
export const checkProxy = async (url: string, secret: string | null): Promise<readonly Check[]> => {
  const { ok, warn, fail } = verdicts('proxy')
  const { causes } = await askProxy(url, secret)
  if (causes.length === 0) return [ok(`takes calls at ${url}`)]
  return causes.map(({ cause, effect, advice }) => (cause === 'proxy_unreachable' ? fail : warn)(`${cause}: ${effect}`, advice))
}
