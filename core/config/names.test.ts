import { expect, test } from 'vitest'
import { ConfigError, parseConfigFile } from './parse.js'

const faultsOf = (text: string): string => {
  try {
    parseConfigFile({ path: 'weir.yaml', text }, { K: 'k', BLANK: '', LINES: 'a\nb' })
    return ''
  } catch (cause) {
    if (cause instanceof ConfigError) return cause.message
    throw cause
  }
}
const digest = '0'.repeat(64)

test.each([
  ['defaultProvider: opnai', '1:18: defaultProvider: no provider is called "opnai". Did you mean "openai"?'],
  [
    'models: [{ match: "m*", provider: antropic }]',
    '1:35: models.0.provider: no provider is called "antropic". Did you mean "anthropic"?',
  ],
  [
    `keys: [{ name: a, sha256: "${digest}", allow: { providers: [openai, gorq] } }]`,
    '1:124: keys.0.allow.providers.1: no provider is called "gorq". Did you mean "groq"?',
  ],
  [
    'targets:\n  eu: { provider: azuer, resource: r }',
    '2:19: targets.eu.provider: no provider is called "azuer". Did you mean "azure"?',
  ],
  [
    'targets:\n  eu: { provider: azure }',
    '2:7: targets.eu: azure has no address without its resource; add resource: <resource>.',
  ],
  [
    'targets: { eu: { provider: bedrock, resource: r } }',
    '1:16: targets.eu: bedrock has no address without its region; add region: <region>.',
  ],
  ['targets: { eu: { provider: openai, region: eu } }', '1:44: targets.eu.region: openai takes no region; leave it out.'],
  [
    'providers: { azure: { origin: "http://h", key: "${K}" } }\ntargets: { eu: { provider: azure, resource: r } }',
    '2:45: targets.eu.resource: azure takes no resource; leave it out.',
  ],
  ['providers: { mine: { root: "/v1" } }', '1:20: providers.mine: an own provider needs an origin, as http://10.0.0.5:8000.'],
  [
    'providers: { google: { origin: "http://h" } }',
    '1:22: providers.google: "google" is an alias of the built-in provider "gemini".',
  ],
  ['providers: { v1: { origin: "http://h" } }', '1:18: providers.v1: "v1" is a word of Weir\'s own paths; choose another name.'],
  [
    'providers: { openai: { family: anthropic } }',
    '1:32: providers.openai.family: is for own providers; prefixes tell of single paths.',
  ],
  [
    'providers: { openai: { auth: none, key: "${K}" } }',
    '1:22: providers.openai: a key and auth: none contradict each other; leave one of them out.',
  ],
  [
    'providers: { openai: { key: "${BLANK}" } }',
    '1:29: providers.openai.key: accepted form: ${NAME} or file:/path of a key without blanks or line ends',
  ],
  [
    'targets: { eu: { provider: openai, key: "${LINES}" } }',
    '1:41: targets.eu.key: accepted form: ${NAME} or file:/path of a key without blanks or line ends',
  ],
  [
    'targets: { eu: { provider: openai, headers: { "a b": "c" } } }',
    '1:54: targets.eu.headers.a b: accepted form: the name of a header',
  ],
  [
    'targets: { eu: { provider: openai, headers: { a: "${LINES}" } } }',
    '1:50: targets.eu.headers.a: accepted form: printable ASCII in one line',
  ],
  [
    'providers: { azure: { key: "${K}" } }',
    '1:21: providers.azure: a key of azure is one of a resource: give it to a target (targets, with provider: azure, resource and key), or say origin here.',
  ],
])('%s', (text, fault) => expect(faultsOf(text)).toBe(`weir.yaml:${fault}`))

test('aliases, own providers and those with a region are known', () => {
  expect(
    faultsOf(`
defaultProvider: oai
providers: { mine: { origin: "http://h" }, bedrock: { key: "\${K}" } }
models: [{ match: "m*", provider: mine }]
keys: [{ name: a, sha256: "${digest}", allow: { providers: [google, mine] } }]
targets: { eu: { provider: google }, b: { provider: bedrock, region: eu-west-1 } }
`),
  ).toBe('')
})
