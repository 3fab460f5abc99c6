import { expect, test } from 'vitest'
import { originOf, providersFrom, type Provider } from '../../core/providers/registry.js'
import { pathAt, routeOf } from '../../core/providers/routes.js'
import type { Call, Target } from '../call.js'
import { pathAtProvider } from './path-at.js'

const providers = providersFrom({
  providers: { 'gemini-eu': { origin: 'https://gemini.example', family: 'gemini', root: '/v1beta' } },
})
const providerOf = (name: string): Provider => {
  const found = providers.get(name)
  if (found === undefined) throw new Error(`No ${name}.`)
  return found
}
const own = (name: string, segment: string | null, path: string, byCaller = false): Target => {
  const provider = providerOf(name)
  const there = pathAt(provider, path.replace(/\?.*$/, ''))
  if (there === null) throw new Error(`${name} has no ${path}.`)
  const route = routeOf(provider, 'POST', there.path.replaceAll('%3A', ':'), there.family)
  return { provider, origin: byCaller ? 'https://callers.example' : originOf(provider, segment), path, route, byCaller }
}
const call = { method: 'POST' } as Call
const goes = (from: Target, name: string, model: string | null, segment?: string | null): string | null => {
  const at = pathAtProvider(call, from, { provider: providerOf(name), model, segment })
  return at === null ? null : at.target.origin + at.target.path
}
const chat = '/v1/chat/completions'

test.each([
  ['a resource', own('openai', null, chat), 'azure', 'm', 'eu', 'https://eu.openai.azure.com/openai/v1/chat/completions'],
  ['none', own('openai', null, chat), 'azure', 'm', undefined, null],
  [
    'a region',
    own('openai', null, chat),
    'bedrock',
    'm',
    'eu-west-1',
    'https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1/chat/completions',
  ],
  [
    'Anthropic’s API',
    own('anthropic', null, '/v1/messages?beta=true'),
    'azure-ai',
    'm',
    'eu',
    'https://eu.services.ai.azure.com/anthropic/v1/messages?beta=true',
  ],
  [
    'another resource, and its deployment',
    own('azure', 'us', '/openai/deployments/a/chat/completions?api-version=1'),
    'azure',
    'b',
    'eu',
    'https://eu.openai.azure.com/openai/deployments/b/chat/completions?api-version=1',
  ],
  [
    'another region, the same model',
    own('bedrock', 'us-east-1', '/model/m/converse'),
    'bedrock',
    null,
    'eu-west-1',
    'https://bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse',
  ],
  [
    'another region, which is in the path, too',
    own('vertex', 'us-east5', '/v1/projects/p/locations/us-east5/publishers/google/models/m:generateContent'),
    'vertex',
    'n',
    'global',
    'https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/n:generateContent',
  ],
  [
    'the call’s own region',
    own('bedrock', 'us-east-1', '/model/m/converse'),
    'bedrock',
    'n',
    undefined,
    'https://bedrock-runtime.us-east-1.amazonaws.com/model/n/converse',
  ],
  [
    'the same API elsewhere',
    own('gemini', null, '/v1beta/models/m:generateContent'),
    'gemini-eu',
    'n',
    null,
    'https://gemini.example/v1beta/models/n:generateContent',
  ],
  ['an API it has not', own('gemini', null, '/v1beta/models/m:generateContent'), 'openai', 'n', null, null],
  // What weir.yaml names is at the provider, wherever the caller went.
  ['not a caller’s address', own('openai', null, chat, true), 'openai', 'n', null, 'https://api.openai.com/v1/chat/completions'],
  [
    'not a caller’s address, by name',
    own('openai', null, chat, true),
    'openai',
    'n',
    undefined,
    'https://api.openai.com/v1/chat/completions',
  ],
])('%s', (_, from, name, model, segment, expected) => expect(goes(from, name, model, segment)).toBe(expected))
