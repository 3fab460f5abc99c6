import { describe, expect, test } from 'vitest'
import { effectiveConfig, type Config } from './config.js'
import { ConfigError, parseConfigFile } from './config/parse.js'

const adminSecret = 'admin-secret-of-at-least-32-characters'
const digest = 'a'.repeat(64)
const load = (text: string, env: Record<string, string> = {}): Config =>
  effectiveConfig(parseConfigFile({ path: 'weir.yaml', text }, env), null, env, '/')
const onNetwork = { WEIR_HOST: '0.0.0.0', WEIR_ADMIN_SECRET: adminSecret }

describe('who may call', () => {
  test.each([
    ['', {}, 'open'],
    ['auth: open', {}, 'open'],
    ['auth: open', { WEIR_HOST: '::1' }, 'open'],
    ['auth: open', { WEIR_HOST: '127.0.0.9' }, 'open'],
    ['auth: open', { WEIR_HOST: 'localhost' }, 'open'],
    ['auth: required', {}, 'required'],
    ['', onNetwork, 'required'],
    ['auth: required', onNetwork, 'required'],
  ])('"%s" and %o: auth is %s', (text, env, auth) => expect(load(text, env).auth).toBe(auth))

  test.each(['0.0.0.0', '::', '10.0.0.5', 'weir.example', '127.0.0.1.example', '1270.0.0.1'])(
    'auth: open on %s is refused',
    (host) => {
      const start = (): Config => load('auth: open', { ...onNetwork, WEIR_HOST: host })
      expect(start).toThrow(ConfigError)
      expect(start).toThrow(
        `auth: open lets anyone call who reaches ${host}. Set auth: required and add keys (weir key new NAME), or bind 127.0.0.1.`,
      )
    },
  )

  test('a bind off loopback without an admin secret is refused', () =>
    expect(() => load('auth: required', { WEIR_HOST: '0.0.0.0' })).toThrow(
      'WEIR_ADMIN_SECRET (at least 32 characters) must be set',
    ))
})

describe('keys', () => {
  const line = (fields: string): string => `keys: [{ name: a, sha256: ${digest}${fields} }]`
  test.each([
    ['keys: [{ name: A, sha256: x }]', 'keys.0.name: accepted form: lower-case letters, digits, ., _ and -, at most 64'],
    [`keys: [{ name: a, sha256: ${digest.toUpperCase()} }]`, 'keys.0.sha256: accepted form: 64 lower-case hex digits'],
    [line(', tenant: A'), 'keys.0.tenant: accepted form: lower-case letters, digits, _ and -, at most 64'],
    [line(', scopes: []'), 'keys.0.scopes: '],
    [line(', scopes: [proxi]'), 'keys.0.scopes.0: '],
    [line(', expires: tomorrow'), 'keys.0.expires: '],
    [line(', expires: 2027-01-01T00:00'), 'keys.0.expires: '],
    [line(', allow: { models: [] }'), 'keys.0.allow.models: '],
    [line(', allow: { model: [a] }'), 'unknown key "keys.0.allow.model". Did you mean "models"?'],
    [`keys: [{ name: a, sha256: ${digest} }, { name: b, sha256: ${digest} }]`, 'is used twice.'],
    [`keys: [{ name: a, sha256: ${digest} }, { name: a, sha256: ${'b'.repeat(64)} }]`, 'keys: the name "a" is used twice.'],
  ])('%s', (text, fault) => {
    expect(() => load(text)).toThrow(ConfigError)
    expect(() => load(text)).toThrow(fault)
  })
})
