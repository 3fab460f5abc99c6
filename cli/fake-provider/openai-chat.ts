import { errorEvent, providerError } from './errors.js'
import { amount } from './faults.js'
import { answeredModel } from './models.js'
import type { Asked, Reply } from './reply.js'
import { createdAt, json, list, positive, record, sse, text } from './reply.js'
import { answerText, cutTo, exampleOf, pieces } from './text.js'
import type { Tokens } from './tokens.js'
import { textBytes, tokensFor, tokensOf } from './tokens.js'

export interface ToolCall {
  readonly id: string
  readonly name: string
  readonly arguments: string
}

/** Thinks 64 tokens when asked to reason at all. */
export const reasoningTokens = (effort: unknown): number =>
  typeof effort === 'string' && effort !== 'none' && effort !== 'minimal' ? 64 : 0

/** How many tools to call: what x-fake says, else one when tools are offered and the last turn brought no result. */
export const toolCount = (asked: Asked, offered: number, answered: boolean): number =>
  offered === 0 ? 0 : (amount(asked.fake, 'tools') ?? (answered ? 0 : 1))

const headersFor = (asked: Asked): Record<string, string> => ({
  'x-request-id': asked.id('req_', 32),
  'openai-processing-ms': '12',
  'openai-version': '2020-10-01',
  'x-ratelimit-limit-requests': '10000',
  'x-ratelimit-remaining-requests': '9999',
  'x-ratelimit-reset-requests': '6ms',
})

const usageOf = (tokens: Tokens): unknown => ({
  prompt_tokens: tokens.input,
  completion_tokens: tokens.output,
  total_tokens: tokens.input + tokens.output,
  prompt_tokens_details: {
    cached_tokens: tokens.cached,
    audio_tokens: 0,
    ...(tokens.written5m > 0 ? { cache_write_tokens: tokens.written5m } : {}),
  },
  completion_tokens_details: {
    reasoning_tokens: tokens.reasoning,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
})

interface Answer {
  readonly content: string
  readonly calls: readonly ToolCall[]
  readonly finish: 'stop' | 'length' | 'tool_calls'
  readonly tokens: Tokens
}

const answerTo = (asked: Asked): Answer => {
  const { body, fake } = asked
  const messages = list(body.messages)
  const tools = list(body.tools).map((tool) => record(record(tool).function))
  const last = record(messages.at(-1))
  const wanted = toolCount(asked, tools.length, last.role === 'tool')
  const calls = Array.from({ length: wanted }, (_, i): ToolCall => {
    const tool = tools[i % tools.length] ?? {}
    return {
      id: asked.id(`call_${i}`, 24),
      name: text(tool.name, 'tool'),
      arguments: JSON.stringify(exampleOf(record(tool.parameters))),
    }
  })
  const prompt = JSON.stringify(messages)
  const wantsJson = text(record(body.response_format).type).startsWith('json')
  const plain = answerText(prompt, fake)
  const max = positive(body.max_completion_tokens) ?? positive(body.max_tokens)
  const { text: content, cut } =
    calls.length > 0 ? { text: '', cut: false } : cutTo(wantsJson ? JSON.stringify({ answer: plain }) : plain, max)
  const written = Buffer.byteLength(content) + calls.reduce((sum, call) => sum + Buffer.byteLength(call.arguments), 0)
  return {
    content,
    calls,
    finish: calls.length > 0 ? 'tool_calls' : cut ? 'length' : 'stop',
    tokens: tokensFor(fake, {
      input: tokensOf(textBytes(messages)),
      text: written,
      reasoning: reasoningTokens(body.reasoning_effort),
    }),
  }
}

const toolDeltas = (calls: readonly ToolCall[], count: number): readonly unknown[] =>
  calls.flatMap((call, index) => [
    { tool_calls: [{ index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } }] },
    ...pieces(call.arguments, count).map((part) => ({ tool_calls: [{ index, function: { arguments: part } }] })),
  ])

