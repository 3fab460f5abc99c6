import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, parsed, stringLength, textAt, type JsonObject } from '../json-text.js'
import type { FamilyReader, Seen } from '../seen.js'

const deltaText = /"(?:text|thinking|partial_json)" ?: ?"/g
const summaryText = /"content" ?: ?"/g
const typeOf = /"type" ?: ?"([^"]*)"/
/** Events known by their line `event:`. Of any other name (`vertex_event`, `message`) what is in the data decides. */
const named: ReadonlySet<string> = new Set([
  'message_start',
  'content_block_start',
  'content_block_delta',
  'content_block_stop',
  'message_delta',
  'message_stop',
  'ping',
  'error',
])

const isCall = (block: unknown): boolean => textAt(block, 'type')?.endsWith('tool_use') === true

/** A whole block of a body, or what a stream's block begins with. What tools of the provider answered is no output. */
const blockChars = (block: unknown): number => {
  const text = textAt(block, 'text') ?? textAt(block, 'thinking')
  if (text !== null) return text.length
  if (textAt(block, 'type') === 'compaction') return textAt(block, 'content')?.length ?? 0
  return isCall(block) && isObject(block) ? JSON.stringify(block.input ?? {}).length : 0
}

/** Anthropic's Messages, also as spoken by Vertex and in the frames of Bedrock's invoke. */
export const anthropicReader = (family: string, status: number, seen: Seen): FamilyReader => {
  const message = (value: JsonObject): void => {
    seen.id(textAt(value, 'id'))
    seen.model(textAt(value, 'model'))
    seen.finished(textAt(value, 'stop_reason'))
  }

  /** Thoughts that are told in cipher only have no length, but the answer has begun. */
  const opaque = (block: unknown): void => {
    if (textAt(block, 'type') === 'redacted_thinking') seen.content = true
  }

  const delta = (data: string): void => {
    const text = data.includes('compaction_delta') ? summaryText : deltaText
    text.lastIndex = 0
    if (text.test(data)) seen.delivered(stringLength(data, text.lastIndex))
  }

  const event = (type: string, value: JsonObject): void => {
    switch (type) {
      case 'message_start': {
        const started = objectAt(value, 'message')
        if (started === null) return
        message(started)
        seen.raw('message_start', objectAt(started, 'usage'))
        return
      }
      case 'content_block_start': {
        const block = objectAt(value, 'content_block')
        opaque(block)
        if (isCall(block)) seen.called()
        else seen.delivered(blockChars(block))
        return
      }
      case 'message_delta': {
        seen.finished(textAt(objectAt(value, 'delta'), 'stop_reason'))
        const told = objectAt(value, 'usage')
        if (told !== null) seen.merged('message_delta', told)
        return
      }
      default:
        seen.error = errorIn(family, status, value) ?? seen.error
    }
  }

  return {
    event: (data, name) => {
      // Bridges to this form end as OpenAI does.
      if (data.startsWith('[DONE]')) {
        seen.terminal = true
        return
      }
      seen.events++
      const type = name !== null && named.has(name) ? name : (typeOf.exec(data)?.[1] ?? name ?? '')
      switch (type) {
        case 'content_block_delta':
          delta(data)
          return
        case 'ping':
        case 'content_block_stop':
          return
        case 'message_stop':
          seen.terminal = true
          return
      }
      const value = parsed(data)
      if (!isObject(value)) {
        seen.note('malformed')
        return
      }
      // The first type in the text may be that of something within.
      const told = textAt(value, 'type') ?? type
      if (told === 'content_block_delta') delta(data)
      else if (told === 'message_stop') seen.terminal = true
      else event(told, value)
    },
    body: (value) => {
      if (!isObject(value)) {
        seen.note('malformed')
        return
      }
      if (value.type === 'error' || value.error !== undefined) seen.error = errorIn(family, status, value) ?? seen.error
      const usage = objectAt(value, 'usage')
      if (value.type !== 'message' && (usage === null || status >= 400)) {
        // count_tokens answers {"input_tokens": n}: kept for the reader, who knows that it is free.
        if (typeof value.input_tokens === 'number') seen.raw('count_tokens', { input_tokens: value.input_tokens })
        return
      }
      message(value)
      seen.raw('usage', usage)
      for (const block of listAt(value, 'content')) {
        opaque(block)
        if (isCall(block)) seen.called()
        seen.delivered(blockChars(block))
      }
    },
  }
}
