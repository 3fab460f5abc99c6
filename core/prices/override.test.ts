import { describe, expect, test } from 'vitest'
import { parseConfigFile } from '../config/parse.js'
import { noUsage, type Usage } from '../usage.js'
import { openPriceBook } from './book.js'
import type { CallFacts } from './call-facts.js'
import type { Cost } from './cost.js'
import { overlapsOf, type PriceOverride } from './override.js'
import { price } from './price.js'

const pricesOf = (entries: readonly string[]): readonly PriceOverride[] =>
  parseConfigFile({ path: 'weir.yaml', text: `prices:\n${entries.map((entry) => `  - ${entry}\n`).join('')}` }, {}).prices

const faultsOf = (...entries: readonly string[]): string => {
  try {
    pricesOf(entries)
    return ''
  } catch (cause) {
    return (cause as Error).message
  }
}

const august = new Date('2026-08-19T00:00:00Z')
// gpt-5: 2,000 x 1.25 + 8,000 x 0.125 + 3,000 x 10 a million = 0.0025 + 0.001 + 0.03.
const gpt5 = { inputTokens: 10_000, cacheReadTokens: 8000, outputTokens: 3000 }

const costOf = (
  entries: readonly string[],
  provider: string,
  model: string,
  { at = august, usage = gpt5, ...more }: Partial<CallFacts> & { at?: Date; usage?: Partial<Usage> } = {},
): Cost =>
  price(
    { ...noUsage('not_on_wire'), usageSource: 'wire', reason: null, ...usage },
    {
      provider,
      api: 'chat',
      endpoint: 'POST /v1/chat/completions',
      outcome: 'complete',
      status: 200,
      requestModel: model,
      responseModel: null,
      serverAddress: null,
      asked: {},
      attempt: 1,
      ...more,
    },
    at,
    openPriceBook(pricesOf(entries)),
  )

describe('what is refused', () => {
  test.each([
    [
      'an unknown unit',
      '{ provider: openai, model: gpt-5, prices: { inputt: "2" } }',
      'weir.yaml:2:49: unknown unit "prices.0.prices.inputt". Did you mean "input"? Known here: input, cache_read, cache_write,',
    ],
    [
      'a negative price',
      '{ provider: a, model: b, prices: { input: "-1" } }',
      'weir.yaml:2:47: prices.0.prices.input: -1 is negative',
    ],
    ['no decimal', '{ provider: a, model: b, prices: { input: abc } }', '"abc" is no decimal number. Accepted form: "2.00".'],
    ['not finite', '{ provider: a, model: b, prices: { input: .inf } }', 'accepted form: a decimal number'],
    ['no number at all', '{ provider: a, model: b, prices: { input: true } }', 'accepted form: a decimal number'],
    ['too fine', '{ provider: a, model: b, prices: { input: 0.0000000000001 } }', 'has more than 12 decimal places'],
    ['too large', '{ provider: a, model: b, prices: { input: 1e7 } }', 'is too large. Accepted: 0 to 999999.'],
    [
      'a discount over 1',
      '{ provider: a, model: b, discount: 1.1 }',
      'weir.yaml:2:40: prices.0.discount: 1.1 is too large. Accepted: 0 to 1.',
    ],
    ['a discount below 0', '{ provider: a, model: b, discount: "-0.1" }', '-0.1 is negative'],
    ['a discount too fine', '{ provider: a, model: b, discount: "0.12345" }', 'more than 4 decimal places'],
    ['no such day', '{ provider: a, model: b, free: true, from: 2026-02-30 }', '"2026-02-30" is no date'],
    ['no date', '{ provider: a, model: b, free: true, from: July }', '"July" is no date'],
    ['a number for a date', '{ provider: a, model: b, free: true, from: 2026 }', 'accepted form: 2026-07-01'],
    [
      'an end before its begin',
      '{ provider: a, model: b, free: true, from: 2026-07-02, until: 2026-07-01 }',
      'weir.yaml:2:67: prices.0.until: 2026-07-01T00:00 is not after from',
    ],
    ['an end at its begin', '{ provider: a, model: b, free: true, from: 2026-07-01, until: 2026-07-01 }', 'it would never hold'],
    ['an odd amount', '{ provider: a, model: b, per: 100, prices: { input: 1 } }', 'prices.0.per: accepted: 1, 1K, 1M'],
    ['nothing said', '{ provider: a, model: b }', 'says not one thing. Accepted: one of free: true, discount and prices.'],
    ['two things said', '{ provider: a, model: b, free: true, discount: "0.1" }', 'says not one thing'],
    ['a misspelt key', '{ provider: a, model: b, fre: true }', 'unknown key "prices.0.fre". Did you mean "free"?'],
    ['no provider', '{ model: b, free: true }', 'prices.0.provider'],
  ])('%s', (_, entry, message) => {
    expect(faultsOf(entry)).toContain(message)
  })

  test('one fault is told once', () => {
    expect(faultsOf('{ provider: a, model: b, prices: { inputt: 2 } }').split('\n')).toHaveLength(1)
  })

  test('all faults of all entries at once, each in its line', () => {
    const faults = faultsOf(
      '{ provider: a, model: b, discount: 2 }',
      '{ provider: a, model: b, free: true }',
      '{ provider: a, model: b, prices: { input: x, output: -1 } }',
    )
    expect(faults.split('\n').map((line) => line.split(':')[1])).toEqual(['2', '4', '4'])
  })
})

