import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, parsed, stringLength, textAt, type JsonObject } from '../json-text.js'
import type { FamilyReader, Seen } from '../seen.js'

const deltaText = /"(?:text|thinking|partial_json)" ?: ?"/g
const typeOf = /"type" ?: ?"([^"]*)"/

const blockChars = (block: unknown): number => {
  const text = textAt(block, 'text') ?? textAt(block, 'thinking')
  if (text !== null) return text.length
  return textAt(block, 'type')?.endsWith('tool_use') === true && isObject(block) ? JSON.stringify(block.input ?? {}).length : 0
}

const isCall = (block: unknown): boolean => textAt(block, 'type')?.endsWith('tool_use') === true

/** Anthropic's Messages, also as spoken by Vertex and in the frames of Bedrock's invoke. */
export const anthropicReader = (family: string, status: number, seen: Seen): FamilyReader => {
  const message = (value: JsonObject): void => {
    seen.id(textAt(value, 'id'))
    seen.model(textAt(value, 'model'))
    seen.finished(textAt(value, 'stop_reason'))
  }

  return {
    event: (data, name) => {
      seen.events++
      const type = name ?? typeOf.exec(data)?.[1] ?? ''
      switch (type) {
        case 'content_block_delta': {
          deltaText.lastIndex = 0
          if (deltaText.test(data)) seen.delivered(stringLength(data, deltaText.lastIndex))
          return
        }
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
      switch (type) {
        case 'message_start': {
          const started = objectAt(value, 'message')
          if (started === null) return
          message(started)
          seen.raw('message_start', started.usage)
          return
        }
        case 'content_block_start': {
          const block = objectAt(value, 'content_block')
          if (isCall(block)) seen.called()
          else seen.delivered(blockChars(block))
          return
        }
        case 'message_delta':
          seen.finished(textAt(objectAt(value, 'delta'), 'stop_reason'))
          seen.raw('message_delta', value.usage)
          return
        default:
          seen.error = errorIn(family, status, value) ?? seen.error
      }
    },
    body: (value) => {
      if (!isObject(value)) {
        seen.note('malformed')
        return
      }
      if (value.type === 'error' || value.error !== undefined) seen.error = errorIn(family, status, value) ?? seen.error
      if (value.type !== 'message') {
        // count_tokens answers {"input_tokens": n}: kept for the reader, who knows that it is free.
        if (typeof value.input_tokens === 'number') seen.raw('count_tokens', { input_tokens: value.input_tokens })
        return
      }
      message(value)
      seen.raw('usage', value.usage)
      for (const block of listAt(value, 'content')) {
        if (isCall(block)) seen.called()
        seen.delivered(blockChars(block))
      }
    },
  }
}
