import { expect, test } from 'vitest'
import { genaiModels } from './genai-prices.js'
import { litellmModels } from './litellm.js'

const noon = new Date('2026-11-25T12:00:00Z') // a Wednesday
const night = new Date('2026-11-25T02:00:00Z')

test('LiteLLM: names, long contexts and batches in our words', () => {
  const map = {
    'gemini/gemini-2.5-pro': {
      litellm_provider: 'gemini',
      input_cost_per_token: 0.00000125,
      input_cost_per_token_above_200k_tokens: 0.0000025,
      cache_creation_input_token_cost_above_200k_tokens: 2.5e-7,
      output_cost_per_token: 0.00001,
      input_cost_per_token_batches: 6.25e-7,
    },
    'azure/us/gpt-5': { litellm_provider: 'azure', input_cost_per_token: 0.000001375 },
    'bedrock/us-east-1/1-month-commitment/cohere.command-text-v14': { litellm_provider: 'bedrock', input_cost_per_second: 0.011 },
    'some/other': { litellm_provider: 'nobody', input_cost_per_token: 1 },
  }
  expect(litellmModels(map, noon)).toEqual([
    {
      key: 'gemini/gemini-2.5-pro',
      provider: 'gemini',
      model: 'gemini-2.5-pro',
      serverAddress: null,
      rates: {
        input: [
          { from: 0, usd: '0.00000125', per: 1 },
          { from: 200_001, usd: '0.0000025', per: 1 },
        ],
        output: [{ from: 0, usd: '0.00001', per: 1 }],
      },
      batch: { input: [{ from: 0, usd: '6.25e-7', per: 1 }] },
    },
  ])
})

test('LiteLLM: off-peak prices in their hours', () => {
  const map = {
    'deepseek-v4-pro': {
      litellm_provider: 'deepseek',
      input_cost_per_token: 0.00000132,
      off_peak_pricing: {
        input_cost_per_token: 6.6e-7,
        windows: [
          { hours_utc: ['00:00-01:00', '04:00-06:00', '10:00-00:00'], weekdays: [1, 2, 3, 4, 5] },
          { hours_utc: '00:00-00:00', weekdays: [6, 7] },
        ],
      },
    },
  }
  const inputAt = (at: Date): string | undefined => litellmModels(map, at)[0]?.rates.input?.[0]?.usd
  expect(inputAt(noon)).toBe('6.6e-7')
  expect(inputAt(night)).toBe('0.00000132')
  // Saturday at the same hour.
  expect(inputAt(new Date('2026-11-28T02:00:00Z'))).toBe('6.6e-7')
})

test('genai-prices: the price of the day and of the hour, and its batch variant', () => {
  const dated = (day: number, usd: string): object => ({
    constraint: { kind: 'StartDateConstraint', start_date: [2026, 11, day] },
    prices: { kind: 'ModelPrice', input_mtok: usd },
  })
  const data = [
    {
      id: 'deepseek',
      models: [
        {
          id: 'M',
          prices: [
            { prices: { kind: 'ModelPrice', input_mtok: '1' } },
            dated(20, '2'),
            dated(26, '3'),
            {
              constraint: { kind: 'TimeOfDateConstraint', start_time: [1, 0], end_time: [4, 0] },
              prices: { kind: 'ModelPrice', input_mtok: '4' },
            },
          ],
          price_variants: [
            { when: { processing: 'batch' }, constraint: null, prices: { kind: 'ModelPrice', input_mtok: '0.5' } },
          ],
        },
      ],
    },
  ] as unknown as Parameters<typeof genaiModels>[0]
  const at = (moment: Date): unknown => genaiModels(data, moment)[0]?.rates.input
  expect(at(noon)).toEqual([{ from: 0, usd: '2', per: 1_000_000 }])
  expect(at(night)).toEqual([{ from: 0, usd: '4', per: 1_000_000 }])
  expect(at(new Date('2026-11-01T12:00:00Z'))).toEqual([{ from: 0, usd: '1', per: 1_000_000 }])
  expect(genaiModels(data, noon)[0]).toMatchObject({ key: 'deepseek:M', model: 'm', batch: { input: [{ usd: '0.5' }] } })
})
