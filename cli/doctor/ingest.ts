import type { RoleAddress } from '../channel/ask-role.js'
import { distantIngest } from '../channel/distant-ingest.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'

/** What an ingest that runs elsewhere says of itself: a check for each cause, in its words. */
export const checkIngest = async (address: RoleAddress): Promise<readonly Check[]> => {
  const { ok, warn, fail } = verdicts('ingest')
  const { causes } = await distantIngest(address).health()
  if (causes.length === 0) return [ok(`stores calls at ${address.url}`)]
  return causes.map(({ cause, effect, advice }) => (cause === 'ingest_unreachable' ? fail : warn)(`${cause}: ${effect}`, advice))
}
