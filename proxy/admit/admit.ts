import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { spliceString } from '../../core/json-splice.js'
import { readRequest, type Asked } from '../../core/providers/read-request.js'
import { originOf, type Family, type Provider } from '../../core/providers/registry.js'
import { resolveModel, routeOf } from '../../core/providers/routes.js'
import type { Call, Target } from '../call.js'
import type { Chain } from '../chain.js'
import type { Client } from '../client.js'
import { meetExpectation } from '../expectation.js'
import type { CallRecord } from '../record.js'
import { chainOf } from './chain-of.js'
import { checkDeclared, readBody, replaced, type BodyRules, type HeldBody } from './read-body.js'

export interface AdmitDeps {
  readonly config: Config
  readonly providers: ReadonlyMap<string, Provider>
  readonly bodies: BodyRules
}

/** A call that may be sent: its target is certain and its body is held whole. */
export interface Admitted {
  readonly call: Call
  readonly target: Target
  readonly body: HeldBody
  /** Where else, how often, how long; `null` = nothing was asked, and it is sent once. */
  readonly chain: Chain | null
}

const keyPrefixes: readonly (readonly [string, string])[] = [
  ['sk-ant-', 'anthropic'],
  ['sk-or-', 'openrouter'],
  ['sk-proj-', 'openai'],
  ['gsk_', 'groq'],
  ['xai-', 'xai'],
  ['pplx-', 'perplexity'],
  ['AIza', 'gemini'],
]

const familyOfUnified = (path: string): Family =>
  path.startsWith('/messages') ? 'anthropic' : path.startsWith('/responses') ? 'openai-responses' : 'openai-chat'

/** Where a unified call goes, once its body has named a model (headers.md §2.3). */
const targetOfModel = (
  call: Call,
  unifiedPath: string,
  asked: Asked,
  { providers, config }: AdmitDeps,
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

const checkCredential = (call: Call, provider: Provider): void => {
  const { clientKey } = call
  if (clientKey === null || call.providerKeys.has(provider.name)) return
  const named = keyPrefixes.find(([prefix]) => clientKey.startsWith(prefix))?.[1]
  if (named !== undefined && named !== provider.name)
    throw new WeirError(
      'credential_mismatch',
      `The key is one of ${named}, but the model is served by ${provider.name}: it was not sent. Give Weir-${provider.name[0]?.toUpperCase() ?? ''}${provider.name.slice(1)}-Key.`,
      { param: 'Authorization' },
    )
}

const credentialNames = new Set(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'])

/** The headers for a target: a key given for it by `Weir-<Provider>-Key` takes the place of every other. */
export const headersFor = (call: Call, target: Target): readonly string[] => {
  const key = call.providerKeys.get(target.provider.name)
  if (key === undefined) return call.headers
  const headers: string[] = []
  for (let i = 0; i < call.headers.length; i += 2)
    if (!credentialNames.has((call.headers[i] as string).toLowerCase()))
      headers.push(call.headers[i] as string, call.headers[i + 1] as string)
  const { family } = target.route
  const name =
    family === 'openai-chat' || family === 'openai-responses'
      ? target.provider.keyHeader === 'api-key'
        ? 'api-key'
        : 'authorization'
      : (target.provider.keyHeader ?? 'authorization')
  headers.push(name, name === 'authorization' ? `Bearer ${key}` : key)
  return headers
}

/**
 * Holds the body and settles where the call goes.
 *
 * @throws WeirError of origin `client`; ClientGone. Nothing has been sent.
 */
export const admitBy =
  (deps: AdmitDeps) =>
  async (call: Call, req: IncomingMessage, res: ServerResponse, record: CallRecord, client: Client): Promise<Admitted> => {
    checkDeclared(req, deps.bodies)
    meetExpectation(req, res)
    if (record.request === null) throw new WeirError('internal', 'A call was admitted before it was identified.')
    const body = await readBody(req, record.request, deps.bodies)
    client.serving = null
    try {
      const route = call.target?.route ?? { family: familyOfUnified(call.unifiedPath ?? ''), api: '' }
      const asked = readRequest({
        family: route.family,
        api: route.api,
        path: call.target?.path ?? call.unifiedPath ?? '',
        body: call.contentEncoding === null || call.contentEncoding === 'identity' ? body.head : Buffer.alloc(0),
        contentType: req.headers['content-type'],
      })
      record.asked = asked
      if (call.target !== null) {
        record.mark('admitted')
        return { call, target: call.target, body, chain: chainOf(call, call.target, asked, deps) }
      }
      const { target, model } = targetOfModel(call, call.unifiedPath ?? '', asked, deps)
      record.target = target
      record.asked = { ...asked, model }
      checkCredential(call, target.provider)
      record.mark('admitted')
      const chain = chainOf(call, target, record.asked, deps)
      if (model === asked.model) return { call, target, body, chain }
      const spliced = spliceModel(body, model)
      record.altered.push('model')
      return { call, target, body: spliced, chain }
    } catch (cause) {
      body.release()
      throw cause
    }
  }

const spliceModel = (body: HeldBody, model: string): HeldBody => {
  if (body.spilled)
    throw new WeirError(
      'body_too_large',
      'A body over 10 MiB cannot have its model rewritten; use the path of the provider instead of /v1.',
    )
  const changed = spliceString(body.head, 'model', model)
  if (changed === null) throw new WeirError('bad_body', 'The "model" of the body could not be found again.', { param: 'model' })
  return replaced(body, changed)
}
