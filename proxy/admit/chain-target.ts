import type { ChainTarget } from '../chain.js'
import type { Call, Target } from '../call.js'
import { noTrying, type Trying } from '../identify/fallback.js'
import { merged } from '../obtain/failover/merge-override.js'
import { denialOf } from './allowed.js'
import type { Named } from './named-target.js'
import type { PathAt } from './path-at.js'

const nameOf = (provider: string, model: string | null): string => (model === null ? provider : `${provider}/${model}`)

/**
 * The target a call itself leads to, as it came.
 *
 * @param model That it asks for; `null` = not known.
 */
export const ownTarget = (own: Target, model: string | null, weight: number): ChainTarget => ({
  name: nameOf(own.provider.name, model),
  target: own,
  index: 0,
  isOwn: true,
  model: null,
  modelInPath: false,
  ...noTrying,
  weight,
  added: null,
  key: null,
  denied: null,
})

const narrower = (a: number | null, b: number | undefined): number | null =>
  a === null || b === undefined ? (a ?? b ?? null) : Math.min(a, b)

/** Models that may be asked for at a target: where the path tells one, an override of the body's does not take its place. */
const modelsSent = (
  { override, modelInPath }: Pick<ChainTarget, 'override' | 'modelInPath'>,
  model: string | null,
): readonly (string | null)[] => {
  const other = typeof override?.model === 'string' ? override.model : null
  return other === null ? [model] : modelInPath ? [other, model] : [other]
}

const deniedTo = ({ caller }: Call, to: Omit<ChainTarget, 'denied'>, { named, asked }: Sought): string | null => {
  const { allowed } = caller
  if (allowed === null) return null
  const alias = named?.config?.model !== undefined && asked.override?.model === undefined ? named.alias : null
  for (const model of modelsSent(to, to.model ?? asked.model)) {
    const why = denialOf(allowed, { provider: to.target.provider, model, alias })
    if (why !== null) return why
  }
  return null
}

/** Where somebody is, who it is, and what is asked of it. */
export interface Sought {
  readonly at: PathAt
  /** `null` = it has no name, and is known by its address. */
  readonly named: Named | null
  /** `model`: that of the call. */
  readonly asked: Trying & { readonly model: string | null }
}

/**
 * One target of a chain, whose place there is not known: what weir.yaml says of it, under what the call says. Its keys and headers there are for callers who may use them.
 */
export const chainTarget = (call: Call, sought: Sought): ChainTarget => {
  const { at, named, asked } = sought
  const config = named?.config ?? null
  const { ttft, total } = config?.timeout ?? {}
  const added = config === null ? [] : Object.entries(config.headers).flat()
  const hasBody = config !== null && Object.keys(config.body).length > 0
  const to = {
    name: named?.alias ?? nameOf(at.target.provider.name, named?.model ?? asked.model),
    ...at,
    index: 0,
    isOwn: false,
    model: named?.model ?? null,
    retries: asked.retries,
    ttftMs: narrower(asked.ttftMs, ttft),
    timeoutMs: narrower(asked.timeoutMs, total),
    weight: asked.weight ?? config?.weight ?? 1,
    on: asked.on,
    leaveOn: asked.leaveOn,
    headers: asked.headers,
    override: hasBody ? merged(config.body, asked.override ?? {}) : asked.override,
    added: added.length > 0 && call.caller.trusted ? added : null,
    key: call.caller.trusted ? (config?.key ?? null) : null,
  }
  return { ...to, denied: deniedTo(call, to, sought) }
}
