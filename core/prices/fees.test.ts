import { describe, expect, test } from 'vitest'
import { noUsage, type Usage } from '../usage.js'
import { openPriceBook } from './book.js'
import type { CallFacts } from './call-facts.js'
import type { Cost } from './cost.js'
import { price } from './price.js'

const book = openPriceBook()
const november = new Date('2026-11-26T00:00:00Z')

const costOf = (provider: string, model: string, usage: Partial<Usage>, more: Partial<CallFacts> = {}): Cost =>
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
    november,
    book,
  )
const units = ({ lines }: Cost): readonly (readonly [string, number])[] => lines.map(({ unit, quantity }) => [unit, quantity])

describe('pictures by size and quality', () => {
  const asked = (size: string | null, quality: string | null, images = 1): Cost =>
    costOf(
      'openai',
      'dall-e-3',
      { extra: { images } },
      { api: 'images', asked: { ...(size && { size }), ...(quality && { quality }) } },
    )

  test.each([
    [null, null, 1, '0.04'],
    ['1024x1024', 'hd', 1, '0.08'],
    ['1792x1024', 'standard', 1, '0.08'],
    ['1024x1792', 'hd', 2, '0.24'],
    ['1024x1024', 'auto', 1, '0.04'],
  ])('%s %s x %i: %s', (size, quality, images, usd) => {
    expect(asked(size, quality, images)).toMatchObject({ totalUsd: usd, status: 'exact' })
  })

  test('a size no list has is no guess', () => {
    expect(asked('2048x2048', 'hd')).toMatchObject({ totalUsd: null, status: 'unpriced', reason: 'no_price_image' })
  })

  test('one that tells its tokens is billed by them alone', () => {
    const cost = costOf(
      'openai',
      'gpt-image-1',
      { inputTokens: 50, outputTokens: 1056, outputImageTokens: 1056, extra: { images: 1 } },
      { api: 'images' },
    )
    expect(units(cost)).toEqual([
      ['input', 50],
      ['output_image', 1056],
    ])
    expect(cost.status).toBe('exact')
  })
})

describe('sound', () => {
  test('speech by what it was given to say, although the answer tells nothing', () => {
    expect(
      costOf('openai', 'tts-1', { usageSource: 'none', reason: 'not_on_wire' }, { api: 'speech', asked: { characters: 1000 } }),
    ).toMatchObject({ totalUsd: '0.015', status: 'exact' })
    // Counted tokens do not come on top.
    expect(
      units(
        costOf(
          'openai',
          'tts-1-hd',
          { usageSource: 'estimated', inputTokens: 250 },
          { api: 'speech', asked: { characters: 1000 } },
        ),
      ),
    ).toEqual([['character', 1000]])
  })

  test('a model of speech that counts tokens is a lower bound: its sound is told nowhere', () => {
    const cost = costOf(
      'openai',
      'gpt-4o-mini-tts',
      { usageSource: 'estimated', inputTokens: 250 },
      { api: 'speech', asked: { characters: 1000 } },
    )
    expect(units(cost)).toEqual([['input', 250]])
    expect(cost.status).toBe('partial')
  })

  test('a transcript by the second, fractions too', () => {
    // 12.34 s x 0.006 / 60
    expect(costOf('openai', 'whisper-1', { extra: { audio_seconds: 12.34 } }, { api: 'transcription' })).toMatchObject({
      totalUsd: '0.001234',
      status: 'exact',
    })
  })

  test('Groq bills ten seconds at least', () => {
    expect(units(costOf('groq', 'whisper-large-v3', { extra: { audio_seconds: 3 } }, { api: 'transcription' }))).toEqual([
      ['audio_second', 10],
    ])
    expect(units(costOf('groq', 'whisper-large-v3', { extra: { audio_seconds: 30.5 } }, { api: 'transcription' }))).toEqual([
      ['audio_second', 30.5],
    ])
  })

  test('seconds beside tokens that have a price are not billed twice', () => {
    const cost = costOf(
      'openai',
      'gpt-4o-transcribe',
      { inputTokens: 37, inputAudioTokens: 37, outputTokens: 12, extra: { audio_seconds: 4 } },
      { api: 'transcription' },
    )
    expect(units(cost)).toEqual([
      ['input_audio', 37],
      ['output', 12],
    ])
    expect(cost.status).toBe('exact')
  })

  test('seconds in the place of tokens that have none', () => {
    // voxtral-small: 9 tokens of text, 248 made, and 15 s; the 375 tokens of sound are those seconds.
    const cost = costOf('mistral', 'voxtral-small-latest', {
      inputTokens: 384,
      inputAudioTokens: 375,
      outputTokens: 248,
      extra: { audio_seconds: 15 },
    })
    expect(units(cost)).toEqual([
      ['input', 9],
      ['output', 248],
      ['audio_second', 15],
    ])
  })
})

