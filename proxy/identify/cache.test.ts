import { describe, expect, test } from 'vitest'
import { readOwnHeaders } from './identity.js'
import type { CacheAsked } from './cache.js'

const read = (
  headers: Readonly<Record<string, string>>,
  plain: string | null = null,
): { readonly cache: CacheAsked | null; readonly warnings: readonly string[] } => {
  const sent = Object.entries(headers).map(([name, value]) => {
    const dialect = name.startsWith('Weir-') ? ('weir' as const) : ('helicone' as const)
    return { dialect, rest: name.slice(dialect.length + 1).toLowerCase(), name, value }
  })
  const { steering, warnings } = readOwnHeaders(sent, { strictHelicone: false, isProvider: () => false }, plain)
  return { cache: steering.cache, warnings }
}
const week = 604_800_000
const on = { 'Weir-Cache-Enabled': 'true' }
const asked: CacheAsked = {
  read: 'yes',
  save: true,
  maxAgeMs: week,
  slots: 1,
  seed: '',
  ignoreKeys: [],
  scope: 'credential',
  replay: 'instant',
}

test('nothing is asked for: nothing, whatever else is said', () => {
  expect(read({ 'Weir-User-Id': 'a' }).cache).toBeNull()
  expect(
    read({ 'Weir-Cache-Enabled': 'false', 'Weir-Cache-Seed': 'a', 'Weir-Cache-Bucket-Max-Size': '3' }, 'no-cache').cache,
  ).toBeNull()
})

test.each<[string, Record<string, string>, Partial<CacheAsked>]>([
  ['on', on, {}],
  ['the other dialect', { 'Helicone-Cache-Enabled': 'TRUE' }, {}],
  ['reading alone', { 'Weir-Cache-Read': 'true' }, { save: false }],
  ['keeping alone', { 'Weir-Cache-Save': 'true' }, { read: 'no' }],
  ['all but reading', { ...on, 'Weir-Cache-Read': 'false' }, { read: 'no' }],
  ['all but keeping', { ...on, 'Helicone-Cache-Save': 'false' }, { save: false }],
  ['slots', { ...on, 'Weir-Cache-Bucket-Max-Size': '20' }, { slots: 20 }],
  ['seed', { ...on, 'Weir-Cache-Seed': ' s ' }, { seed: 's' }],
  [
    'scope and replay',
    { ...on, 'Weir-Cache-Scope': 'tenant', 'Weir-Cache-Replay': 'Paced' },
    { scope: 'tenant', replay: 'paced' },
  ],
  [
    'keys',
    { ...on, 'Weir-Cache-Ignore-Keys': 'a, b.c ,messages.*.id' },
    { ignoreKeys: [['a'], ['b', 'c'], ['messages', '*', 'id']] },
  ],
  ['quoted keys', { ...on, 'Helicone-Cache-Ignore-Keys': '"a" , "b.c","d,e"' }, { ignoreKeys: [['a'], ['b', 'c'], ['d,e']] }],
])('%s', (_, headers, wanted) => expect(read(headers)).toEqual({ cache: { ...asked, ...wanted }, warnings: [] }))

