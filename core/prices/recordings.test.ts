import { describe, expect, test } from 'vitest'
import { readAnswer } from '../providers/read-answer.js'
import { recordings, recordingsDir, type Recording } from '../providers/recordings.js'
import { builtInProviders } from '../providers/registry.js'
import { readUsage } from '../usage-reader.js'
import { noUsage, type Usage } from '../usage.js'
import { openPriceBook } from './book.js'
import type { Cost } from './cost.js'
import { price } from './price.js'

const book = openPriceBook()
// What expected.json was priced at; gpt-5.6 got cheaper two days later.
const at = new Date('2026-08-19T00:00:00Z')

const costed = recordings().filter(({ costUsd, costBasis }) => costUsd !== null && costBasis !== 'open')

const costOf = (recording: Recording, usage: Usage, responseModel: string | null): Cost =>
  price(
    usage,
    {
      provider: recording.provider,
      api: recording.api,
      endpoint: `${recording.requestBody.length === 0 ? 'GET' : 'POST'} ${recording.path}`,
      outcome: 'complete',
      status: recording.status,
      requestModel: recording.modelRequested,
      responseModel,
      serverAddress: null,
      asked: {},
      attempt: 1,
      trustCost: builtInProviders.get(recording.provider)?.trustCost ?? false,
    },
    at,
    book,
  )

/** The counts of expected.json as a usage, so that prices are tested apart from readers. */
const expectedUsage = ({ expect: told, extra, lines, providerCostUsd }: Recording): Usage => {
  const tokens = (name: string, from = told): number | null => from[name] ?? null
  const counts = (from: Readonly<Record<string, number | null>>): Omit<Usage, 'parts'> => ({
    ...noUsage('not_on_wire'),
    usageSource: 'wire',
    reason: null,
    inputTokens: tokens('input_tokens', from),
    outputTokens: tokens('output_tokens', from),
    cacheReadTokens: tokens('cache_read_tokens', from),
    cacheWriteTokens: tokens('cache_write_tokens', from),
    cacheWrite5mTokens: tokens('cache_write_5m_tokens', from),
    cacheWrite1hTokens: tokens('cache_write_1h_tokens', from),
    reasoningTokens: tokens('reasoning_tokens', from),
    inputAudioTokens: tokens('input_audio_tokens', from),
    outputAudioTokens: tokens('output_audio_tokens', from),
    inputImageTokens: tokens('input_image_tokens', from),
    outputImageTokens: tokens('output_image_tokens', from),
  })
  const billed = (extra.billed_units ?? {}) as Readonly<Record<string, number | undefined>>
  const numbers = Object.entries(extra).filter((entry): entry is [string, number] => typeof entry[1] === 'number')
  return {
    ...counts(told),
    extra: {
      ...Object.fromEntries(numbers),
      ...(billed.input_tokens === undefined ? {} : { billed_input_tokens: billed.input_tokens }),
      ...(billed.output_tokens === undefined ? {} : { billed_output_tokens: billed.output_tokens }),
    },
    parts: (lines ?? []).map(({ type, usage }) => ({ ...counts(usage), type, model: null })),
    serviceTier: typeof extra.service_tier === 'string' ? extra.service_tier : null,
    providerCostUsd: providerCostUsd === null ? null : String(providerCostUsd),
  }
}

describe.skipIf(recordingsDir === null)('recorded calls cost what they should', () => {
  test('WEIR_WIRE_FIXTURES names their folder', () => {
    expect(costed.length).toBeGreaterThan(40)
  })

  test.each(costed)('$id, by its counts: $costUsd ($costBasis)', (recording) => {
    const cost = costOf(recording, expectedUsage(recording), recording.modelResponded)
    expect(Math.abs(Number(cost.totalUsd ?? Number.NaN) - (recording.costUsd ?? -1))).toBeLessThanOrEqual(1e-9)
  })

  test.for(costed)('$id, by its bytes: $costUsd ($costBasis)', async (recording, { skip }) => {
    const reader = readAnswer({ ...recording, contentEncoding: recording.encoding })
    reader.push(recording.body)
    await reader.end()
    const { usageRaw, responseModel } = reader.facts()
    const usage = readUsage(recording.provider, recording.api, usageRaw)
    const { inputTokens, outputTokens } = expectedUsage(recording)
    // What is read is tested with the readers; here, what it costs.
    skip(usage.inputTokens !== inputTokens || usage.outputTokens !== outputTokens, 'read otherwise')
    const cost = costOf(recording, usage, responseModel)
    expect(Math.abs(Number(cost.totalUsd ?? Number.NaN) - (recording.costUsd ?? -1))).toBeLessThanOrEqual(1e-9)
  })
})