describe('tools and requests', () => {
  test.each([
    ['low', '5'],
    ['medium', '8'],
    ['high', '12'],
    [null, '5'],
  ])('Perplexity takes a fee by the size of the search: %s', (size, usd) => {
    const cost = costOf(
      'perplexity',
      'sonar',
      { inputTokens: 8, outputTokens: 5 },
      { asked: size === null ? {} : { search_context_size: size } },
    )
    expect(cost.lines.at(-1)).toMatchObject({ unit: 'request', quantity: 1, unitPriceUsd: usd, per: 1000 })
  })

  test('grounding has a free share that is not seen here; older models are billed by the prompt', () => {
    const searches = { inputTokens: 100, outputTokens: 10, extra: { web_search_requests: 3 } }
    expect(costOf('gemini', 'gemini-2.5-flash', searches)).toMatchObject({
      otherUsd: '0.035',
      status: 'estimated',
      reason: 'free_daily_share',
    })
    expect(costOf('gemini', 'gemini-3.5-flash', searches)).toMatchObject({ otherUsd: '0.042', status: 'estimated' })
    // Claude's searches on Vertex are no grounding.
    expect(costOf('vertex', 'claude-sonnet-4-5@20250929', searches, { api: 'messages' })).toMatchObject({
      otherUsd: '0.03',
      status: 'exact',
    })
  })

  test('a container may be shared: counted, not priced', () => {
    const cost = costOf('openai', 'gpt-5', {
      inputTokens: 10,
      outputTokens: 5,
      extra: { containers: 1, code_interpreter_calls: 4 },
    })
    expect(units(cost).at(-1)).toEqual(['container', 1])
    expect(cost).toMatchObject({ status: 'partial', reason: 'no_price_container' })
  })

  test('a picture made on the way has no known price', () => {
    expect(costOf('openai', 'gpt-5', { inputTokens: 10, outputTokens: 5, extra: { image_generation_calls: 1 } })).toMatchObject({
      status: 'partial',
      reason: 'no_price_image',
    })
  })

  test('rankings by the search unit', () => {
    expect(costOf('cohere', 'rerank-v3.5', { extra: { search_units: 2 } }, { api: 'rerank' })).toMatchObject({
      totalUsd: '0.004',
      status: 'exact',
    })
  })

  test('pages that were annotated are dearer than pages', () => {
    expect(costOf('mistral', 'mistral-ocr-latest', { extra: { pages: 2, annotated_pages: 2 } }, { api: 'ocr' })).toMatchObject({
      status: 'partial',
      reason: 'no_price_annotated_page',
    })
  })

  test('what a tier makes cheaper are tokens, not searches', () => {
    const cost = costOf('openai', 'gpt-5', {
      inputTokens: 1000,
      outputTokens: 0,
      serviceTier: 'flex',
      extra: { web_search_requests: 1 },
    })
    // 1,000 x 0.625 a million, and a hundredth.
    expect(cost).toMatchObject({ totalUsd: '0.010625', status: 'exact' })
  })
})
