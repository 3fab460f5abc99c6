import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseLimitPolicies, quotaText, type LimitPolicy } from './limit-policy.js'

const only = (text: string): LimitPolicy => {
  const { policies, fault } = parseLimitPolicies(text)
  if (policies === null || policies.length !== 1) throw new Error(fault?.message ?? 'not one')
  return policies[0] as LimitPolicy
}

describe('what is understood', () => {
  test.each([
    // [written, canonical]; the first five are of Helicone's documentation.
    ['100;w=60', '100;w=60;u=request'],
    ['1000;w=60;u=request;s=user', '1000;w=60;u=request;s=user'],
    ['1000;w=3600;u=cents', '1000;w=3600;u=cents'],
    ['500;w=3600;u=cents;s=organization', '500;w=3600;u=cents;s=organization'],
    ['10;w=1000;u=cents;s=user', '10;w=1000;u=cents;s=user'],
    ['10;s=user;u=requests;w=60', '10;w=60;u=request;s=user'],
    ['0.5;w=1;u=cents', '0.5;w=1;u=cents'],
    ['007.500000;w=01', '7.5;w=1;u=request'],
    ['0;w=60', '0;w=60;u=request'],
    ['999999999.999999;w=31536000;u=tokens', '999999999.999999;w=31536000;u=tokens'],
    ['1;w=1;s=@key', '1;w=1;u=request;s=@key'],
    ['1;w=1;s=@session;missing=deny', '1;w=1;u=request;s=@session;missing=deny'],
    ['1;w=1;s=@model;name=burst', '1;w=1;u=request;s=@model;name=burst'],
    ['1;w=1;s=Team', '1;w=1;u=request;s=team'],
    ['1;w=1;s=USER', '1;w=1;u=request;s=user'],
    [' 1;w=1\t', '1;w=1;u=request'],
  ])('%s', (text, canonical) => {
    const policy = only(text)
    expect(policy.text).toBe(canonical)
    expect(only(canonical)).toEqual(policy)
  })

  test('several, blanks around the commas', () => {
    expect(parseLimitPolicies('10;w=60 , 1;w=60;s=user,5;w=1').policies?.map(({ text }) => text)).toEqual([
      '10;w=60;u=request',
      '1;w=60;u=request;s=user',
      '5;w=1;u=request',
    ])
    expect(parseLimitPolicies(Array.from({ length: 8 }, () => '1;w=1').join(',')).policies).toHaveLength(8)
  })

  test('a quota in millionths', () => {
    expect(only('12.000001;w=1').quotaMicro).toBe(12_000_001)
    expect(quotaText(12_000_001)).toBe('12.000001')
    expect(quotaText(1_500_000)).toBe('1.5')
    expect(quotaText(0)).toBe('0')
  })
})

describe('what is not, and where', () => {
  test.each([
    ['', 1, 'begins with its quota'],
    ['abc', 1, 'begins with its quota'],
    ['-1;w=60', 1, 'begins with its quota'],
    ['1e3;w=60', 2, 'Behind a quota'],
    ['10', 3, 'has a window'],
    ['10;', 4, 'A parameter is'],
    ['10;w', 4, 'A parameter is'],
    ['10;w=', 6, 'window of 1'],
    ['10;w=0', 6, 'window of 1'],
    ['10;w=31536001', 6, 'window of 1'],
    ['10;w=1.5', 6, 'window of 1'],
    ['10;w=60;w=60', 9, 'stands twice'],
    ['10;w=60;u=dollars', 11, 'request, tokens or cents'],
    ['10;w=60;u=constructor', 11, 'request, tokens or cents'],
    ['10;w=60;u=', 11, 'request, tokens or cents'],
    ['10;w=60;s=', 11, 's= is'],
    ['10;w=60;s=@team', 11, 's= is'],
    ['10;w=60;s=a"b', 11, 's= is'],
    ['10;w=60;missing=no', 17, 'missing= is'],
    ['10;w=60;name=', 14, 'name= is'],
    ['10;w=60;burst=3', 9, 'A parameter is'],
    ['10;W=60', 4, 'A parameter is'],
    ['10; w=60', 4, 'A parameter is'],
    ['10;w=60 ;u=cents', 9, 'Behind a policy'],
    ['1234567890;w=60', 10, 'at most 9 digits'],
    ['1.;w=60', 2, 'at most 9 digits'],
    ['1.1234567;w=60', 9, 'at most 9 digits'],
    ['.5;w=60', 1, 'begins with its quota'],
    ['0.5;w=60', 1, 'Less than one request'],
    ['10;w=60,', 9, 'begins with its quota'],
    ['10;w=60,,1;w=1', 9, 'begins with its quota'],
    ['10;w=60, 5;w=x', 14, 'window of 1'],
    [Array.from({ length: 9 }, () => '1;w=1').join(','), 49, 'At most 8'],
  ])('%s', (text, at, message) => {
    const { fault } = parseLimitPolicies(text)
    expect(fault?.at).toBe(at)
    expect(fault?.message).toContain(message)
  })
})

test('whatever is sent is understood or refused, and what is understood says the same in its canonical form', () => {
  const piece = fc.constantFrom(
    '1',
    '0.5',
    ';',
    'w=',
    'u=',
    's=',
    '60',
    'cents',
    'user',
    '@key',
    ',',
    ' ',
    '=',
    'missing=',
    'é',
    '\t',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join('')),
      ),
      (text) => {
        const { policies, fault } = parseLimitPolicies(text)
        if (policies === null) {
          expect(fault.at).toBeGreaterThanOrEqual(1)
          expect(fault.at).toBeLessThanOrEqual(text.length + 1)
          return
        }
        expect(parseLimitPolicies(policies.map((policy) => policy.text).join(', ')).policies).toEqual(policies)
      },
    ),
  )
})

test('every policy that can be made is understood', () => {
  const policy = fc.record({
    whole: fc.integer({ min: 1, max: 999_999_999 }),
    fraction: fc.integer({ min: 0, max: 999_999 }),
    w: fc.integer({ min: 1, max: 31_536_000 }),
    u: fc.constantFrom('request', 'tokens', 'cents'),
    s: fc.constantFrom(null, 'user', '@key', '@session', '@model', 'team'),
  })
  fc.assert(
    fc.property(policy, ({ whole, fraction, w, u, s }) => {
      const read = only(`${whole}.${String(fraction).padStart(6, '0')};u=${u};w=${w}${s === null ? '' : `;s=${s}`}`)
      expect(read).toMatchObject({ quotaMicro: whole * 1e6 + fraction, windowS: w, unit: u, segment: s })
    }),
  )
})