describe('Cache-Control', () => {
  const control = (value: string, plain: string | null = null): CacheAsked | null =>
    read({ ...on, 'Weir-Cache-Control': value }, plain).cache
  test.each<[string, Partial<CacheAsked>]>([
    ['max-age=60', { maxAgeMs: 60_000 }],
    ['MAX-AGE = "60"', { maxAgeMs: 60_000 }],
    ['max-age=60, s-maxage=10', { maxAgeMs: 10_000 }],
    ['max-age=60, max-age=70', { maxAgeMs: 60_000 }],
    ['public, max-age=60, stale-while-revalidate=30, private="a, b"', { maxAgeMs: 60_000 }],
    ['no-cache', { read: 'bypass' }],
    ['no-cache, max-age=5', { read: 'bypass', maxAgeMs: 5000 }],
    ['no-store', { read: 'bypass', save: false }],
    ['max-age=0', { read: 'bypass', save: false, maxAgeMs: 0 }],
    ['s-maxage=0, max-age=60', { read: 'bypass', save: false, maxAgeMs: 0 }],
    [',', {}],
  ])('%s', (value, wanted) => expect(control(value)).toEqual({ ...asked, ...wanted }))

  test('the first that is there: Weir-, Helicone-, plain', () => {
    expect(control('max-age=1', 'max-age=3')?.maxAgeMs).toBe(1000)
    expect(read({ ...on, 'Helicone-Cache-Control': 'max-age=2' }, 'no-store').cache?.maxAgeMs).toBe(2000)
    expect(read({ ...on, 'Helicone-Cache-Control': 'no-store', 'Weir-Cache-Control': 'max-age=1' }).cache?.maxAgeMs).toBe(1000)
    expect(read(on, 'max-age=3').cache?.maxAgeMs).toBe(3000)
    expect(read(on, 'public').cache?.maxAgeMs).toBe(week)
  })

  test('more than a year is a year', () => {
    expect(read({ ...on, 'Weir-Cache-Control': 'max-age=31536001' })).toEqual({
      cache: { ...asked, maxAgeMs: 31_536_000_000 },
      warnings: ['capped;h="weir-cache-control"'],
    })
    expect(read(on, `max-age=${'9'.repeat(400)}`)).toEqual({
      cache: { ...asked, maxAgeMs: 31_536_000_000 },
      warnings: ['capped;h="cache-control"'],
    })
  })

  test("a fault in the call's own is passed over", () => {
    expect(read(on, 'max-age=x')).toEqual({ cache: asked, warnings: [] })
  })
})

describe('bad values', () => {
  const bad: readonly (readonly [string, string])[] = [
    ['Cache-Enabled', 'yes'],
    ['Cache-Read', '1'],
    ['Cache-Save', 'on'],
    ['Cache-Control', 'max-age=x'],
    ['Cache-Control', 'max-age=-1'],
    ['Cache-Control', 'max-age'],
    ['Cache-Control', 'max age=1'],
    ['Cache-Seed', 'x'.repeat(257)],
    ['Cache-Ignore-Keys', 'a,,b'],
    ['Cache-Ignore-Keys', 'a..b'],
    ['Cache-Ignore-Keys', '"a",b'],
    ['Cache-Ignore-Keys', '"a'],
    ['Cache-Ignore-Keys', Array.from({ length: 33 }, (_, n) => `k${n}`).join(',')],
  ]
  test.each(bad)('Weir-%s: %s is refused by name', (name, value) => {
    expect(() => read({ ...on, [`Weir-${name}`]: value })).toThrow(
      expect.objectContaining({ code: 'bad_header', param: `Weir-${name}` }),
    )
  })
  test.each(bad)('Helicone-%s: %s is passed over, and said', (name, value) => {
    const { warnings } = read({ [`Helicone-${name}`]: value })
    expect(warnings).toEqual([`bad-value;h="helicone-${name.toLowerCase()}"`])
  })
  test.each([
    ['Cache-Scope', 'everyone'],
    ['Cache-Replay', 'slow'],
  ])('Weir-%s: %s, which Helicone has not', (name, value) => {
    expect(() => read({ ...on, [`Weir-${name}`]: value })).toThrow(expect.objectContaining({ code: 'bad_header' }))
    expect(read({ [`Helicone-${name}`]: value }).warnings).toEqual([`unknown-header;h="helicone-${name.toLowerCase()}"`])
  })
  test.each(['0', '21', '01', 'x', '3.0'])('slots: %s is refused in both', (value) => {
    for (const dialect of ['Weir', 'Helicone'])
      expect(() => read({ [`${dialect}-Cache-Bucket-Max-Size`]: value })).toThrow(expect.objectContaining({ code: 'bad_header' }))
  })
})
