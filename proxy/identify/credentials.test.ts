import { describe, expect, test } from 'vitest'
import { effectiveConfig } from '../../core/config.js'
import { parseConfigFile } from '../../core/config/parse.js'
import { keyDigest, weirKeyring } from '../../core/weir-keys.js'
import { credentialsBy } from './credentials.js'
import { headerReader } from './read-headers.js'

// Whose keys came with a call, in the order of headers.md §2.4, item 1.

const listed = 'listed-key-of-any-shape'
const expired = 'expired-key'
const yaml = `keys:
  - { name: search, sha256: ${keyDigest(listed)} }
  - { name: old, sha256: ${keyDigest(expired)}, expires: 2020-01-01 }
  - { name: commas, sha256: ${keyDigest('a,b')} }
`
const config = effectiveConfig(parseConfigFile({ path: 'weir.yaml', text: yaml }, {}), null, {}, '/')
const readHeaders = headerReader()
const withKeys = credentialsBy(weirKeyring(config, Date.now))
const without = credentialsBy(weirKeyring({ keys: [], adminSecret: null }, Date.now))

interface Read {
  readonly weir: string | null
  readonly client: string | null
  readonly sent: readonly string[]
}
const read = (headers: readonly (readonly [string, string])[], url = '/openai/v1/x', by = withKeys): Read & { url: string } => {
  const { weirKey, clientKey, forward, url: rest } = by(readHeaders(headers.flat()), url)
  return { weir: weirKey, client: clientKey, sent: forward, url: rest }
}

test('the first of Weir-Auth, Helicone-Auth, path, Authorization or x-api-key is who calls; none of them goes on', () => {
  const all = [
    ['Authorization', 'Bearer sk-weir-4'],
    ['x-api-key', 'sk-weir-5'],
    ['Helicone-Auth', 'Bearer sk-helicone-2'],
    ['Weir-Auth', 'Bearer sk-weir-1'],
  ] as const
  const path = '/sk-weir-3/openai/v1/x'
  expect(read(all, path)).toEqual({ weir: 'sk-weir-1', client: null, sent: [], url: '/openai/v1/x' })
  expect(read(all.slice(0, 3), path).weir).toBe('sk-helicone-2')
  expect(read(all.slice(0, 2), path)).toMatchObject({ weir: 'sk-weir-3', sent: [] })
  expect(read(all.slice(0, 2))).toMatchObject({ weir: 'sk-weir-4', sent: [] })
  expect(read(all.slice(1, 2))).toMatchObject({ weir: 'sk-weir-5', sent: [] })
})

describe('where a provider’s key goes', () => {
  test.each([
    ['Authorization', `Bearer ${listed}`],
    ['authorization', `bearer  ${listed}`],
    ['Authorization', listed],
    ['Authorization', 'Bearer pk-helicone-1'],
    ['x-api-key', listed],
    ['api-key', listed],
    ['X-Goog-Api-Key', listed],
    ['X-Goog-Api-Key', 'sk-weir-1'],
    // It is refused later, and still nobody else's business.
    ['Authorization', `Bearer ${expired}`],
    ['Authorization', 'Bearer a,b'],
  ])('%s: %s is ours, and taken off', (name, value) => {
    const { weir, client, sent } = read([
      [name, value],
      ['x-other', '1'],
    ])
    expect([weir, client, sent]).toEqual([value.replace(/^bearer\s+/i, ''), null, ['x-other', '1']])
  })

  test.each([
    ['Authorization', 'Bearer sk-proj-1'],
    ['Authorization', 'Basic c2std2Vpci0x'],
    ['Authorization', `Bearer x${listed}`],
    ['Authorization', 'Bearer my-sk-weir-1'],
    ['x-api-key', 'sk-ant-1'],
    ['api-key', '0123'],
  ])('%s: %s is not', (name, value) =>
    expect(read([[name, value]])).toMatchObject({ weir: null, client: value.replace(/^Bearer /, ''), sent: [name, value] }),
  )

  test.each([
    [`Bearer sk-proj-1, Bearer ${listed}`, listed, 'Bearer sk-proj-1'],
    [`Bearer ${listed},Bearer sk-proj-1`, listed, 'Bearer sk-proj-1'],
    ['Bearer sk-proj-1 , sk-weir-2', 'sk-weir-2', 'Bearer sk-proj-1'],
    [`Bearer sk-weir-1, Bearer ${listed}, Bearer sk-proj-1`, 'sk-weir-1', 'Bearer sk-proj-1'],
  ])('Authorization: %s is split', (value, weir, rest) =>
    expect(read([['Authorization', value]])).toMatchObject({ weir, client: 'sk-proj-1', sent: ['Authorization', rest] }),
  )

  test('several headers with keys: each is looked at, ours go, the others stay', () => {
    expect(
      read([
        ['x-api-key', listed],
        ['api-key', 'of-azure'],
        ['Authorization', 'Bearer sk-proj-1'],
        ['Authorization', 'Bearer sk-weir-9'],
      ]),
    ).toMatchObject({ weir: listed, client: 'of-azure', sent: ['api-key', 'of-azure', 'Authorization', 'Bearer sk-proj-1'] })
  })

  test('what Weir-Auth says is ours stays ours wherever it is said again', () =>
    expect(
      read([
        ['Weir-Auth', 'Bearer of-any-shape'],
        ['Authorization', 'Bearer of-any-shape'],
      ]),
    ).toMatchObject({ weir: 'of-any-shape', client: null, sent: [] }))

  test.each([
    [`/gemini/v1beta/models/m:generateContent?key=${listed}`, listed, ''],
    [`/gemini/v1beta/models/m:generateContent?alt=sse&key=${listed}`, listed, '?alt=sse'],
    ['/gemini/v1beta/models/m:generateContent?key=sk-weir-1&alt=sse', 'sk-weir-1', '?alt=sse'],
    ['/gemini/v1beta/models/m:generateContent?key=sk%2Dweir%2D1&alt=sse', 'sk-weir-1', '?alt=sse'],
    ['/gemini/v1beta/models/m:generateContent?key=AIza&key=sk-weir-1', 'sk-weir-1', '?key=AIza'],
    ['/gemini/v1beta/models/m:generateContent?key=AIza&a=%', null, '?key=AIza&a=%'],
    ['/gemini/v1beta/models/m:generateContent?key=%', null, '?key=%'],
  ])('%s', (url, weir, query) => {
    const got = read([], url)
    expect([got.weir, got.url]).toEqual([weir, `/gemini/v1beta/models/m:generateContent${query}`])
  })
})

test('without listed keys the shape alone tells', () => {
  const sent = [['Authorization', `Bearer ${listed}`]] as const
  expect(read(sent, '/', without)).toMatchObject({ weir: null, client: listed })
  expect(read([['Authorization', 'Bearer sk-weir-1']], '/', without)).toMatchObject({ weir: 'sk-weir-1', client: null, sent: [] })
})

test('a scheme without a key is none', () =>
  expect(read([['Authorization', 'Bearer']])).toMatchObject({ weir: null, client: null }))
