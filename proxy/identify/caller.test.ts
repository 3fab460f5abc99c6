import { describe, expect, test } from 'vitest'
import { effectiveConfig } from '../../core/config.js'
import { parseConfigFile } from '../../core/config/parse.js'
import { keyDigest, weirKeyring } from '../../core/weir-keys.js'
import { callerBy, type Caller } from './caller.js'

const secret = 'admin-secret-of-at-least-32-characters'
const yaml = (auth: string): string => `auth: ${auth}
keys:
  - { name: search, sha256: ${keyDigest('k-search')}, tenant: acme, allow: { providers: [openai] } }
  - { name: old, sha256: ${keyDigest('k-old')}, tenant: acme, expires: 2020-01-01 }
  - { name: grafana, sha256: ${keyDigest('k-grafana')}, tenant: acme, scopes: [read-metrics, sql] }
`
const by = (auth: 'open' | 'required') => {
  const config = effectiveConfig(
    parseConfigFile({ path: 'weir.yaml', text: yaml(auth) }, {}),
    null,
    { WEIR_ADMIN_SECRET: secret },
    '/',
  )
  const find = callerBy({ config, keys: weirKeyring(config, Date.now), fingerprint: (key) => `f(${key})` })
  return (weirKey: string | null, clientKey: string | null = null): Caller => find({ weirKey, clientKey })
}
const search = { tenant: 'acme', keyId: 'search', trusted: true, allowed: { providers: ['openai'], models: null }, refused: null }
const admin = { tenant: 'default', keyId: '@admin', trusted: true, allowed: null, refused: null }

describe.each(['open', 'required'] as const)('auth: %s', (auth) => {
  const find = by(auth)
  test('a listed key is its name, its tenant and where it may go', () => expect(find('k-search', 'sk-1')).toEqual(search))
  test('the admin secret may go anywhere', () => expect(find(secret)).toEqual(admin))
  test.each([
    [
      'k-old',
      'old',
      'The Weir key "old" has expired. Use a new one. Send it as "Weir-Auth: Bearer <key>", or where the key of the provider goes.',
    ],
    [
      'k-grafana',
      'grafana',
      'The Weir key "grafana" is not for calls: it lacks the scope proxy. Use one that has it. Send it as "Weir-Auth: Bearer <key>", or where the key of the provider goes.',
    ],
  ])('%s is refused, in its tenant', (key, keyId, message) =>
    expect(find(key)).toMatchObject({
      tenant: 'acme',
      keyId,
      trusted: false,
      allowed: null,
      refused: { code: 'auth_invalid', message, param: 'Weir-Auth', status: 401 },
    }),
  )
})

describe('auth: open', () => {
  const find = by('open')
  test.each([
    [null, null, ''],
    [null, 'sk-1', 'f(sk-1)'],
    ['k-nobody', 'sk-1', 'weir-f(k-nobody)'],
  ])('Weir key %s, provider key %s: anyone may call, as %s', (weirKey, clientKey, keyId) =>
    expect(find(weirKey, clientKey)).toEqual({ tenant: 'default', keyId, trusted: true, allowed: null, refused: null }),
  )
})

describe('auth: required', () => {
  const find = by('required')
  test.each([
    [
      null,
      '',
      'auth_missing',
      'No Weir key came with the call, and none goes without (auth: required). Send it as "Weir-Auth: Bearer <key>", or where the key of the provider goes. `weir key new NAME` makes one.',
    ],
    [
      'k-nobody',
      'weir-f(k-nobody)',
      'auth_invalid',
      'The Weir key that came is not known here: mistyped, taken back, or of another Weir. Send it as "Weir-Auth: Bearer <key>", or where the key of the provider goes.',
    ],
  ])('%s', (weirKey, keyId, code, message) => {
    const { refused, ...caller } = find(weirKey)
    expect(caller).toEqual({ tenant: 'default', keyId, trusted: false, allowed: null })
    expect(refused).toMatchObject({ code, message, param: 'Weir-Auth' })
  })
})
