import type { Config } from '../../core/config.js'
import type { Asked } from '../../core/providers/read-request.js'
import type { Admitted } from '../admit/admit.js'
import type { Call, Target } from '../call.js'
import type { ChainTarget } from '../chain.js'
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

const headerName = (provider: string): string => `Weir-${provider.charAt(0).toUpperCase()}${provider.slice(1)}-Key`

/** Told by the key itself: whichever stage put it there, that is the one which would be sent. */
const sourceOf = (head: TargetHead, { provider }: Target, call: Call, to: ChainTarget | null, config: Config): string => {
  const key = credentialIn(head).replace(/^Bearer\s+/i, '')
  if (key === '') return provider.keyHeader === null ? 'not needed' : 'none'
  if (to !== null && to.key === key) return 'weir.yaml'
  if (to?.headers?.some((value, i) => i % 2 === 1 && value.includes(key)) === true) return 'the headers of its entry'
  if (call.providerKeys.get(provider.name) === key) return headerName(provider.name)
  if (call.clientKey === key || head.path.includes(key)) return 'the caller'
  return config.providers[provider.name]?.key === key ? 'weir.yaml' : 'the caller'
}

const said = (
  target: Target,
  head: TargetHead | null,
  rest: { readonly name: string; readonly model: string | null; readonly source: string },
): TargetSaid => ({
  name: rest.name,
  provider: target.provider.name,
  origin: target.origin,
  path: maskedPath(head?.path ?? target.path),
  family: target.route.family,
  model: rest.model,
  credential: head === null ? 'none' : rest.source,
  skipped: head === null ? 'no_credential' : null,
})

/** The one target of a call that names no other. */
export const targetSaid = (call: Call, target: Target, asked: Asked | null, config: Config): TargetSaid => {
  const model = asked?.model ?? null
  const head = { headers: headersFor(call, target), path: target.path }
  const name = model === null ? target.provider.name : `${target.provider.name}/${model}`
  return said(target, head, { name, model, source: sourceOf(head, target, call, null, config) })
}

/** All targets of a call, in the order given. */
export const targetsSaid = (
  { call, target: own, chain }: Admitted,
  asked: Asked | null,
  config: Config,
): readonly TargetSaid[] =>
  chain === null
    ? [targetSaid(call, own, asked, config)]
    : chain.targets.map((to) => {
        const head = headFor(to, call, own)
        const source = head === null ? 'none' : sourceOf(head, to.target, call, to, config)
        return said(to.target, head, { name: to.name, model: to.model ?? asked?.model ?? null, source })
      })
