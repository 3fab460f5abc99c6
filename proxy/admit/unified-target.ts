import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import type { Asked } from '../../core/providers/read-request.js'
import { originOf, type Family, type Provider } from '../../core/providers/registry.js'
import { resolveModel, routeOf } from '../../core/providers/routes.js'
import type { Call, Target } from '../call.js'

interface Rules {
  readonly config: Config
  readonly providers: ReadonlyMap<string, Provider>
}

export const familyOfUnified = (path: string): Family =>
  path.startsWith('/messages') ? 'anthropic' : path.startsWith('/responses') ? 'openai-responses' : 'openai-chat'

/** Where a unified call goes, once its body has named a model (headers.md §2.3). */
export const targetOfModel = (
  call: Call,
  unifiedPath: string,
  asked: Asked,
  { providers, config }: Rules,
): { target: Target; model: string } => {
  if (asked.malformed)
    throw new WeirError('bad_body', 'On /v1 the body names the provider, so it must be a JSON object with a "model".')
  if (asked.model === null)
    throw new WeirError(
      'unknown_model',
      'The body names no "model". On /v1 it decides the provider, as in "openai/gpt-5-mini".',
      { param: 'model' },
    )
  const [name = '', ...more] = asked.model.split(',')
  if (more.length > 0)
    throw new WeirError('unknown_model', 'A list of models is not taken yet: name one, as in "openai/gpt-5-mini".', {
      param: 'model',
    })
  const found = resolveModel(name.trim(), providers, config.models)
  if (found === null)
    throw new WeirError(
      'unknown_model',
      `No provider is known for the model "${name.slice(0, 128)}". Write provider/model, as in "groq/llama-3.3-70b-versatile", or add it to models in weir.yaml.`,
      { param: 'model' },
    )
  const { provider, model } = found
  const cut = unifiedPath.indexOf('?')
  const path = cut < 0 ? unifiedPath : unifiedPath.slice(0, cut)
  const family = familyOfUnified(path)
  const root = provider.roots[family === 'anthropic' ? 'anthropic' : 'openai-chat']
  if (root === undefined || provider.origin.includes('{segment}'))
    throw new WeirError(
      'family_unsupported',
      `${provider.name} does not offer ${path} itself; call it on its own path, /${provider.name}${provider.segment === null ? '' : `/<${provider.segment}>`}/...`,
      { param: 'model' },
    )
  const full = root + path
  return {
    target: {
      provider,
      origin: originOf(provider, null),
      path: full + (cut < 0 ? '' : unifiedPath.slice(cut)),
      route: routeOf(provider, call.method, full, family === 'anthropic' ? 'anthropic' : 'openai-chat'),
    },
    model,
  }
}