/** POST .../chat/completions */
export const chatCompletions = (asked: Asked): Reply => {
  const { body, fake } = asked
  if (asked.malformed) return providerError('openai', asked, 400, 'We could not parse the JSON body of your request.')
  if (typeof body.model !== 'string') return providerError('openai', asked, 400, 'you must provide a model parameter')
  const answer = answerTo(asked)
  const model = answeredModel(body.model, fake)
  const id = asked.id('chatcmpl-', 29)
  const tier = fake.get('tier') ?? (text(body.service_tier, 'auto') === 'auto' ? 'default' : text(body.service_tier))
  const base = { id, created: createdAt, model, service_tier: tier, system_fingerprint: 'fp_weirfake01' }
  const choices = positive(body.n) ?? 1
  if (body.stream !== true) {
    const message = {
      role: 'assistant',
      content: answer.calls.length > 0 ? null : answer.content,
      ...(answer.calls.length > 0
        ? {
            tool_calls: answer.calls.map((call) => ({
              id: call.id,
              type: 'function',
              function: { name: call.name, arguments: call.arguments },
            })),
          }
        : {}),
      refusal: null,
      annotations: [],
    }
    return json(
      {
        ...base,
        object: 'chat.completion',
        choices: Array.from({ length: choices }, (_, index) => ({
          index,
          message,
          logprobs: null,
          finish_reason: answer.finish,
        })),
        usage: usageOf(answer.tokens),
      },
      200,
      headersFor(asked),
    )
  }
  const wantsUsage = record(body.stream_options).include_usage === true
  const chunk = (choice: unknown, usage: unknown): string =>
    `data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: choice === null ? [] : [choice], ...(wantsUsage ? { usage } : {}) })}\n\n`
  const delta = (index: number, inner: unknown, finish: string | null): string =>
    chunk({ index, delta: inner, logprobs: null, finish_reason: finish }, null)
  const count = amount(fake, 'chunks') ?? 5
  const perChoice = Array.from({ length: choices }, (_, index) => [
    delta(index, { role: 'assistant', content: answer.calls.length > 0 ? null : '', refusal: null }, null),
    ...(answer.calls.length > 0
      ? toolDeltas(answer.calls, count).map((inner) => delta(index, inner, null))
      : pieces(answer.content, count).map((part) => delta(index, { content: part }, null))),
  ])
  const closing = [
    ...Array.from({ length: choices }, (_, index) => delta(index, {}, answer.finish)),
    ...(wantsUsage ? [chunk(null, usageOf(answer.tokens))] : []),
    'data: [DONE]\n\n',
  ]
  return sse([...perChoice.flat(), ...closing], {
    terminal: closing.length,
    errorEvent: errorEvent('openai', asked),
    headers: headersFor(asked),
  })
}

/** POST .../completions, the older text form. */
export const completions = (asked: Asked): Reply => {
  const { body, fake } = asked
  if (asked.malformed) return providerError('openai', asked, 400, 'We could not parse the JSON body of your request.')
  const { text: content, cut } = cutTo(answerText(JSON.stringify(body.prompt ?? ''), fake), positive(body.max_tokens))
  const tokens = tokensFor(fake, { input: tokensOf(textBytes({ prompt: body.prompt })), text: Buffer.byteLength(content) })
  const base = {
    id: asked.id('cmpl-', 29),
    object: 'text_completion',
    created: createdAt,
    model: answeredModel(text(body.model), fake),
  }
  const finish = cut ? 'length' : 'stop'
  if (body.stream !== true)
    return json(
      {
        ...base,
        choices: [{ text: content, index: 0, logprobs: null, finish_reason: finish }],
        usage: usageOf(tokens),
      },
      200,
      headersFor(asked),
    )
  const wantsUsage = record(body.stream_options).include_usage === true
  const chunk = (part: string | null, finishReason: string | null, usage: unknown): string =>
    `data: ${JSON.stringify({
      ...base,
      choices: part === null ? [] : [{ text: part, index: 0, logprobs: null, finish_reason: finishReason }],
      ...(wantsUsage ? { usage } : {}),
    })}\n\n`
  const closing = [chunk('', finish, null), ...(wantsUsage ? [chunk(null, null, usageOf(tokens))] : []), 'data: [DONE]\n\n']
  return sse([...pieces(content, amount(fake, 'chunks') ?? 5).map((part) => chunk(part, null, null)), ...closing], {
    terminal: closing.length,
    errorEvent: errorEvent('openai', asked),
    headers: headersFor(asked),
  })
}
