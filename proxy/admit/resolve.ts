import { WeirError } from '../../core/errors.js'
import type { Asked } from '../../core/providers/read-request.js'
import type { Call, Target } from '../call.js'
import type { Chain } from '../chain.js'
import { keyHeaderOf, lacksCredential } from '../obtain/credential.js'
import { checkAllowed, checkProviderAllowed, deniedBecause } from './allowed.js'
import { chainOf, type Own } from './chain-of.js'
import { checkCredential } from './credential-mismatch.js'
import type { Rules } from './rules.js'
import { targetOfModel } from './unified-target.js'

/** Where a call goes. */
export interface Resolved {
  /** Where it leads by itself. */
  readonly target: Target
  /** That its body must ask for. */
  readonly model: string | null
  readonly chain: Chain | null
}

/** What is found out on the way, for the row. */
interface Notes {
  target: Target | null
  asked: Asked | null
  readonly warnings: string[]
}

interface Resolving {
  readonly contentType: string | undefined
  readonly rules: Rules
  readonly record: Notes
}

const isForm = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^\s*multipart\/form-data\b/i.test(contentType)

/** Only where nobody else is named: in a chain it would be passed over. */
const checkKey = (call: Call, target: Target): void => {
  if (!lacksCredential(call, target)) return
  const { name } = target.provider
  throw new WeirError(
    'credential_missing',
    `No key is known for ${name}: give it as the ${name} client does, or by ${keyHeaderOf(target.provider)}, or let weir.yaml hold one (providers.${name}.key).`,
    { param: 'Authorization' },
  )
}

/** The first of the targets that a call may be sent to must be open to its Weir key; later ones are passed over. */
const checkFirst = (call: Call, target: Target, model: string | null, chain: Chain | null): void => {
  if (call.caller.allowed === null) return
  const first = chain?.targets[0]
  if (first === undefined || first.isOwn) {
    if (call.method === 'GET') checkProviderAllowed(call, target.provider)
    else checkAllowed(call, { provider: target.provider, model, alias: null })
  } else if (first.denied !== null) throw deniedBecause(call, first.denied)
}

/**
 * Finds out where a call goes: nothing is sent, nothing is read but what came.
 *
 * @param asked By its body.
 * @throws WeirError `bad_body`, `bad_header`, `unknown_model`, `family_unsupported`, `credential_mismatch`, `credential_missing`,
 *   `policy_denied`, `target_denied`.
 */
export const resolve = (call: Call, asked: Asked, { contentType, rules, record }: Resolving): Resolved => {
  let { target } = call
  let own: Own | null = null
  let { model } = asked
  if (target === null) {
    own = targetOfModel(call, asked, isForm(contentType), rules)
    ;({ target, model } = own)
    record.target = target
    if (model !== asked.model) record.asked = { ...asked, model }
    if (own.list?.targets[0]?.config?.key === undefined || !call.caller.trusted) checkCredential(call, target.provider)
  }
  const chain =
    call.steering.failover === null && own?.list == null
      ? null
      : chainOf(call, own ?? { target, model, list: null }, rules, record.warnings)
  checkFirst(call, target, model, chain)
  if (chain === null) checkKey(call, target)
  return { target, model, chain }
}