describe('overlaps', () => {
  const entry = (more: string): string => `{ provider: openai, model: gpt-5, ${more} }`

  test('are refused with both lines and the reason', () => {
    expect(
      faultsOf(
        entry('from: 2026-07-01, prices: { input: 2, output: 8 }'),
        '{ provider: azure, model: gpt-5, prices: { input: 2 } }',
        entry('from: 2026-09-01, until: 2026-10-01, prices: { input: 3 }'),
      ),
    ).toBe(
      'weir.yaml:4:5: prices.2 overlaps prices.0 (line 2): both say what input of openai gpt-5 cost from 2026-09-01 until 2026-10-01. ' +
        'Let one end (until) where the other begins (from).',
    )
  })

  test.each([
    ['for ever', ['prices: { input: 1 }', 'prices: { input: 2 }'], 1],
    ['one behind the other', ['until: 2026-07-01, prices: { input: 1 }', 'from: 2026-07-01, prices: { input: 2 }'], 0],
    ['other units', ['prices: { input: 1 }', 'prices: { output: 2 }'], 0],
    ['another tier', ['prices: { input: 1 }', 'tier: priority, prices: { input: 2 }'], 0],
    ['the same tier by two names', ['prices: { input: 1 }', 'tier: Standard, prices: { input: 2 }'], 1],
    ['another region', ['region: eu, prices: { input: 1 }', 'prices: { input: 2 }'], 0],
    ['free, and with a price', ['free: true', 'prices: { page: 2 }'], 1],
    ['a discount beside prices of its own', ['discount: "0.1"', 'prices: { input: 2 }'], 0],
    ['two discounts', ['discount: "0.1"', 'discount: "0.2"'], 1],
    ['three of a kind', ['free: true', 'free: true', 'free: true'], 3],
  ])('%s', (_, entries, found) => {
    const parsed = entries.map((more) => pricesOf([entry(more)])[0] as PriceOverride)
    expect(overlapsOf(parsed)).toHaveLength(found)
  })

  test('upper and lower case are one model', () => {
    expect(faultsOf(entry('free: true'), '{ provider: OpenAI, model: GPT-5, free: true }')).toContain('overlaps')
  })
})

test('dates may be written as YAML writes them, with and without quotes; the zone is UTC unless told', () => {
  const dates = ['2026-07-01', '"2026-07-01"', '2026-07-01 08:00:00', '2026-07-01T08:00Z', '"2026-07-01T10:00:00+02:00"']
  expect(
    pricesOf(dates.map((date, i) => `{ provider: a, model: m${i}, free: true, from: ${date} }`)).map(({ from }) => from),
  ).toEqual([
    '2026-07-01T00:00:00.000Z',
    '2026-07-01T00:00:00.000Z',
    '2026-07-01T08:00:00.000Z',
    '2026-07-01T08:00:00.000Z',
    '2026-07-01T08:00:00.000Z',
  ])
  const old = parseConfigFile(
    { path: 'weir.yaml', text: '%YAML 1.1\n---\nprices: [{ provider: a, model: b, free: true, from: 2026-07-01 }]\n' },
    {},
  )
  expect(old.prices[0]?.from).toBe('2026-07-01T00:00:00.000Z')
})

test('a price is the figure that was written, quoted or not', () => {
  const written = ['"2.00"', '2.00', '2', '"2e0"', '1e-7', '"0.0000001"', '0']
  expect(
    pricesOf(written.map((usd, i) => `{ provider: a, model: m${i}, prices: { input: ${usd} } }`)).map(
      ({ prices }) => prices.input,
    ),
  ).toEqual(['2', '2', '2', '2', '0.0000001', '0.0000001', '0'])
})

