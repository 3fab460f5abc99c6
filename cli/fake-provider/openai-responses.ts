import { errorEvent, providerError } from './errors.js'
import { amount } from './faults.js'
import { answeredModel } from './models.js'
import { reasoningTokens, toolCount } from './openai-chat.js'
import type { Asked, Reply } from './reply.js'
import { createdAt, json, list, positive, record, sse, text } from './reply.js'
import { answerText, cutTo, exampleOf, pieces } from './text.js'
import type { Tokens } from './tokens.js'
import { textBytes, tokensFor, tokensOf } from './tokens.js'

const usageOf = (tokens: Tokens): unknown => ({
  input_tokens: tokens.input,
  input_tokens_details: {
    cached_tokens: tokens.cached,
    ...(tokens.written5m > 0 ? { cache_write_tokens: tokens.written5m } : {}),
  },
  output_tokens: tokens.output,
  output_tokens_details: { reasoning_tokens: tokens.reasoning },
  total_tokens: tokens.input + tokens.output,
})

type Item = Readonly<Record<string, unknown>>

const callsTo = (asked: Asked): readonly Item[] => {
  const tools = list(asked.body.tools)
    .map(record)
    .filter((tool) => tool.type === 'function')
  const last = record(list(asked.body.input).at(-1))
  const wanted = toolCount(asked, tools.length, last.type === 'function_call_output')
  return Array.from({ length: wanted }, (_, i) => {
    const tool = tools[i % tools.length] ?? {}
    return {
      id: asked.id(`fc_${i}`, 48),
      type: 'function_call',
      status: 'completed',
      arguments: JSON.stringify(exampleOf(record(tool.parameters))),
      call_id: asked.id(`call_${i}`, 24),
      name: text(tool.name, 'tool'),
    }
  })
}

/** POST .../responses */
export const responses = (asked: Asked): Reply => {
  const { body, fake } = asked
  if (asked.malformed) return providerError('openai', asked, 400, 'We could not parse the JSON body of your request.')
  if (typeof body.model !== 'string') return providerError('openai', asked, 400, "Missing required parameter: 'model'.")
  const calls = callsTo(asked)
  const { text: content, cut } =
    calls.length > 0
      ? { text: '', cut: false }
      : cutTo(answerText(JSON.stringify(body.input ?? ''), fake), positive(body.max_output_tokens))
  const tokens = tokensFor(fake, {
    input: tokensOf(textBytes({ input: body.input, instructions: body.instructions })),
    text: Buffer.byteLength(content) + calls.reduce((sum, call) => sum + Buffer.byteLength(text(call.arguments)), 0),
    reasoning: reasoningTokens(record(body.reasoning).effort),
  })
  const part = { type: 'output_text', annotations: [], logprobs: [], text: content }
  const message: Item = {
    id: asked.id('msg_', 48),
    type: 'message',
    status: cut ? 'incomplete' : 'completed',
    content: [part],
    role: 'assistant',
  }
  const thought: readonly Item[] =
    tokens.reasoning > 0 ? [{ id: asked.id('rs_', 48), type: 'reasoning', content: [], summary: [] }] : []
  const output = [...thought, ...(calls.length > 0 ? calls : [message])]
  const response = (status: string, done: boolean): Item => ({
    id: asked.id('resp_', 48),
    object: 'response',
    created_at: createdAt,
    status,
    background: false,
    completed_at: done ? createdAt + 1 : null,
    error: null,
    incomplete_details: done && cut ? { reason: 'max_output_tokens' } : null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    model: answeredModel(text(body.model), fake),
    output: done ? output : [],
    parallel_tool_calls: true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: record(body.reasoning).effort ?? null, summary: null },
    service_tier: done
      ? (fake.get('tier') ?? (text(body.service_tier, 'auto') === 'auto' ? 'default' : body.service_tier))
      : 'auto',
    store: body.store ?? true,
    temperature: 1,
    text: { format: { type: 'text' }, verbosity: 'medium' },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: 1,
    truncation: 'disabled',
    usage: done ? usageOf(tokens) : null,
    user: body.user ?? null,
    metadata: body.metadata ?? {},
  })
  const ending = cut ? 'incomplete' : 'completed'
  const headers = { 'x-request-id': asked.id('req_', 32), 'openai-processing-ms': '12', 'openai-version': '2020-10-01' }
  if (body.stream !== true) return json(response(ending, true), 200, headers)

  let sequence = 0
  const event = (type: string, inner: Item): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...inner, sequence_number: sequence++ })}\n\n`
  const count = amount(fake, 'chunks') ?? 5
  const events = [
    event('response.created', { response: response('in_progress', false) }),
    event('response.in_progress', { response: response('in_progress', false) }),
  ]
  for (const [output_index, item] of output.entries()) {
    if (item.type === 'reasoning') {
      events.push(
        event('response.output_item.added', { item, output_index }),
        event('response.output_item.done', { item, output_index }),
      )
    } else if (item.type === 'function_call') {
      events.push(event('response.output_item.added', { item: { ...item, status: 'in_progress', arguments: '' }, output_index }))
      for (const delta of pieces(text(item.arguments), count))
        events.push(event('response.function_call_arguments.delta', { delta, item_id: item.id, output_index }))
      events.push(
        event('response.function_call_arguments.done', { arguments: item.arguments, item_id: item.id, output_index }),
        event('response.output_item.done', { item, output_index }),
      )
    } else {
      const at = { item_id: item.id, output_index, content_index: 0 }
      events.push(
        event('response.output_item.added', { item: { ...item, status: 'in_progress', content: [] }, output_index }),
        event('response.content_part.added', { ...at, part: { ...part, text: '' } }),
      )
      for (const delta of pieces(content, count)) events.push(event('response.output_text.delta', { ...at, delta, logprobs: [] }))
      events.push(
        event('response.output_text.done', { ...at, text: content, logprobs: [] }),
        event('response.content_part.done', { ...at, part }),
        event('response.output_item.done', { item, output_index }),
      )
    }
  }
  events.push(event(`response.${ending}`, { response: response(ending, true) }))
  return sse(events, { terminal: 1, errorEvent: errorEvent('openai', asked), headers })
}
