import { errorIn } from '../classify-error.js'
import { exceptionIn } from '../framing/aws-event-stream.js'
import { decoded, isObject, listAt, objectAt, parsed, stringLength, textAt, type JsonObject } from '../json-text.js'
import type { FamilyReader, Seen } from '../seen.js'
import { typedError } from './errors.js'
import { bedrockModelId } from './model.js'

/** A delta of text, reasoning or the arguments of a tool; the match ends with the quote of what was delivered. */
const deltaText = /"delta" ?: ?\{ ?(?:"(?:reasoningContent|toolUse)" ?: ?\{ ?)?"(?:text|input)" ?: ?"/g

const lengthOf = (value: unknown): number =>
  typeof value === 'string' ? value.length : value === undefined ? 0 : (JSON.stringify(value)?.length ?? 0)

/** A piece of an answer: a block of a body, or the start or delta of one in a stream. What a tool at the provider found is no output. */
const takeBlock = (block: unknown, seen: Seen): void => {
  seen.delivered(textAt(block, 'text')?.length ?? 0)
  const use = objectAt(block, 'toolUse')
  // The start of a call names it, its deltas do not.
  if (use?.name !== undefined) seen.called()
  seen.delivered(lengthOf(use?.input))
  const reasoning = objectAt(block, 'reasoningContent')
  seen.delivered((textAt(objectAt(reasoning, 'reasoningText'), 'text') ?? textAt(reasoning, 'text'))?.length ?? 0)
  for (const piece of listAt(objectAt(block, 'citationsContent'), 'content')) seen.delivered(textAt(piece, 'text')?.length ?? 0)
  if (reasoning?.redactedContent !== undefined || objectAt(block, 'image') !== null) seen.content = true
}

/** What the last event of a stream and a whole body tell alike. */
const takeTold = (value: JsonObject, seen: Seen): void => {
  const usage = objectAt(value, 'usage')
  if (usage !== null) seen.merged('usage', usage)
  seen.raw('service_tier', textAt(objectAt(value, 'serviceTier'), 'type') ?? textAt(value, 'serviceTier'))
  seen.raw('latency', textAt(objectAt(value, 'performanceConfig'), 'latency'))
  // A prompt router chooses: only its trace says which model answered.
  const invoked = textAt(objectAt(objectAt(value, 'trace'), 'promptRouter'), 'invokedModelId')
  if (invoked !== null) seen.model(bedrockModelId(invoked))
}

/** One event of Converse by its name, parsed. `metadata` is the last of a stream. */
export const takeConverseEvent = (name: string | null, value: JsonObject, seen: Seen): void => {
  switch (name) {
    case 'contentBlockStart':
      takeBlock(objectAt(value, 'start'), seen)
      return
    case 'contentBlockDelta':
      takeBlock(objectAt(value, 'delta'), seen)
      return
    case 'messageStop':
      seen.finished(textAt(value, 'stopReason'))
      return
    case 'metadata':
      takeTold(value, seen)
      seen.terminal = true
      return
  }
}

/** A whole answer of Converse. */
export const takeConverseBody = (value: JsonObject, seen: Seen): void => {
  for (const block of listAt(objectAt(objectAt(value, 'output'), 'message'), 'content')) takeBlock(block, seen)
  seen.finished(textAt(value, 'stopReason'))
  takeTold(value, seen)
}

/** Takes the error of an exception frame. @returns False when the event is none. */
export const takeException = (data: string, name: string | null, seen: Seen): boolean => {
  const exception = exceptionIn(name)
  if (exception === null) return false
  const value = parsed(data)
  const told = isObject(value) ? value : data === '' ? {} : { message: decoded(data) }
  seen.error = errorIn('bedrock', 200, typedError(exception, told)) ?? { kind: 'server', code: exception, message: '' }
  return true
}

/** Takes the error of a status answer. */
export const takeStatusError = (value: unknown, status: number, errorType: string | null | undefined, seen: Seen): void => {
  seen.error = errorIn('bedrock', status, typedError(errorType, value)) ?? seen.error
}

/**
 * Bedrock's Converse and ConverseStream.
 *
 * @param errorType Header `x-amzn-errortype`: the body of an error may tell no more than a sentence.
 */
export const converseReader = (status: number, errorType: string | null | undefined, seen: Seen): FamilyReader => ({
  event: (data, name) => {
    seen.events++
    if (takeException(data, name, seen)) return
    if (name === 'contentBlockDelta') {
      deltaText.lastIndex = 0
      if (deltaText.test(data)) return seen.delivered(stringLength(data, deltaText.lastIndex))
    } else if (name === 'contentBlockStop' || name === 'messageStart') return
    const value = parsed(data)
    if (!isObject(value)) return seen.note('malformed')
    takeConverseEvent(name, value, seen)
  },
  body: (value) => {
    if (status >= 400) return takeStatusError(value, status, errorType, seen)
    if (!isObject(value)) return seen.note('malformed')
    takeConverseBody(value, seen)
  },
})
