import { anthropicReader } from '../anthropic/stream.js'
import { latin1, isObject, listAt, objectAt, parsed, textAt, type JsonObject } from '../json-text.js'
import { chatReader } from '../openai-chat/stream.js'
import type { FamilyReader, Seen } from '../seen.js'
import { takeConverseBody, takeConverseEvent, takeException, takeStatusError } from './converse-stream.js'
import { ownReasons, ownTexts } from './own-forms.js'
import { unwrapped } from './union.js'

const metricsKey = 'amazon-bedrock-invocationMetrics'
const guardrailKey = 'amazon-bedrock-guardrailAction'
/** How both begin. */
const addedKeys = '"amazon-bedrock-'
const chatChunk = '"chat.completion'
const bytesKey = /"bytes" ?: ?"([A-Za-z0-9+/=_-]*)"/
/** An event of Messages as all send it, its type first. */
const typeFirst = /^\s*\{\s*"type"\s*:\s*"([a-z_]+)"/
const messageTypes = new Set([
  'message_start',
  'content_block_start',
  'content_block_delta',
  'content_block_stop',
  'message_delta',
  'message_stop',
  'ping',
  'error',
])

const counts = [
  'inputTextTokenCount',
  'totalOutputTextTokenCount',
  'prompt_token_count',
  'generation_token_count',
  'token_count',
] as const

/** The counts a family writes beside its text. */
const takeCounts = (value: JsonObject, seen: Seen): void => {
  const told: Record<string, unknown> = {}
  for (const key of counts) if (value[key] !== undefined && value[key] !== null) told[key] = value[key]
  const results = listAt(value, 'results').filter((result) => isObject(result) && typeof result.tokenCount === 'number')
  if (results.length > 0) told.tokenCounts = results.map((result) => (isObject(result) ? result.tokenCount : null))
  // Titan's embedding has no output. It is known by having no text: of a large one only the counts are read.
  if (told.inputTextTokenCount !== undefined && value.outputText === undefined && value.results === undefined)
    told.embedding = true
  if (Object.keys(told).length > 0) seen.merged('counts', told)
}

/** What Bedrock itself adds to the last chunk of every stream. */
const takeMetrics = (value: JsonObject, seen: Seen): void => {
  const metrics = objectAt(value, metricsKey)
  if (metrics !== null) {
    seen.merged('metrics', metrics)
    seen.terminal = true
  }
  if (value[guardrailKey] === 'INTERVENED') seen.finished('guardrail_intervened')
}

/** Calls of tools in Cohere's own form. */
const takeCohereCalls = (value: JsonObject, seen: Seen): void => {
  for (const call of listAt(value, 'tool_calls')) {
    seen.called()
    seen.delivered(JSON.stringify((isObject(call) ? call.parameters : null) ?? {}).length)
  }
}

const takeOwnForm = (value: JsonObject, seen: Seen): void => {
  for (const text of ownTexts(value)) seen.delivered(text.length)
  for (const reason of ownReasons(value)) seen.finished(reason)
  takeCohereCalls(value, seen)
  takeCounts(value, seen)
  const meta = objectAt(value, 'meta') ?? objectAt(objectAt(value, 'response'), 'meta')
  if (meta !== null) seen.merged('meta', meta)
  if (isObject(value.usage)) seen.merged('usage', value.usage)
  const pictures = [...listAt(value, 'images'), ...listAt(value, 'artifacts')].length
  if (pictures > 0) {
    seen.raw('images', { count: pictures })
    seen.content = true
  }
}

/**
 * Bedrock's InvokeModel: bodies in the form of whoever made the model, told apart by what is in them; a stream is frames that hold such
 * a body each, as base64.
 *
 * @param errorType Header `x-amzn-errortype`.
 */
export const invokeReader = (status: number, errorType: string | null | undefined, seen: Seen): FamilyReader => {
  const messages = anthropicReader('anthropic', status, seen)
  const chat = chatReader('openai-chat', 'chat', status, seen)

  const isChat = (value: JsonObject): boolean =>
    listAt(value, 'choices').some((choice) => objectAt(choice, 'message') !== null || objectAt(choice, 'delta') !== null) ||
    textAt(value, 'object')?.startsWith('chat.completion') === true

  const takeChat = (value: unknown): void => {
    // Mistral's chat on Bedrock ends its choices by a name of its own.
    for (const choice of listAt(value, 'choices')) seen.finished(textAt(choice, 'stop_reason'))
  }

  const inner = (text: string): void => {
    const first = typeFirst.exec(text)?.[1] ?? ''
    const isMessages = messageTypes.has(first)
    if (isMessages) messages.event(text, first)
    if (isMessages && !text.includes(addedKeys)) return
    if (text.includes(chatChunk) && !text.includes(addedKeys) && !text.includes('"stop_reason"')) return chat.event(text, null)
    const value = parsed(text)
    if (!isObject(value)) return isMessages ? undefined : seen.note('malformed')
    takeMetrics(value, seen)
    if (isMessages) return
    const type = textAt(value, 'type') ?? ''
    const wrapped = unwrapped(value)
    if (messageTypes.has(type)) messages.event(text, type)
    else if (wrapped !== null) {
      seen.events++
      takeConverseEvent(wrapped.name, wrapped.event, seen)
    } else if (isChat(value)) {
      chat.event(text, null)
      takeChat(value)
    } else {
      seen.events++
      takeOwnForm(value, seen)
    }
  }

  return {
    event: (data, name) => {
      if (takeException(data, name, seen)) {
        seen.events++
        return
      }
      const bytes = bytesKey.exec(data)?.[1]
      inner(bytes === undefined ? data : latin1(Buffer.from(bytes, 'base64')))
    },
    body: (value) => {
      if (status >= 400) return takeStatusError(value, status, errorType, seen)
      if (!isObject(value)) return seen.note('malformed')
      takeMetrics(value, seen)
      if (value.type === 'message' || value.type === 'error') messages.body(value)
      else if (objectAt(value, 'output') !== null) takeConverseBody(value, seen)
      else if (isChat(value)) {
        chat.body(value)
        takeChat(value)
      } else takeOwnForm(value, seen)
    },
  }
}
