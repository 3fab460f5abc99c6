import { isObject, parsed, stringLength, textAt } from '../json-text.js'
import { chatReader } from '../openai-chat/stream.js'
import { bodyObject, eventType, takeErrorEvent, takeTold, typedEvent } from '../openai-chat/told.js'
import type { FamilyReader, Seen } from '../seen.js'

/** OpenAI calls the piece `delta`, Mistral `text`. */
const pieceOf = /"(?:delta|text)" ?: ?"/g

/** Seconds of sound as a verbose answer tells them; older ones as text. */
const secondsOf = (duration: unknown): number | null => {
  const seconds = typeof duration === 'string' && duration.trim() !== '' ? Number(duration) : duration
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds >= 0 ? seconds : null
}

/**
 * Transcripts and translations: one body with `text`, or events `transcript.text.*` (OpenAI), `transcription.*` (Mistral), or chunks
 * as of a chat (vLLM). Answers in plain text tell no usage and never come here.
 */
export const transcriptReader = (family: string, status: number, seen: Seen): FamilyReader => {
  const chat = chatReader(family, 'chat', status, seen)
  return {
    event: (data, name) => {
      const type = eventType(data, name)
      if (!type.startsWith('transcript')) return chat.event(data, name)
      seen.events++
      if (type.endsWith('.delta')) {
        pieceOf.lastIndex = 0
        if (pieceOf.test(data)) seen.delivered(stringLength(data, pieceOf.lastIndex))
        return
      }
      if (!type.endsWith('.done')) return
      const value = parsed(data)
      if (!isObject(value)) {
        seen.note('malformed')
        return
      }
      takeTold(value, family, status, seen)
      if (seen.contentChars === 0) seen.delivered(textAt(value, 'text')?.length ?? 0)
      seen.terminal = true
    },
    body: (value) => {
      const object = bodyObject(value, seen)
      if (object === null) return
      takeTold(object, family, status, seen)
      seen.delivered(textAt(object, 'text')?.length ?? 0)
      const seconds = secondsOf(object.duration)
      if (seconds !== null) seen.raw('transcript', { duration: seconds })
    },
  }
}

/** Speech: sound is not read at all; as events (`speech.audio.*`) the last one tells the usage. */
export const speechReader = (family: string, status: number, seen: Seen): FamilyReader => ({
  event: (data, name) => {
    const told = typedEvent(data, name, '.delta', seen)
    if (told === null) return
    const { type, value } = told
    takeTold(value, family, status, seen)
    if (name === 'error') takeErrorEvent(value, family, status, seen)
    if (type.endsWith('.done')) seen.terminal = true
  },
  body: (value) => {
    const object = bodyObject(value, seen)
    if (object !== null) takeTold(object, family, status, seen)
  },
})
