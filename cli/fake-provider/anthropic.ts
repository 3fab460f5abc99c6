import { createHash } from 'node:crypto'
import { errorEvent, providerError } from './errors.js'
import { amount } from './faults.js'
import { anthropicModels, answeredModel } from './models.js'
import { toolCount } from './openai-chat.js'
import type { Asked, Reply } from './reply.js'
import { json, list, positive, record, sse, text } from './reply.js'
import { answerText, cutTo, exampleOf, pieces } from './text.js'
import type { Tokens } from './tokens.js'
import { textBytes, tokensFor, tokensOf } from './tokens.js'

/** Prompt prefixes that were written to the cache, oldest first. The first call with one writes it, later ones read it. */
export type PromptCache = Set<string>

interface CacheUse {
  readonly cached: number
  readonly written5m: number
  readonly written1h: number
}

const marked = (value: unknown, found: { block: Readonly<Record<string, unknown>>; bytes: number }[]): void => {
  if (Array.isArray(value)) for (const item of value) marked(item, found)
  else if (value !== null && typeof value === 'object') {
    const block = value as Record<string, unknown>
    if (block.cache_control !== undefined && block.cache_control !== null) found.push({ block, bytes: textBytes(block) })
    else marked(block.content, found)
  }
}

const cacheUse = (asked: Asked, cache: PromptCache): CacheUse => {
  const found: { block: Readonly<Record<string, unknown>>; bytes: number }[] = []
  marked(asked.body.system, found)
  marked(asked.body.messages, found)
  let [cached, written5m, written1h] = [0, 0, 0]
  for (const { block, bytes } of found) {
    const key = createHash('sha256').update(JSON.stringify(block)).digest('hex')
    const tokens = tokensOf(bytes)
    if (cache.has(key)) cached += tokens
    else {
      cache.add(key)
      if (cache.size > 1000) cache.delete(cache.values().next().value ?? '')
      if (record(block.cache_control).ttl === '1h') written1h += tokens
      else written5m += tokens
    }
  }
  return { cached, written5m, written1h }
}

const usageOf = (tokens: Tokens, output: number, tier: string): Readonly<Record<string, unknown>> => ({
  input_tokens: tokens.input - tokens.cached - tokens.written5m - tokens.written1h,
  cache_creation_input_tokens: tokens.written5m + tokens.written1h,
  cache_read_input_tokens: tokens.cached,
  cache_creation: { ephemeral_5m_input_tokens: tokens.written5m, ephemeral_1h_input_tokens: tokens.written1h },
  output_tokens: output,
  service_tier: tier,
  inference_geo: 'not_available',
})

const inputTokens = (body: Asked['body']): number => tokensOf(textBytes({ system: body.system, content: body.messages }))

type Block = Readonly<Record<string, unknown>>

const contentOf = (asked: Asked, reasons: boolean): { blocks: readonly Block[]; cut: boolean; bytes: number } => {
  const { body, fake } = asked
  const tools = list(body.tools).map(record)
  const last = record(list(body.messages).at(-1))
  const answered = list(last.content).some((block) => record(block).type === 'tool_result')
  const wanted = toolCount(asked, tools.length, answered)
  const { text: content, cut } = cutTo(answerText(JSON.stringify(body.messages ?? ''), fake), positive(body.max_tokens))
  const uses = Array.from({ length: wanted }, (_, i): Block => {
    const tool = tools[i % tools.length] ?? {}
    return {
      type: 'tool_use',
      id: asked.id(`toolu_${i}`, 24),
      name: text(tool.name, 'tool'),
      input: exampleOf(record(tool.input_schema)),
    }
  })
  const thinking: readonly Block[] = reasons
    ? [{ type: 'thinking', thinking: 'The question is plain; I answer it directly.', signature: asked.id('sig', 40) }]
    : []
  const blocks = [...thinking, { type: 'text', text: content }, ...uses]
  const bytes = Buffer.byteLength(content) + uses.reduce((sum, use) => sum + Buffer.byteLength(JSON.stringify(use.input)), 0)
  return { blocks, cut, bytes }
}

