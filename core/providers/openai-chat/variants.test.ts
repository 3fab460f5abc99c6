import { describe, expect, test } from 'vitest'
import { splitsOf } from '../framing/splits.js'
import { readAnswer, type Answering } from '../read-answer.js'
import type { AnswerFacts } from '../answer.js'
import { readUsage } from '../../usage-reader.js'
import type { Usage } from '../../usage.js'

// Each host's own way of telling usage, from its documentation and recordings, with figures worked out by hand.

type Read = Usage & { readonly facts: AnswerFacts }

const asked: Answering = {
  family: 'openai-chat',
  api: 'chat',
  provider: 'openai',
  streaming: true,
  status: 200,
  contentType: 'text/event-stream',
  contentEncoding: null,
}

const read = (answering: Answering, pieces: readonly Buffer[]): Read => {
  const reader = readAnswer(answering)
  for (const piece of pieces) reader.push(piece)
  void reader.end()
  const facts = reader.facts()
  return { ...readUsage(answering.provider, answering.api, facts.usageRaw), facts }
}

/** Reads a stream in every split; all must agree. */
const stream = (provider: string, events: readonly unknown[]): Read => {
  const body = Buffer.from(
    events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\r\n\r\n`).join(''),
  )
  const whole = read({ ...asked, provider }, [body])
  for (const { name, pieces } of splitsOf(body, 3)) expect(read({ ...asked, provider }, pieces), name).toEqual(whole)
  return whole
}

const body = (provider: string, value: unknown, api = 'chat'): Read =>
  read({ ...asked, provider, api, streaming: false, contentType: 'application/json' }, [Buffer.from(JSON.stringify(value))])

const chunk = (more: object = {}, choice: object = {}): object => ({
  id: 'c1',
  model: 'm',
  choices: [{ index: 0, delta: { content: 'a' }, finish_reason: null, ...choice }],
  ...more,
})
const told = (prompt: number, completion: number, more: object = {}): object => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  ...more,
})

describe('where usage sits', () => {
  test('OpenAI: null until the last chunk, which has no choices', () => {
    const usage = stream('openai', [
      chunk({ usage: null }),
      chunk({ usage: null }),
      { id: 'c1', model: 'm', choices: [], usage: told(20, 2) },
      '[DONE]',
    ])
    expect(usage).toMatchObject({ inputTokens: 20, outputTokens: 2, cacheReadTokens: null, usageSource: 'wire' })
  })
  test('asked for nothing, told nothing', () => {
    expect(stream('vllm', [chunk(), chunk({}, { finish_reason: 'stop' }), '[DONE]'])).toMatchObject({
      inputTokens: null,
      outputTokens: null,
      usageSource: 'none',
      reason: 'not_on_wire',
    })
  })
  test('Perplexity: cumulative in every chunk, the cost in the last alone', () => {
    const cost = { input_tokens_cost: 0.000008, output_tokens_cost: 0.000005, request_cost: 0.005, total_cost: 0.005013 }
    const usage = stream('perplexity', [
      chunk({ usage: told(8, 1, { search_context_size: 'low' }) }),
      chunk({ usage: told(8, 3, { search_context_size: 'low' }) }),
      chunk({ usage: told(8, 5, { search_context_size: 'low', cost }) }, { finish_reason: 'stop' }),
    ])
    expect(usage).toMatchObject({ inputTokens: 8, outputTokens: 5, providerCostUsd: '0.005013' })
    expect(usage.facts.finishReason).toBe('stop')
  })
  test('a field the last event leaves out keeps its value; one told again is replaced, not added', () => {
    const usage = stream('acme', [
      chunk({ usage: told(8, 1, { cost: 0.25, prompt_tokens_details: { cached_tokens: 4 } }) }),
      chunk({ usage: { prompt_tokens: 8, completion_tokens: 6, total_tokens: 14, cost: null } }),
    ])
    expect(usage).toMatchObject({ inputTokens: 8, outputTokens: 6, cacheReadTokens: 4, providerCostUsd: '0.25' })
  })
  test('Moonshot: inside of the last choice', () => {
    const usage = stream('moonshot', [
      chunk(),
      chunk({}, { delta: {}, finish_reason: 'stop', usage: { ...told(12, 7), cached_tokens: 5 } }),
      '[DONE]',
    ])
    expect(usage).toMatchObject({ inputTokens: 12, outputTokens: 7, cacheReadTokens: 5 })
  })
  test('Groq: both places, the same figures; older: one', () => {
    const both = stream('groq', [
      chunk(),
      { id: 'c1', model: 'm', x_groq: { id: 'r', usage: told(20, 4) }, choices: [], usage: told(20, 4) },
      '[DONE]',
    ])
    expect(both).toMatchObject({ inputTokens: 20, outputTokens: 4 })
    const older = stream('groq', [
      { ...chunk(), x_groq: { id: 'r' } },
      chunk({ x_groq: { id: 'r', usage: told(18, 73, { queue_time: 0.2 }) } }, { delta: {}, finish_reason: 'stop' }),
      '[DONE]',
    ])
    expect(older).toMatchObject({ inputTokens: 18, outputTokens: 73, notes: [] })
  })
  test('Azure: the filter of the prompt comes first, without model or usage', () => {
    const first = { choices: [], created: 0, id: '', model: '', object: '', prompt_filter_results: [{ prompt_index: 0 }] }
    const usage = stream('azure', [first, chunk(), { id: 'c1', model: 'm', choices: [], usage: told(12, 24) }, '[DONE]'])
    expect(usage).toMatchObject({ inputTokens: 12, outputTokens: 24 })
    expect(usage.facts).toMatchObject({ responseModel: 'm', responseId: 'c1', notes: [] })
  })
  test('Mistral: in the last chunk that has content', () => {
    const usage = stream('mistral', [
      chunk(),
      chunk({ usage: told(9, 3, { service_tier: 'standard' }) }, { finish_reason: 'stop' }),
      '[DONE]',
    ])
    expect(usage).toMatchObject({ inputTokens: 9, outputTokens: 3, serviceTier: 'standard' })
  })
  test('llama.cpp: its timings stand in where no usage was asked for', () => {
    const timings = { prompt_n: 10, predicted_n: 5, cache_n: 30, prompt_ms: 1.5 }
    expect(stream('llama', [chunk(), chunk({ timings }, { finish_reason: 'stop' }), '[DONE]'])).toMatchObject({
      inputTokens: 40,
      outputTokens: 5,
      cacheReadTokens: 30,
    })
    // usage wins
    expect(body('llama', { ...chunk({ timings }), usage: told(41, 6) })).toMatchObject({ inputTokens: 41, outputTokens: 6 })
  })
})

test('Azure: the header names the model where the body does not, and only there', () => {
  const served = {
    ...asked,
    provider: 'azure',
    servedModel: 'gpt-5.2-2025-12-11',
    streaming: false,
    contentType: 'application/json',
  }
  const model = (body: object): string | null => read(served, [Buffer.from(JSON.stringify(body))]).facts.responseModel
  expect(model({ id: 'c1', choices: [], usage: told(1, 1) })).toBe('gpt-5.2-2025-12-11')
  expect(model({ id: 'c1', model: '', choices: [] })).toBe('gpt-5.2-2025-12-11')
  expect(model({ id: 'c1', model: 'gpt-4o', choices: [] })).toBe('gpt-4o')
  const filter = { id: '', model: '', choices: [], prompt_filter_results: [] }
  const body = Buffer.from(
    [filter, { ...chunk(), model: 'gpt-5.2' }].map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''),
  )
  expect(read({ ...served, streaming: true, contentType: 'text/event-stream' }, [body]).facts.responseModel).toBe('gpt-5.2')
})

describe('spellings of what came from the cache', () => {
  test.each([
    ['OpenAI', told(100, 1, { prompt_tokens_details: { cached_tokens: 60 } }), 60],
    ['Mistral', told(100, 1, { prompt_token_details: { cached_tokens: 60 } }), 60],
    ['Mistral, older', told(100, 1, { num_cached_tokens: 60, prompt_tokens_details: null }), 60],
    ['Together', told(100, 1, { cached_tokens: 60 }), 60],
    ['DeepSeek', told(100, 1, { prompt_cache_hit_tokens: 60, prompt_cache_miss_tokens: 40 }), 60],
    [
      'DeepSeek, whole',
      { completion_tokens: 1, total_tokens: 101, prompt_cache_hit_tokens: 60, prompt_cache_miss_tokens: 40 },
      60,
    ],
    ['filled in for form', told(100, 1, { prompt_tokens_details: { cached_tokens: 0 }, cached_tokens: 60 }), 60],
    ['nothing read', told(100, 1, { prompt_tokens_details: { cached_tokens: 0 }, cached_tokens: null }), 0],
    ['LiteLLM', told(100, 1, { cache_read_input_tokens: 60, prompt_tokens_details: { cached_tokens: 60 } }), 60],
    ['an empty object of details', told(100, 1, { prompt_tokens_details: {}, input_tokens_details: { cached_tokens: 60 } }), 60],
    ['not told', told(100, 1, { prompt_tokens_details: [] }), null],
  ])('%s', (_who, usage, cacheReadTokens) => {
    expect(body('acme', { usage })).toMatchObject({ inputTokens: 100, outputTokens: 1, cacheReadTokens, notes: [] })
  })

  test('written ones, with and without their lifetime', () => {
    expect(
      body('openai', { usage: told(100, 1, { prompt_tokens_details: { cached_tokens: 10, cache_write_tokens: 80 } }) }),
    ).toMatchObject({
      cacheReadTokens: 10,
      cacheWriteTokens: 80,
      cacheWrite5mTokens: null,
    })
    const details = {
      cached_tokens: 0,
      cache_creation_tokens: 90,
      cache_creation_token_details: { ephemeral_5m_input_tokens: 30, ephemeral_1h_input_tokens: 60 },
    }
    expect(body('litellm', { usage: told(100, 1, { prompt_tokens_details: details }) })).toMatchObject({
      cacheWriteTokens: 90,
      cacheWrite5mTokens: 30,
      cacheWrite1hTokens: 60,
    })
  })

  test("in Anthropic's own names and without a total, reads lie beside the input: 3 + 1,000 + 50", () => {
    expect(
      body('acme', {
        usage: { input_tokens: 3, output_tokens: 9, cache_read_input_tokens: 1000, cache_creation_input_tokens: 50 },
      }),
    ).toMatchObject({ inputTokens: 1053, cacheReadTokens: 1000, cacheWriteTokens: 50, notes: [] })
  })
})

describe('the total decides, at whoever tells it', () => {
  test.each([
    [
      'all inside',
      { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30, completion_tokens_details: { reasoning_tokens: 15 } },
      10,
      20,
    ],
    [
      'reasoning beside',
      { prompt_tokens: 10, completion_tokens: 20, total_tokens: 45, completion_tokens_details: { reasoning_tokens: 15 } },
      10,
      35,
    ],
    [
      'sound beside',
      { prompt_tokens: 9, completion_tokens: 248, total_tokens: 632, prompt_tokens_details: { audio_tokens: 375 } },
      384,
      248,
    ],
    [
      'both beside',
      {
        prompt_tokens: 10,
        completion_tokens: 20,
        total_tokens: 50,
        completion_tokens_details: { reasoning_tokens: 15 },
        prompt_tokens_details: { audio_tokens: 5 },
      },
      15,
      35,
    ],
    [
      'reads beside',
      { prompt_tokens: 10, completion_tokens: 20, total_tokens: 130, prompt_tokens_details: { cached_tokens: 100 } },
      110,
      20,
    ],
    [
      'reads inside',
      { prompt_tokens: 110, completion_tokens: 20, total_tokens: 130, prompt_tokens_details: { cached_tokens: 100 } },
      110,
      20,
    ],
    ['no total', { prompt_tokens: 10, completion_tokens: 20, completion_tokens_details: { reasoning_tokens: 15 } }, 10, 20],
  ])('%s', (_what, usage, inputTokens, outputTokens) => {
    expect(body('acme', { usage })).toMatchObject({ inputTokens, outputTokens, notes: [] })
  })

  test('xAI: chat beside, Responses inside, where the total is missing', () => {
    const chat = { prompt_tokens: 213, completion_tokens: 2, completion_tokens_details: { reasoning_tokens: 198 } }
    expect(body('xai', { usage: chat })).toMatchObject({ outputTokens: 200, reasoningTokens: 198, notes: [] })
    const responses = { input_tokens: 213, output_tokens: 364, output_tokens_details: { reasoning_tokens: 263 } }
    expect(body('xai', { object: 'response', usage: responses }, 'responses')).toMatchObject({
      outputTokens: 364,
      reasoningTokens: 263,
    })
  })
  test("Google's OpenAI form leaves thoughts to the total: 560 - 10 - 50", () => {
    expect(body('gemini', { usage: { prompt_tokens: 10, completion_tokens: 50, total_tokens: 560 } })).toMatchObject({
      inputTokens: 10,
      outputTokens: 550,
      reasoningTokens: 500,
      notes: [],
    })
    expect(body('acme', { usage: { prompt_tokens: 10, completion_tokens: 50, total_tokens: 560 } })).toMatchObject({
      outputTokens: 50,
      notes: ['total_mismatch'],
    })
  })
  test("Perplexity's deep research prices reasoning apart", () => {
    const usage = told(33, 100, {
      reasoning_tokens: 900,
      citation_tokens: 50,
      num_search_queries: 7,
      cost: { reasoning_tokens_cost: 0.0027, total_cost: 0.04 },
    })
    expect(body('perplexity', { usage })).toMatchObject({
      inputTokens: 33,
      outputTokens: 1000,
      reasoningTokens: 900,
      extra: { search_queries: 7, citation_tokens: 50 },
      providerCostUsd: '0.04',
      notes: [],
    })
  })
  test('more cached than prompt is clamped: Grok on Azure', () => {
    expect(body('azure', { usage: told(7, 40, { prompt_tokens_details: { cached_tokens: 161 } }) })).toMatchObject({
      inputTokens: 7,
      cacheReadTokens: 7,
      notes: ['clamped_cache_read'],
    })
  })
})

describe('told cost', () => {
  test.each([
    ['OpenRouter', { cost: 9.19e-5, is_byok: false, cost_details: { upstream_inference_cost: 9.19e-5 } }, '0.0000919'],
    [
      'OpenRouter, own key: the fee and the model',
      { cost: 0.001, is_byok: true, cost_details: { upstream_inference_cost: 0.02 } },
      '0.021',
    ],
    ['OpenRouter, own key, model untold', { cost: 0.001, is_byok: true, cost_details: { upstream_inference_cost: null } }, null],
    ['OpenRouter, free', { cost: 0 }, '0'],
    ['xAI: 3,080,400 ticks of 10^-10', { cost_in_usd_ticks: 3_080_400 }, '0.00030804'],
    ['DeepInfra', { estimated_cost: 0.00001434 }, '0.00001434'],
    ['Perplexity', { cost: { total_cost: 0.00501 } }, '0.00501'],
    ['negative', { cost: -1 }, null],
    ['no number', { cost: 'free' }, null],
    ['endless', { cost: '1e999999' }, null],
    ['half a tick', { cost_in_usd_ticks: 1.5 }, null],
  ])('%s', (_who, more, providerCostUsd) => {
    expect(body('acme', { usage: told(1, 1, more) }).providerCostUsd).toBe(providerCostUsd)
  })

  test('Vercel: the text of the gateway wins over the float, wherever it stands', () => {
    const metadata = { gateway: { cost: '0.000588', marketCost: '0.0006' } }
    const usage = told(16, 36, { cost: 0.00058799999 })
    expect(
      stream('vercel', [chunk(), chunk({ usage }, { delta: { provider_metadata: metadata } }), '[DONE]']).providerCostUsd,
    ).toBe('0.000588')
    expect(body('vercel', { usage, choices: [{ message: { content: 'a', provider_metadata: metadata } }] }).providerCostUsd).toBe(
      '0.000588',
    )
    expect(
      body('vercel', { usage: { prompt_tokens: 4, total_tokens: 4 }, data: [], providerMetadata: metadata }, 'embeddings')
        .providerCostUsd,
    ).toBe('0.000588')
    expect(body('vercel', { usage, choices: [] }).providerCostUsd).toBe('0.00058799999')
  })
})

describe('tools of the provider', () => {
  test('OpenRouter and xAI tell how often', () => {
    expect(body('openrouter', { usage: told(1, 1, { server_tool_use_details: { web_search_requests: 1 } }) }).extra).toEqual({
      web_search_requests: 1,
    })
    expect(
      body('xai', {
        usage: told(1, 1, {
          num_sources_used: 3,
          server_side_tool_usage_details: { web_search_calls: 2, x_search_calls: 1, mcp_calls: 0, constructor: 5 },
        }),
      }).extra,
    ).toEqual({ web_search_requests: 2, x_search_calls: 1, sources_used: 3 })
  })
})

describe('errors inside of a 200', () => {
  test('OpenRouter: in a chunk, or in a choice', () => {
    const error = { code: 502, message: 'Provider disconnected', metadata: { raw: 'upstream reset' } }
    expect(stream('openrouter', [chunk(), { ...chunk({}, { finish_reason: 'error' }), error }]).facts.error).toEqual({
      kind: 'server',
      code: '502',
      message: 'Provider disconnected: upstream reset',
    })
    expect(
      body('openrouter', {
        choices: [{ message: { content: '' }, finish_reason: 'error', error: { code: 429, message: 'slow' } }],
      }).facts.error,
    ).toMatchObject({
      kind: 'rate_limit',
      message: 'slow',
    })
  })
  test('Groq: x_groq.error, and an event of that name with the error bare', () => {
    expect(
      stream('groq', [
        chunk(),
        { id: 'c1', model: 'm', x_groq: { id: 'r', error: { message: 'over capacity', code: 498 } }, choices: [] },
      ]).facts.error,
    ).toMatchObject({
      kind: 'overloaded',
    })
    const bare = Buffer.from(
      'event: error\ndata: {"message":"Failed to call a function.","code":"tool_use_failed","status_code":400}\n\n',
    )
    expect(read({ ...asked, provider: 'groq' }, [bare]).facts.error).toEqual({
      kind: 'bad_request',
      code: 'tool_use_failed',
      message: 'Failed to call a function.',
    })
  })
  test("Google's OpenAI form: a list of one", () => {
    const answering: Answering = { ...asked, provider: 'gemini', status: 404, contentType: 'application/json' }
    const bytes = Buffer.from('[{"error":{"code":404,"message":"no such model","status":"NOT_FOUND"}}]')
    expect(read(answering, [bytes]).facts).toMatchObject({ error: { kind: 'not_found', message: 'no such model' }, notes: [] })
  })
})

test('speech inside of a chat: sound is counted by what it says', () => {
  const usage = told(11, 30, {
    prompt_tokens_details: { audio_tokens: 6, cached_tokens: 4, cached_tokens_details: { audio_tokens: 3 } },
    completion_tokens_details: { audio_tokens: 20, text_tokens: 10 },
  })
  const answer = stream('openai', [
    chunk({}, { delta: { audio: { id: 'a', transcript: 'Hello' } } }),
    chunk({}, { delta: { audio: { transcript: ' you' } } }),
    { id: 'c1', model: 'm', choices: [], usage },
    '[DONE]',
  ])
  expect(answer).toMatchObject({ inputAudioTokens: 6, outputAudioTokens: 20, cacheReadTokens: 4, cacheReadAudioTokens: 3 })
  expect(answer.facts.contentChars).toBe(9)
})
