import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, parsed, textAt, type JsonObject } from '../json-text.js'
import type { FamilyReader, Seen } from '../seen.js'
import { Grounding } from './grounding.js'

/** Arguments that come in pieces (Vertex), each `{jsonPath, stringValue}` or another kind of value. */
const pieceChars = (piece: unknown): number => {
  if (!isObject(piece)) return 0
  const { jsonPath: _, willContinue: __, ...value } = piece
  return Object.values(value).reduce<number>((chars, told) => chars + String(told).length, 0)
}

/**
 * Google's generateContent and embedContent, as one body, as SSE or as the elements of an array. Every element carries usage, so
 * every element is parsed: they come in dozens, not in thousands.
 */
export const geminiReader = (family: string, status: number, seen: Seen): FamilyReader => {
  let grounding: Grounding | null = null

  const called = (call: JsonObject): void => {
    const pieces = listAt(call, 'partialArgs')
    // Of a call whose arguments come in pieces only the first has its name.
    if (textAt(call, 'name') !== null || (pieces.length === 0 && call.willContinue === undefined)) seen.called()
    const args = objectAt(call, 'args')
    seen.delivered(args === null && pieces.length > 0 ? 0 : JSON.stringify(args ?? {}).length)
    for (const piece of pieces) seen.delivered(pieceChars(piece))
  }

  const part = (value: unknown): void => {
    const text = textAt(value, 'text')
    if (text !== null) seen.delivered(text.length)
    const call = objectAt(value, 'functionCall')
    if (call !== null) called(call)
    const code = textAt(objectAt(value, 'executableCode'), 'code')
    if (code !== null) seen.delivered(code.length)
    if (objectAt(value, 'inlineData') !== null || objectAt(value, 'fileData') !== null) seen.content = true
  }

  const element = (value: unknown): void => {
    if (!isObject(value)) {
      seen.note('malformed')
      return
    }
    seen.id(textAt(value, 'responseId'))
    seen.model(textAt(value, 'modelVersion'))
    // The last value of each field wins; a field the last element leaves out keeps its earlier value.
    const told = objectAt(value, 'usageMetadata')
    if (told !== null) seen.merged('usageMetadata', told)
    for (const [at, candidate] of listAt(value, 'candidates').entries()) {
      seen.finished(textAt(candidate, 'finishReason'))
      for (const piece of listAt(objectAt(candidate, 'content'), 'parts')) part(piece)
      grounding ??= new Grounding()
      seen.raw('grounding', grounding.take(candidate, at))
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