const event = (type: string, inner: Block): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...inner })}\n\n`

const blockEvents = (block: Block, index: number, count: number): readonly string[] => {
  const delta = (inner: Block): string => event('content_block_delta', { index, delta: inner })
  const [empty, deltas] =
    block.type === 'thinking'
      ? [
          { type: 'thinking', thinking: '', signature: '' },
          [
            ...pieces(text(block.thinking), 2).map((part) => delta({ type: 'thinking_delta', thinking: part })),
            delta({ type: 'signature_delta', signature: block.signature }),
          ],
        ]
      : block.type === 'tool_use'
        ? [
            { ...block, input: {} },
            ['', ...pieces(JSON.stringify(block.input), count)].map((part) =>
              delta({ type: 'input_json_delta', partial_json: part }),
            ),
          ]
        : [{ type: 'text', text: '' }, pieces(text(block.text), count).map((part) => delta({ type: 'text_delta', text: part }))]
  return [event('content_block_start', { index, content_block: empty }), ...deltas, event('content_block_stop', { index })]
}

/** POST /v1/messages */
export const messages = (asked: Asked, cache: PromptCache): Reply => {
  const { body, fake } = asked
  if (asked.malformed) return providerError('anthropic', asked, 400, 'The request body is not valid JSON.')
  if (typeof body.model !== 'string') return providerError('anthropic', asked, 400, 'model: Field required')
  if (positive(body.max_tokens) === null) return providerError('anthropic', asked, 400, 'max_tokens: Field required')
  const reasons = ['enabled', 'adaptive'].includes(text(record(body.thinking).type)) || (amount(fake, 'reasoning') ?? 0) > 0
  const { blocks, cut, bytes } = contentOf(asked, reasons)
  const tokens = tokensFor(fake, {
    input: inputTokens(body),
    text: bytes,
    reasoning: reasons ? 64 : 0,
    ...cacheUse(asked, cache),
  })
  const tier = fake.get('tier') ?? 'standard'
  const stop = blocks.some((block) => block.type === 'tool_use') ? 'tool_use' : cut ? 'max_tokens' : 'end_turn'
  const details = tokens.reasoning > 0 ? { output_tokens_details: { thinking_tokens: tokens.reasoning } } : {}
  const base = { id: asked.id('msg_', 24), type: 'message', role: 'assistant', model: answeredModel(body.model, fake) }
  const headers = {
    'request-id': asked.id('req_', 24),
    'anthropic-organization-id': '00000000-0000-4000-8000-000000000001',
    'anthropic-ratelimit-requests-limit': '4000',
    'anthropic-ratelimit-requests-remaining': '3999',
  }
  if (body.stream !== true)
    return json(
      {
        ...base,
        content: blocks,
        stop_reason: stop,
        stop_sequence: null,
        usage: { ...usageOf(tokens, tokens.output, tier), ...details },
      },
      200,
      headers,
    )
  const { service_tier: _, inference_geo: __, cache_creation: ___, ...totals } = usageOf(tokens, tokens.output, tier)
  const [first = [], ...rest] = blocks.map((block, index) => blockEvents(block, index, amount(fake, 'chunks') ?? 5))
  const closing = [
    event('message_delta', { delta: { stop_reason: stop, stop_sequence: null }, usage: { ...totals, ...details } }),
    event('message_stop', {}),
  ]
  const opening = {
    ...base,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: usageOf(tokens, Math.min(tokens.output, 4), tier),
  }
  return sse(
    [
      event('message_start', { message: opening }),
      first[0] ?? '',
      event('ping', {}),
      ...first.slice(1),
      ...rest.flat(),
      ...closing,
    ],
    { terminal: closing.length, errorEvent: errorEvent('anthropic', asked), headers },
  )
}

/** POST /v1/messages/count_tokens */
export const countTokens = (asked: Asked): Reply =>
  asked.malformed
    ? providerError('anthropic', asked, 400, 'The request body is not valid JSON.')
    : json({ input_tokens: amount(asked.fake, 'input') ?? inputTokens(asked.body) }, 200, { 'request-id': asked.id('req_', 24) })

export const listModels = (): Reply =>
  json({
    data: anthropicModels.map((id) => ({ type: 'model', id, display_name: id, created_at: '2025-11-12T00:00:00Z' })),
    has_more: false,
    first_id: anthropicModels[0],
    last_id: anthropicModels.at(-1),
  })
