import { WeirError } from '../../core/errors.js'
import type { Call, Target } from '../call.js'
import type { Chain, ChainTarget } from '../chain.js'
import { noTrying, type TargetAsked } from '../identify/fallback.js'
import { noFailover, type FailoverAsked } from '../identify/failover.js'
import { warningOf } from '../identify/own-values.js'
import { chainTarget, ownTarget } from './chain-target.js'
import type { ModelList } from './model-list.js'
import { namedTarget, shown, type Named } from './named-target.js'
import { pathAtProvider, type PathAt } from './path-at.js'
import type { Rules } from './rules.js'

/** Whose targets, named where. */
interface Naming {
  readonly call: Call
  readonly own: Target
  /** The header or field, for messages. */
  readonly header: string
  /** That the call asks for first. */
  readonly model: string | null
}

/** Whom a name in a header stands for: there a provider alone is one, for the same model. */
const named = (name: string, { header }: Naming, rules: Rules): Named => {
  const provider = rules.providers.get(name)
  if (provider !== undefined) return { provider, model: null, alias: null, config: null }
  const found = namedTarget(name, rules)
  if (typeof found !== 'string') return found
  throw new WeirError('bad_header', `${header}: ${found}`, { param: header })
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

const atNamed = (who: Named, { call, own, header }: Naming): PathAt => {
  const { provider, config } = who
  const segment = config === null ? undefined : (config.resource ?? config.region ?? null)
  const at = pathAtProvider(call, own, { provider, model: who.model, segment })
  if (at !== null) return at
  throw new WeirError(
    'family_unsupported',
    `${header}: ${who.alias ?? provider.name} does not offer ${call.endpoint.replace(/^\S+ /, '')} itself` +
      (provider.segment === null || config !== null
        ? '.'
        : `, or only with a ${provider.segment}: name it under targets in weir.yaml.`),
    { param: header },
  )
}

const fromHeader = (asked: TargetAsked, naming: Naming, rules: Rules): ChainTarget => {
  const trying = { ...asked, model: naming.model }
  if (asked.url !== null) return chainTarget(naming.call, { at: atAddress(asked.url, naming, rules), named: null, asked: trying })
  const who = named(asked.name ?? '', naming, rules)
  return chainTarget(naming.call, { at: atNamed(who, naming), named: who, asked: trying })
}

const fromList = (who: Named, naming: Naming): ChainTarget =>
  chainTarget(naming.call, { at: atNamed(who, naming), named: who, asked: { ...noTrying, model: naming.model } })

/** Where a call leads by itself. */
export interface Own {
  readonly target: Target
  readonly model: string | null
  /** What its body asks for on the unified path; `null` = it names one target, which is `target`. */
  readonly list: ModelList | null
}

/** One of weir.yaml keeps its weight there, unless the call gives it one. */
const first = ({ target, model, list }: Own, weight: number, naming: Naming): ChainTarget => {
  const who = list?.targets[0] ?? null
  if (who === null || who.config === null) return ownTarget(target, model, weight)
  const to = fromList(who, naming)
  return weight === noFailover.strategy.primary ? to : { ...to, weight }
}

/** Those of the body, then those of a header; or those of a header that holds all. */
const inOrder = (call: Call, own: Own, rules: Rules): ChainTarget[] => {
  const { fallback, strategy } = call.steering.failover ?? noFailover
  const naming = { call, own: own.target, header: fallback?.header ?? 'model', model: own.model }
  const named = (fallback?.targets ?? []).map((asked) => fromHeader(asked, naming, rules))
  if (fallback?.form === 'whole') return named
  const inBody = { ...naming, header: 'model' }
  const listed = (own.list?.targets ?? []).slice(1).map((who) => fromList(who, inBody))
  return [first(own, strategy.primary, inBody), ...listed, ...named]
}

/** Of one target. */
const asksForOrderAlone = ({ retry, timeouts, fallback }: FailoverAsked): boolean =>
  retry === null && timeouts === null && fallback === null

const cappedBy = (call: Call, listed: number, most: number): string =>
  warningOf('capped', listed > most ? 'model' : (call.steering.failover?.fallback?.header ?? 'model'))

/**
 * Who a call may be sent to, in the order given (headers.md §2.3, §3.2), and not more of them than the operator lets it have.
 *
 * @param warnings Grows by what was left out.
 * @returns `null` when it asks for nothing but one send.
 * @throws WeirError `bad_header`, `family_unsupported`, `unknown_model`, `target_denied`: nothing has been sent.
 */
export const chainOf = (call: Call, own: Own, rules: Rules, warnings: string[]): Chain | null => {
  const { failover } = call.steering
  const { list } = own
  if (list === null && (failover === null || asksForOrderAlone(failover))) return null
  const { fallback } = failover ?? noFailover
  const listed = list?.targets.length ?? 1
  if (fallback?.form === 'whole' && listed > 1) warnings.push(warningOf('ignored', 'model'))
  const excluded = list?.excluded
  const all = inOrder(call, own, rules)
  const allowed = excluded === undefined ? all : all.filter(({ target }) => !excluded.has(target.provider.name))
  if (allowed.length === 0)
    throw new WeirError('unknown_model', 'model: every target of the call is excluded.', { param: 'model' })
  const most = rules.config.ceilings.targets
  // What weir.yaml holds is not the caller's to be warned of.
  const isCallers = call.own.get('fallback')?.from === 'header' || call.own.get('fallbacks')?.from === 'header'
  if (allowed.length > most && (listed > most || isCallers)) warnings.push(cappedBy(call, listed, most))
  const targets = allowed.slice(0, most).map((to, index) => ({ ...to, index }))
  return { asked: failover ?? noFailover, targets }
}
