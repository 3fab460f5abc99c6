import type { Asked } from '../../core/providers/read-request.js'
import type { Admitted } from '../admit/admit.js'
import type { Call, Target } from '../call.js'
import type { ChainTarget } from '../chain.js'
import { keyGiven, keyHeaderOf } from '../obtain/credential.js'
import { bodyFor } from '../obtain/failover/body-for.js'
import { credentialIn, headFor, type TargetHead } from '../obtain/failover/headers-for.js'
import { headersFor } from '../obtain/primary-headers.js'
import { maskedPath } from './masked.js'

/** Somebody the call would be sent to. */
export interface TargetSaid {
  readonly name: string
  readonly provider: string
  readonly origin: string
  /** At the origin; keys masked. */
  readonly path: string
  readonly family: string
  readonly model: string | null
  /** Where its key comes from. */
  readonly credential: string
  /** Why it would be passed over; `null` = it would not. */
  readonly skipped: string | null
}

const holds = (flat: readonly string[] | null, key: string): boolean =>
  flat?.some((value, i) => i % 2 === 1 && value.replace(/^Bearer\s+/i, '') === key) === true

/** Told by the key itself: whichever stage put it there, that is the one which would be sent. */
const sourceOf = (head: TargetHead, { provider }: Target, call: Call, to: ChainTarget | null): string => {
  const key = credentialIn(head).replace(/^Bearer\s+/i, '')
  if (key === '') return provider.keyHeader === null ? 'not needed' : 'none'
  if (holds(to?.headers ?? null, key)) return 'the headers of its entry'
  if (to?.key === key || holds(to?.added ?? null, key)) return 'weir.yaml, targets'
  if (keyGiven(call, provider) === key) return keyHeaderOf(provider)
  if (call.clientKey === key || head.path.includes(key)) return 'the caller'
  return provider.key === key ? 'weir.yaml, providers' : 'the caller'
}

const said = (
  target: Target,
  head: TargetHead | null,
  { name, model, source, skipped }: { name: string; model: string | null; source: string; skipped: string | null },
): TargetSaid => ({
  name,
  provider: target.provider.name,
  origin: target.origin,
  path: maskedPath(head?.path ?? target.path),
  family: target.route.family,
  model,
  credential: head === null ? 'none' : source,
  skipped: skipped ?? (head === null ? 'no_credential' : null),
})

/** The one target of a call that names no other. */
export const targetSaid = (call: Call, target: Target, asked: Asked | null): TargetSaid => {
  const model = asked?.model ?? null
  const head = { headers: headersFor(call, target), path: target.path }
  const name = model === null ? target.provider.name : `${target.provider.name}/${model}`
  return said(target, head, { name, model, source: sourceOf(head, target, call, null), skipped: null })
}

/** All targets of a call, in the order given. */
export const targetsSaid = ({ call, target: own, body, chain }: Admitted, asked: Asked | null): readonly TargetSaid[] =>
  chain === null
    ? [targetSaid(call, own, asked)]
    : chain.targets.map((to) => {
        const { name, target, denied } = to
        const head = headFor(to, call, own)
        const content = bodyFor(to, { call, body }, asked)
        const skipped = denied !== null ? 'denied' : head !== null && content === null ? 'body_unalterable' : null
        const source = head === null ? 'none' : sourceOf(head, target, call, to)
        return said(target, head, { name, model: content?.asked?.model ?? to.model ?? asked?.model ?? null, source, skipped })
      })
