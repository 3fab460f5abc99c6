import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import type { Asked } from '../../core/providers/read-request.js'
import type { Provider } from '../../core/providers/registry.js'
import { resolveModel } from '../../core/providers/routes.js'
import type { Call, Target } from '../call.js'
import type { Chain, ChainTarget } from '../chain.js'
import type { Addresses } from '../identify/addresses.js'
import type { FailoverAsked } from '../identify/failover.js'
import type { TargetAsked } from '../identify/fallback.js'
import { pathAtProvider, type PathAt } from './path-at.js'

interface Rules {
  readonly config: Config
  readonly providers: ReadonlyMap<string, Provider>
  readonly addresses: Addresses
}

/** Whose targets, named where. */
interface Naming {
  readonly call: Call
  readonly own: Target
  readonly header: string
  /** Of the body. */
  readonly model: string | null
}

const nameOf = (provider: string, model: string | null): string => (model === null ? provider : `${provider}/${model}`)

const ownTarget = (own: Target, asked: Asked | null, weight: number): ChainTarget => ({
  name: nameOf(own.provider.name, asked?.model ?? null),
  target: own,
  index: 0,
  isOwn: true,
  model: null,
  modelInPath: false,
  retries: null,
  ttftMs: null,
  timeoutMs: null,
  weight,
  on: null,
  leaveOn: null,
  headers: null,
  override: null,
  key: null,
})

const shown = (text: string): string => text.replaceAll(/[^ -~]/g, '?').slice(0, 128)

const refuse = (header: string, what: string): never => {
  throw new WeirError('bad_header', `${header}: ${what}`, { param: header })
}

/** Provider and model of a name: a provider for the same model, `provider/model`, or a model that tells its provider. */
const named = (name: string, { header }: Naming, { providers, config }: Rules): { provider: Provider; model: string | null } => {
  if (name.startsWith('@')) refuse(header, `weir.yaml has no target "${shown(name)}".`)
  const provider = providers.get(name)
  if (provider !== undefined) return { provider, model: null }
  return (
    resolveModel(name, providers, config.models) ??
    refuse(header, `no provider is known for the target "${shown(name)}". Write provider/model, as in openai/gpt-5-mini.`)
  )
}

/** The call's path at an address of the caller's. */
const atAddress = (address: string, { call, own, header }: Naming, { addresses }: Rules): PathAt => {
  const { origin } = new URL(address)
  const base = address.slice(origin.length)
  const { method } = call
  const aimed = addresses.aim({ address: { header, origin, base }, method, path: own.path, speaks: own, translates: true })
  if ('refused' in aimed) throw aimed.refused
  const { target } = aimed
  if (target.route.family === own.route.family) return { target, modelInPath: true }
  throw new WeirError(
    'family_unsupported',
    `${header}: "${shown(address)}" does not take ${call.endpoint.replace(/^\S+ /, '')}.`,
    {
      param: header,
    },
  )
}

const found = (asked: TargetAsked, naming: Naming, rules: Rules): PathAt & { readonly model: string | null } => {
  const { call, own, header } = naming
  if (asked.url !== null) return { ...atAddress(asked.url, naming, rules), model: null }
  const { provider, model } = named(asked.name ?? '', naming, rules)
  const at = pathAtProvider(call, own, provider, model)
  if (at !== null) return { ...at, model }
  throw new WeirError(
    'family_unsupported',
    `${header}: ${provider.name} does not offer ${call.endpoint.replace(/^\S+ /, '')} itself, or only with a resource or region.`,
    { param: header },
  )
}

const resolved = (asked: TargetAsked, index: number, naming: Naming, rules: Rules): ChainTarget => {
  const { model, ...at } = found(asked, naming, rules)
  return {
    name: nameOf(at.target.provider.name, model ?? naming.model),
    ...at,
    index,
    isOwn: false,
    model,
    retries: asked.retries,
    ttftMs: asked.ttftMs,
    timeoutMs: asked.timeoutMs,
    weight: asked.weight,
    on: asked.on,
    leaveOn: asked.leaveOn,
    headers: asked.headers,
    override: asked.override,
    key: null,
  }
}

const targetsOf = (
  { fallback, strategy }: FailoverAsked,
  call: Call,
  own: Target,
  asked: Asked | null,
  rules: Rules,
): ChainTarget[] => {
  if (fallback === null) return [ownTarget(own, asked, 1)]
  const naming = { call, own, header: fallback.header, model: asked?.model ?? null }
  if (fallback.form === 'whole') return fallback.targets.map((target, index) => resolved(target, index, naming, rules))
  return [
    ownTarget(own, asked, strategy.primary),
    ...fallback.targets.map((target, index) => resolved(target, index + 1, naming, rules)),
  ]
}

/**
 * Who a call may be sent to, in the order given (headers.md §3.2).
 *
 * @returns `null` when it asks for nothing but one send.
 * @throws WeirError `bad_header`, `family_unsupported`: nothing has been sent.
 */
export const chainOf = (call: Call, own: Target, asked: Asked | null, rules: Rules): Chain | null => {
  const { failover } = call.steering
  return failover === null ? null : { asked: failover, targets: targetsOf(failover, call, own, asked, rules) }
}
