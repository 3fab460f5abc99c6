import { describe, expect, test } from 'vitest'
import { WeirError } from '../../core/errors.js'
import { readOwnHeaders } from './identity.js'
import { headerReader } from './read-headers.js'

const read = (headers: Record<string, string | string[]>, strictHelicone = false) => {
  const raw = Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).flatMap((one) => [name, one]),
  )
  const { steering, warnings } = readOwnHeaders(headerReader()(raw).own, {
    strictHelicone,
    isProvider: () => false,
  })
  return { failover: steering.failover, disconnect: steering.disconnect, warnings }
}
const refusal = (headers: Record<string, string | string[]>, strict = false): string => {
  try {
    read(headers, strict)
  } catch (cause) {
    if (cause instanceof WeirError && cause.code === 'bad_header') return cause.message
    throw cause
  }
  throw new Error('It was not refused.')
}

test('nothing asked is nothing', () => {
  expect(read({ 'Weir-User-Id': 'a' })).toEqual({ failover: null, disconnect: null, warnings: [] })
  expect(read({ 'Weir-Retry-Enabled': 'false' }).failover).toBeNull()
  expect(read({ 'Weir-Fallback': '  ' }).failover).toBeNull()
})

describe('retries', () => {
  test('the usual figures, and others, in either dialect', () => {
    for (const prefix of ['Weir-', 'Helicone-']) {
      expect(read({ [`${prefix}Retry-Enabled`]: 'TRUE' }).failover?.retry).toEqual({
        num: 5,
        factor: 2,
        minMs: 1000,
        maxMs: 10_000,
        on: null,
      })
      expect(
        read({
          [`${prefix}Retry-Enabled`]: 'true',
          [`${prefix}Retry-Num`]: '0',
          [`${prefix}Retry-Factor`]: '1.5',
          [`${prefix}Retry-Min-Timeout`]: '0',
          [`${prefix}Retry-Max-Timeout`]: '120000',
        }).failover?.retry,
      ).toEqual({ num: 0, factor: 1.5, minMs: 0, maxMs: 120_000, on: null })
    }
  })

  test.each([
    ['Retry-Num', 'x'],
    ['Retry-Num', '11'],
    ['Retry-Num', '-1'],
    ['Retry-Num', '1.5'],
    ['Retry-Num', '1e1'],
    ['Retry-Factor', '0.5'],
    ['Retry-Factor', '11'],
    ['Retry-Factor', 'NaN'],
    ['Retry-Min-Timeout', '120001'],
    ['Retry-Min-Timeout', '1s'],
    ['Retry-Enabled', 'yes'],
  ])('Weir-%s: %s is refused, with what is accepted', (name, value) => {
    expect(refusal({ 'Weir-Retry-Enabled': 'true', [`Weir-${name}`]: value })).toMatch(
      new RegExp(`^Weir-${name}: .*accepted is `),
    )
  })

  test.each([
    ['x', 5, 'bad-value'],
    ['-1', 5, 'bad-value'],
    ['11', 10, 'capped'],
    ['1000000', 10, 'capped'],
  ])('Helicone-Retry-Num: %s is a warning', (value, num, warning) => {
    const headers = { 'Helicone-Retry-Enabled': 'true', 'Helicone-Retry-Num': value }
    const { failover, warnings } = read(headers)
    expect([failover?.retry?.num, warnings]).toEqual([num, [`${warning};h="helicone-retry-num"`]])
    expect(refusal(headers, true)).toContain('Helicone-Retry-Num')
  })

  test('without being switched on they have no effect, and say so', () => {
    const { failover, warnings } = read({ 'Weir-Retry-Num': '3', 'Weir-Retry-On': '429', 'Helicone-Retry-Factor': '3' })
    expect(failover).toBeNull()
    expect(warnings).toEqual(['ignored;h="weir-retry-num"', 'ignored;h="helicone-retry-factor"', 'ignored;h="weir-retry-on"'])
  })

  test('conditions, and where they are none', () => {
    const { failover } = read({ 'Weir-Retry-Enabled': 'true', 'Weir-Retry-On': ['429 5xx', 'overloaded'] })
    expect(failover?.retry?.on?.kinds).toEqual(new Set(['overloaded']))
    expect(refusal({ 'Weir-Retry-Enabled': 'true', 'Weir-Retry-On': '429 sometimes' })).toContain('"sometimes" at character 5')
  })
})