describe('what holds', () => {
  test('a price goes before overlay and base, unit by unit', () => {
    const cost = costOf(['{ provider: openai, model: gpt-5, prices: { input: "2", output: "8" } }'], 'openai', 'gpt-5-2025-08-07')
    // 2,000 x 2 + 8,000 x 0.125 + 3,000 x 8 a million.
    expect(cost).toMatchObject({ totalUsd: '0.029', status: 'exact' })
    expect(cost.lines.map(({ unit, from }) => [unit, from])).toEqual([
      ['input', 'override'],
      ['cache_read', 'base'],
      ['output', 'override'],
    ])
  })

  test('per 1, 1K and 1M', () => {
    for (const [per, usd] of [
      ['1M', '2'],
      ['1K', '0.002'],
      ['1', '0.000002'],
    ])
      expect(
        costOf([`{ provider: my-vllm, model: llama, per: ${per}, prices: { input: "${usd}" } }`], 'my-vllm', 'llama', {
          usage: { inputTokens: 1000, outputTokens: 0 },
        }),
      ).toMatchObject({ totalUsd: '0.002', status: 'exact' })
  })

  test('an unknown model is priced by what is written, and by nothing else', () => {
    const entries = ['{ provider: my-vllm, model: "llama-*", prices: { input: "1" } }']
    expect(costOf(entries, 'my-vllm', 'llama-70b')).toMatchObject({
      totalUsd: '0.01',
      status: 'partial',
      reason: 'no_price_output',
    })
    expect(costOf(entries, 'my-vllm', 'qwen')).toMatchObject({ totalUsd: null, status: 'unpriced' })
    expect(costOf(entries, 'other', 'llama-70b')).toMatchObject({ totalUsd: null, status: 'unpriced' })
    expect(costOf(['{ provider: my-vllm, model: "*", discount: "0.5" }'], 'my-vllm', 'qwen').status).toBe('unpriced')
  })

  test('free: nothing is owed, whatever tier is told', () => {
    expect(
      costOf(['{ provider: my-vllm, model: "*", free: true }'], 'my-vllm', 'Llama', {
        usage: { ...gpt5, serviceTier: 'priority' },
      }),
    ).toMatchObject({ totalUsd: '0', status: 'not_billable', reason: 'free', lines: [] })
  })

  test('an exact id goes before a pattern, in being free as well', () => {
    const entries = [
      '{ provider: my-vllm, model: "*", free: true }',
      '{ provider: my-vllm, model: dear, prices: { input: 1, output: 1 } }',
    ]
    expect(costOf(entries, 'my-vllm', 'dear')).toMatchObject({ totalUsd: '0.013', status: 'exact' })
    expect(costOf(entries, 'my-vllm', 'other')).toMatchObject({ totalUsd: '0', status: 'not_billable' })
    expect(costOf([...entries].reverse(), 'my-vllm', 'dear').totalUsd).toBe('0.013')
    const freed = [
      '{ provider: my-vllm, model: "*", prices: { input: 1, output: 1 } }',
      '{ provider: my-vllm, model: gift, free: true }',
    ]
    expect(costOf(freed, 'my-vllm', 'gift').status).toBe('not_billable')
  })

  test('of two patterns the later counts', () => {
    const entries = ['{ provider: v, model: "gpt*", prices: { input: 1 } }', '{ provider: v, model: "*", prices: { input: 2 } }']
    const usage = { inputTokens: 1_000_000, outputTokens: 0 }
    expect(costOf(entries, 'v', 'gpt-5', { usage }).totalUsd).toBe('2')
    expect(costOf([...entries].reverse(), 'v', 'gpt-5', { usage }).totalUsd).toBe('1')
  })

  test('from is inclusive, until exclusive', () => {
    const entries = [
      '{ provider: openai, model: gpt-5, from: 2026-08-01, until: 2026-09-01, prices: { input: 0, cache_read: 0, output: 1 } }',
    ]
    const on = (iso: string): string | null => costOf(entries, 'openai', 'gpt-5', { at: new Date(iso) }).totalUsd
    expect(on('2026-07-31T23:59:59.999Z')).toBe('0.0335')
    expect(on('2026-08-01T00:00:00Z')).toBe('0.003')
    expect(on('2026-08-31T23:59:59.999Z')).toBe('0.003')
    expect(on('2026-09-01T00:00:00Z')).toBe('0.0335')
  })

  test('a standard price leaves the tiers as they are; a named tier is its own', () => {
    const standard = ['{ provider: openai, model: gpt-5, prices: { input: 0, cache_read: 0, output: 0 } }']
    const priority = { usage: { ...gpt5, serviceTier: 'priority' } }
    expect(costOf(standard, 'openai', 'gpt-5').totalUsd).toBe('0')
    expect(costOf(standard, 'openai', 'gpt-5', priority)).toMatchObject({ totalUsd: '0.067', status: 'exact' })
    // 2,000 x 2.50 + 8,000 x 0.20 + 3,000 x 16: the input as the overlay has it.
    const named = ['{ provider: openai, model: gpt-5, tier: priority, prices: { cache_read: "0.20", output: "16.00" } }']
    expect(costOf(named, 'openai', 'gpt-5', priority)).toMatchObject({ totalUsd: '0.0546', status: 'exact' })
    expect(costOf(named, 'openai', 'gpt-5').totalUsd).toBe('0.0335')
    // No list has this tier: its own price where it has one, else the standard one, and it says so.
    const scale = ['{ provider: openai, model: gpt-5, tier: scale, prices: { output: "0" } }']
    expect(costOf(scale, 'openai', 'gpt-5', { usage: { ...gpt5, serviceTier: 'scale' } })).toMatchObject({
      totalUsd: '0.0035',
      status: 'estimated',
      reason: 'no_tier_price',
    })
  })

  test('a price without a region has the multiplier of the region, one for the region has not', () => {
    const eu = { serverAddress: 'eu.api.openai.com:443', usage: { inputTokens: 1_000_000, outputTokens: 0 } }
    const anywhere = '{ provider: openai, model: gpt-5, prices: { input: 2 } }'
    const here = '{ provider: openai, model: gpt-5, region: EU, prices: { input: 3 } }'
    expect(costOf([anywhere], 'openai', 'gpt-5', eu).totalUsd).toBe('2.2')
    expect(costOf([anywhere, here], 'openai', 'gpt-5', eu).totalUsd).toBe('3')
    expect(costOf([here, anywhere], 'openai', 'gpt-5', eu).totalUsd).toBe('3')
    expect(costOf([here], 'openai', 'gpt-5', { usage: eu.usage }).totalUsd).toBe('1.25')
  })

  test('a discount is taken off the list price of all units, of tiers and fees too, and not off prices of its own', () => {
    const entries = ['{ provider: azure, model: "gpt-5*", from: 2026-07-01, until: 2027-01-01, discount: "0.15" }']
    const cost = costOf(entries, 'azure', 'gpt-5', { usage: { ...gpt5, extra: { file_search_calls: 4 } } })
    // (0.0335 + 4 x 2.50 / 1,000) x 0.85
    expect(cost).toMatchObject({ totalUsd: '0.036975', status: 'exact' })
    expect(new Set(cost.lines.map(({ multiplier }) => multiplier))).toEqual(new Set(['0.85']))
    // 0.0025 x 0.85 + 0.001 x 0.85 + 3,000 x 1 a million.
    const own = [...entries, '{ provider: azure, model: gpt-5, prices: { output: 1 } }']
    expect(costOf(own, 'azure', 'gpt-5').totalUsd).toBe('0.005975')
    expect(costOf(entries, 'azure', 'gpt-5', { at: new Date('2026-06-30T23:59:59Z') }).totalUsd).toBe('0.0335')
    expect(costOf(entries, 'openai', 'gpt-5').totalUsd).toBe('0.0335')
    expect(costOf(['{ provider: azure, model: gpt-5, discount: 1 }'], 'azure', 'gpt-5')).toMatchObject({
      totalUsd: '0',
      status: 'exact',
    })
  })

  test('of two discounts the closer one is taken, never both', () => {
    const entries = ['{ provider: openai, model: "*", discount: "0.5" }', '{ provider: openai, model: gpt-5, discount: "0.1" }']
    expect(costOf(entries, 'openai', 'gpt-5').totalUsd).toBe('0.03015')
    expect(costOf(entries, 'openai', 'gpt-5-mini').totalUsd).toBe('0.00335')
  })

  test('a discount multiplies with a region', () => {
    const eu = { serverAddress: 'eu.api.openai.com:443' }
    // 0.0335 x 1.1 x 0.8567
    expect(costOf(['{ provider: openai, model: gpt-5, discount: "0.1433" }'], 'openai', 'gpt-5', eu).totalUsd).toBe('0.031569395')
  })
})

test('the same prices are the same book, however they are written', () => {
  const id = (...entries: readonly string[]): string => openPriceBook(pricesOf(entries)).id
  const one = id('{ provider: openai, model: gpt-5, prices: { input: "2.00" } }')
  expect(id('{ model: GPT-5, provider: openai, per: 1M, tier: standard, prices: { input: 2 } }')).toBe(one)
  expect(id('{ provider: openai, model: gpt-5, prices: { input: 3 } }')).not.toBe(one)
  expect(id('{ provider: a, model: b, prices: { input: 3, output: 4 } }')).toBe(
    id('{ provider: a, model: b, prices: { output: 4, input: 3 } }'),
  )
  expect(openPriceBook([]).id).toBe(openPriceBook().id)
  expect(one).toMatch(/^\d+\.\d+\.\d+\+\d{4}-\d{2}-\d{2}\+[0-9a-f]{8}$/)
})
