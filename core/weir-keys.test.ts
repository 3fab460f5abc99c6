import { describe, expect, test } from 'vitest'
import { effectiveConfig } from './config.js'
import { parseConfigFile } from './config/parse.js'
import { keyDigest, weirKeyring } from './weir-keys.js'

const digestOfAbc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
const secret = 'admin-secret-of-at-least-32-characters'

const keyring = (keys: string, { adminSecret = '', now = 0 }: { adminSecret?: string; now?: number } = {}) => {
  const clock = { now }
  const config = effectiveConfig(
    parseConfigFile({ path: 'weir.yaml', text: `keys: [${keys}]\n` }, {}),
    null,
    { WEIR_ADMIN_SECRET: adminSecret },
    '/',
  )
  return { ring: weirKeyring(config, () => clock.now), clock }
}

describe('keys of weir.yaml', () => {
  test('the digest is SHA-256 in hex (FIPS 180-2, B.1)', () => expect(keyDigest('abc')).toBe(digestOfAbc))

  test('a listed key is its name, its tenant, its scopes, and where it may go', () => {
    const { ring } = keyring(
      `{ name: search, sha256: ${digestOfAbc}, tenant: acme, scopes: [proxy, sql], allow: { models: ["gpt-*"] } }`,
    )
    expect(ring.isEmpty).toBe(false)
    for (let i = 0; i < 2; i++)
      expect(ring.find('abc')).toEqual({
        fault: null,
        holder: {
          name: 'search',
          tenant: 'acme',
          everyTenant: false,
          scopes: new Set(['proxy', 'sql']),
          allow: { providers: null, models: ['gpt-*'] },
        },
      })
  })

  test('without more it is for calls of the default tenant to anywhere', () => {
    const { holder } = keyring(`{ name: search, sha256: ${digestOfAbc} }`).ring.find('abc')
    expect([holder?.tenant, holder?.scopes, holder?.allow]).toEqual(['default', new Set(['proxy']), null])
  })

  test('every other key is nobody’s, its digest among them', () => {
    const { ring } = keyring(`{ name: search, sha256: ${digestOfAbc} }`)
    for (const key of ['', 'ab', 'abcd', 'ABC', ' abc', digestOfAbc, 'search', 'abc'.repeat(1000)])
      expect(ring.find(key)).toEqual({ holder: null, fault: 'unknown' })
    for (let i = 0; i < 10_000; i++) ring.find(`key-${i}`)
    expect(ring.find('abc').holder?.name).toBe('search')
    expect(ring.find('key-1').fault).toBe('unknown')
  })

  test('from the moment it expires it is refused, also when it was known before', () => {
    const { ring, clock } = keyring(`{ name: search, sha256: ${digestOfAbc}, expires: 2027-01-01 }`, {
      now: Date.UTC(2026, 11, 31, 23, 59, 59, 999),
    })
    expect(ring.find('abc').fault).toBeNull()
    clock.now++
    expect(ring.find('abc')).toMatchObject({ holder: null, fault: 'expired', was: { name: 'search', tenant: 'default' } })
  })

  test('a moment of expiry counts with its offset', () => {
    const { ring, clock } = keyring(`{ name: search, sha256: ${digestOfAbc}, expires: "2027-01-01T01:00:00+02:00" }`, {
      now: Date.UTC(2026, 11, 31, 22, 59, 59),
    })
    expect(ring.find('abc').fault).toBeNull()
    clock.now += 1000
    expect(ring.find('abc').fault).toBe('expired')
  })
})

describe('the admin secret', () => {
  test('holds every scope, in every tenant', () => {
    const { holder } = keyring('', { adminSecret: secret }).ring.find(secret)
    expect(holder).toEqual({
      name: '@admin',
      tenant: 'default',
      everyTenant: true,
      scopes: new Set(['proxy', 'read-metrics', 'read-bodies', 'sql', 'admin']),
      allow: null,
    })
  })

  test('no secret is no key', () => {
    const { ring } = keyring('')
    expect([ring.isEmpty, ring.find('').fault, ring.find('null').fault]).toEqual([true, 'unknown', 'unknown'])
  })
})