describe('times', () => {
  test('any of them, in one line or several', () => {
    expect(read({ 'Weir-Timeout': ['total=60000, ttft=5000', 'idle=1'] }).failover?.timeouts).toEqual({
      total: 60_000,
      ttft: 5000,
      idle: 1,
    })
  })
  test.each([
    ['total=0', 'at character 7: total is a whole number'],
    ['total=-5', 'at character 7'],
    ['total=1.5', 'at character 7'],
    ['total', 'total is a whole number'],
    ['total=1;x', 'at character 7'],
    ['total="1"', 'at character 7'],
    ['first=1', '"first" is no time-out'],
    ['total=1,', 'at character 9'],
    ['total:1', 'at character 6'],
  ])('%s', (value, message) => {
    expect(refusal({ 'Weir-Timeout': value })).toContain(message)
  })
})

describe('other targets', () => {
  test('a list with its figures', () => {
    const { failover } = read({
      'Weir-Fallback': ['openai/gpt-5-mini;ttft=3000;timeout=9000;weight=0, anthropic;retries=0', '"@eu";on="429 5xx"'],
    })
    expect(failover?.fallback?.form).toBe('after')
    const [mini, anthropic, eu] = failover?.fallback?.targets ?? []
    expect(mini).toMatchObject({ name: 'openai/gpt-5-mini', ttftMs: 3000, timeoutMs: 9000, weight: 0, retries: null, on: null })
    expect(anthropic).toMatchObject({ name: 'anthropic', retries: 0, weight: null })
    expect(eu).toMatchObject({
      name: '@eu',
      on: {
        statuses: [
          [429, 429],
          [500, 599],
        ],
      },
    })
  })

  test.each([
    ['a;retries=11', 'at character 3 retries= is a whole number from 0 to 10'],
    ['a;ttft=0', 'at character 3 ttft= is a whole number from 1'],
    ['a;weight=1.5', 'at character 3 weight='],
    ['a;on=often', 'at character 3 on= takes conditions, and "often" is none'],
    ['a;on', 'at character 3 on='],
    ['a;speed=1', 'at character 3 "speed" is no parameter'],
    ['5', 'at character 1 a target is'],
    ['(a b)', 'at character 1 an inner list is not taken'],
    ['a,', 'at character 3 something has to follow'],
    ['@eu', 'a value'],
    [Array.from({ length: 8 }, () => 'a').join(', '), '8 targets are too many'],
  ])('Weir-Fallback: %s', (value, message) => {
    expect(refusal({ 'Weir-Fallback': value })).toMatch(/^Weir-Fallback: /)
    if (value !== '@eu') expect(refusal({ 'Weir-Fallback': value })).toContain(message)
  })

  test('the whole list as JSON, in either dialect', () => {
    const entries = [
      { 'target-url': 'https://api.openai.com', headers: { Authorization: 'Bearer k' } },
      { target: 'groq/llama', onCodes: [429, { from: 500, to: 599 }], bodyKeyOverride: { model: 'x' } },
    ]
    for (const name of ['Weir-Fallbacks', 'Helicone-Fallbacks']) {
      const { failover } = read({ [name]: JSON.stringify(entries) })
      expect(failover?.fallback).toMatchObject({
        form: 'whole',
        header: name,
        targets: [
          { name: null, url: 'https://api.openai.com', headers: ['Authorization', 'Bearer k'], leaveOn: null },
          {
            name: 'groq/llama',
            url: null,
            leaveOn: {
              statuses: [
                [429, 429],
                [500, 599],
              ],
            },
            override: { model: 'x' },
          },
        ],
      })
      // What no status tells of is left all the same.
      expect(failover?.fallback?.targets[1]?.leaveOn?.kinds.has('network')).toBe(true)
    }
  })

  test.each([
    ['{', 'no JSON'],
    ['{}', 'no list'],
    ['[]', 'no list'],
    ['[1]', 'entry 0 is no object'],
    ['[{}]', 'entry 0 names its target'],
    ['[{"target":"a","target-url":"https://b.example"}]', 'entry 0 names its target'],
    ['[{"target-url":"b"}]', 'entry 0.target-url'],
    ['[{"target-url":5}]', 'entry 0.target-url'],
    ['[{"target-url":"ftp://b.example"}]', 'entry 0.target-url'],
    ['[{"target-url":"https://u:p@b.example"}]', 'entry 0.target-url'],
    ['[{"target-url":"https://b.example/?key=1"}]', 'entry 0.target-url'],
    ['[{"target":"a"},{"target":5}]', 'entry 1 names its target'],
    ['[{"target":"a","onCodes":5}]', 'entry 0.onCodes'],
    ['[{"target":"a","onCodes":["429"]}]', 'entry 0.onCodes'],
    ['[{"target":"a","onCodes":[{"from":599,"to":500}]}]', 'entry 0.onCodes'],
    ['[{"target":"a","headers":{"a b":"c"}}]', 'entry 0.headers'],
    ['[{"target":"a","headers":{"a":"c\\r\\nd: e"}}]', 'entry 0.headers'],
    ['[{"target":"a","headers":[]}]', 'entry 0.headers'],
    ['[{"target":"a","bodyKeyOverride":[]}]', 'entry 0.bodyKeyOverride'],
    ['[{"target":"a","retries":1}]', 'a key "retries" that is not known'],
    [JSON.stringify(Array.from({ length: 9 }, () => ({ target: 'a' }))), '9 targets are too many'],
    [JSON.stringify([{ target: 'a'.repeat(16_400) }]), 'over 16384 bytes'],
  ])('Fallbacks: %s is refused in both dialects', (value, message) => {
    expect(refusal({ 'Weir-Fallbacks': value })).toContain(message)
    expect(refusal({ 'Helicone-Fallbacks': value })).toContain(message)
  })

  test('the path of an address counts under our name, and is dropped under Helicone’s', () => {
    const value = '[{"target-url":"https://API.Example:443/base/"}]'
    expect(read({ 'Weir-Fallbacks': value }).failover?.fallback?.targets[0]?.url).toBe('https://api.example/base')
    const { failover, warnings } = read({ 'Helicone-Fallbacks': value })
    expect([failover?.fallback?.targets[0]?.url, warnings]).toEqual([
      'https://api.example',
      ['path-dropped;h="helicone-fallbacks"'],
    ])
  })

  test('both at once: ours wins over Helicone’s, and two of ours are refused', () => {
    const { failover, warnings } = read({ 'Weir-Fallback': 'groq', 'Helicone-Fallbacks': '[{"target":"a"}]' })
    expect([failover?.fallback?.form, warnings]).toEqual(['after', ['shadowed;h="helicone-fallbacks"']])
    expect(refusal({ 'Weir-Fallback': 'groq', 'Weir-Fallbacks': '[{"target":"a"}]' })).toContain('beside Weir-Fallback')
  })
})

describe('strategies', () => {
  const strategy = (value: string) => read({ 'Weir-Fallback': 'groq', 'Weir-Strategy': value }).failover?.strategy
  test('with what goes with them', () => {
    expect(read({ 'Weir-Fallback': 'groq' }).failover?.strategy).toEqual({ name: 'fallback', primary: 1, sticky: 'none' })
    expect(strategy('weighted;primary=3;sticky=user')).toEqual({ name: 'weighted', primary: 3, sticky: 'user' })
    expect(strategy('cost')).toEqual({ name: 'cost', primary: 1, sticky: 'none' })
  })
  test.each(['random', '"weighted"', 'weighted;primary=1001', 'weighted;sticky=tenant', 'weighted;x=1', 'weighted latency', ''])(
    'refused: %s',
    (value) => {
      if (value === '') expect(strategy(value)?.name).toBe('fallback')
      else expect(refusal({ 'Weir-Strategy': value })).toMatch(/^Weir-Strategy: /)
    },
  )
})

test('disconnect', () => {
  expect(read({ 'Weir-Disconnect': 'Drain' }).disconnect).toBe('drain')
  expect(refusal({ 'Weir-Disconnect': 'later' })).toContain('abort or drain')
})
