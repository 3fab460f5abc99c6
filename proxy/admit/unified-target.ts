import { WeirError } from '../../core/errors.js'
import type { Asked } from '../../core/providers/read-request.js'
import { originOf, type Family, type Provider } from '../../core/providers/registry.js'
import { routeOf } from '../../core/providers/routes.js'
import type { Call, Target } from '../call.js'
import { readModelList } from './model-list.js'
import type { Named } from './named-target.js'
import type { Own } from './chain-of.js'
import type { Rules } from './rules.js'

export const familyOfUnified = (path: string): Family =>
  path.startsWith('/messages') ? 'anthropic' : path.startsWith('/responses') ? 'openai-responses' : 'openai-chat'

const at = (call: Call, unifiedPath: string, provider: Provider, segment: string | null): Target | null => {
  const cut = unifiedPath.indexOf('?')
  const path = cut < 0 ? unifiedPath : unifiedPath.slice(0, cut)
  const family = familyOfUnified(path) === 'anthropic' ? 'anthropic' : 'openai-chat'
  const root = provider.roots[family]
  if (root === undefined || (provider.origin.includes('{segment}') && segment === null)) return null
  const full = root + path
  return {
    provider,
    origin: originOf(provider, segment),
    path: full + (cut < 0 ? '' : unifiedPath.slice(cut)),
    route: routeOf(provider, call.method, full, family),
  }
}

const unsupported = ({ provider, alias }: Named, unifiedPath: string): WeirError => {
  const { name, segment } = provider
  const own = `/${name}${segment === null ? '' : `/<${segment}>`}/...`
  return new WeirError(
    'family_unsupported',
    `${alias ?? name} does not offer ${unifiedPath.replace(/\?.*$/s, '')} itself; call it on its own path, ${own}` +
      (segment === null || alias !== null ? '' : `, or name it with its ${segment} under targets in weir.yaml and ask for @name`),
    { param: 'model' },
  )
}

/**
 * Where a form goes, whose model decides nothing: to the default provider (headers.md §2.3).
 *
 * @throws WeirError `family_unsupported`
 */
const formTarget = (call: Call, unifiedPath: string, asked: Asked, { config, providers }: Rules): Own => {
  const provider = providers.get(config.defaultProvider)
  const target = provider === undefined ? null : at(call, unifiedPath, provider, null)
  if (target !== null) return { target, model: asked.model, list: null }
  throw new WeirError(
    'family_unsupported',
    `The default provider ${config.defaultProvider} does not offer ${unifiedPath} itself (defaultProvider in weir.yaml).`,
  )
}

/**
 * Where a unified call goes, once its body has named a model (headers.md §2.3).
 *
 * @throws WeirError `bad_body`, `unknown_model`, `family_unsupported`
 */
export const targetOfModel = (
  call: Call,
  asked: Asked,
  isForm: boolean,
  rules: Rules,
): Own & { readonly model: string | null } => {
  const unifiedPath = call.unifiedPath ?? ''
  if (isForm) return formTarget(call, unifiedPath, asked, rules)
  if (call.contentEncoding !== null && call.contentEncoding !== 'identity')
    throw new WeirError('bad_body', 'On /v1 the body names the provider, so it must not be encoded (content-encoding).', {
      param: 'content-encoding',
    })
  if (asked.malformed)
    throw new WeirError('bad_body', 'On /v1 the body names the provider, so it must be a JSON object with a "model".')
  if (asked.model === null)
    throw new WeirError(
      'unknown_model',
      'The body names no "model". On /v1 it decides the provider, as in "openai/gpt-5-mini".',
      { param: 'model' },
    )
  const list = readModelList(asked.model, rules)
  const [who] = list.targets
  if (who === undefined) throw new WeirError('internal', 'A list of models without any was read.')
  const target = at(call, unifiedPath, who.provider, who.config?.resource ?? who.config?.region ?? null)
  if (target === null) throw unsupported(who, unifiedPath)
  const isOne = list.targets.length === 1 && list.excluded.size === 0 && who.config === null
  return { target, model: who.model, list: isOne ? null : list }
}
