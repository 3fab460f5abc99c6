import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, parsed, textAt, type JsonObject } from '../json-text.js'
import type { FamilyReader, Seen } from '../seen.js'

/**
 * Google's generateContent and embedContent, as one body, as SSE or as the elements of an array. Every element carries usage, so
 * every element is parsed: they come in dozens, not in thousands.
 */
export const geminiReader = (family: string, status: number, seen: Seen): FamilyReader => {
  let usage: JsonObject | null = null
  let searches = 0

  const part = (value: unknown): void => {
    const text = textAt(value, 'text')
    if (text !== null) seen.delivered(text.length)
    const call = objectAt(value, 'functionCall')
    if (call !== null) {
      seen.called()
      seen.delivered(JSON.stringify(call.args ?? {}).length)
    }
    const code = textAt(objectAt(value, 'executableCode'), 'code')
    if (code !== null) seen.delivered(code.length)
    if (objectAt(value, 'inlineData') !== null) seen.content = true
  }

  const element = (value: unknown): void => {
    if (!isObject(value)) {
      seen.note('malformed')
      return
    }
    seen.id(textAt(value, 'responseId'))
    seen.model(textAt(value, 'modelVersion'))
    const told = objectAt(value, 'usageMetadata')
    if (told !== null) {
      // The last value of each field wins; a field the last element leaves out keeps its earlier value.
      usage = { ...usage, ...told }
      seen.raw('usageMetadata', usage)
    }
    for (const candidate of listAt(value, 'candidates')) {
      seen.finished(textAt(candidate, 'finishReason'))
      for (const piece of listAt(objectAt(candidate, 'content'), 'parts')) part(piece)
      const queries = listAt(objectAt(candidate, 'groundingMetadata'), 'webSearchQueries').length
      if (queries > searches) {
        searches = queries
        seen.raw('grounding', { webSearchQueries: queries })
      }
    }
    const blocked = textAt(objectAt(value, 'promptFeedback'), 'blockReason')
    if (blocked !== null) seen.finished(blocked)
    const metadata = objectAt(value, 'metadata')
    if (metadata?.billableCharacterCount !== undefined) seen.raw('metadata', metadata)
    if (value.error !== undefined) seen.error = errorIn(family, status, value) ?? seen.error
  }

  return {
    event: (data) => {
      if (data.startsWith('[DONE]')) {
        seen.terminal = true
        return
      }
      seen.events++
      element(parsed(data))
    },
    body: (value) => {
      if (Array.isArray(value)) value.forEach(element)
      else element(value)
    },
  }
}
