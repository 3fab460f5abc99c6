import type { Conversation, Spoken } from '../../messages.js'
import { geminiConversation } from '../gemini/conversation.js'
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import { responsesConversation } from '../openai-responses/conversation.js'
import { requestOf } from '../said.js'

/** The events of one side, one a line. A line that was cut with its body is passed over. */
const eventsOf = (body: string): readonly JsonObject[] => body.split('\n').map(requestOf).filter(isObject)

const sound = { type: 'input_audio' }

/** A part of an item, sound by its transcript where it has one, in the words of the Responses API. */
const part = (value: unknown): unknown => {
  const transcript = textAt(value, 'transcript')
  if (transcript !== null) return { type: 'output_text', text: transcript }
  const type = textAt(value, 'type') ?? ''
  return type === 'input_audio' || type === 'audio' || type === 'output_audio' ? sound : value
}

const item = (value: unknown): unknown =>
  isObject(value) && Array.isArray(value.content) ? { ...value, content: value.content.map(part) } : value

const textDelta = /^response\.(?:output_)?(?:text|audio_transcript)\.delta$/

/** OpenAI's events as a request and an answer of the Responses API, which speaks of the same items. */
const ofItems = (asked: readonly JsonObject[], answered: readonly JsonObject[], spoken: Spoken): Conversation => {
  let instructions = ''
  const input: unknown[] = []
  let heard = false
  for (const event of asked) {
    const response = objectAt(event, 'response')
    instructions = textAt(response ?? objectAt(event, 'session'), 'instructions') ?? instructions
    input.push(...listAt(response, 'input').map(item))
    if (event.type === 'conversation.item.create') input.push(item(event.item))
    else if (event.type === 'input_audio_buffer.append' && !heard) {
      heard = true
      input.push({ type: 'message', role: 'user', content: [sound] })
    }
  }
  const done = answered.findLast(
    (event) => objectAt(event, 'response')?.output !== undefined && event.type !== 'response.created',
  )
  const output = listAt(objectAt(done, 'response'), 'output').map(item)
  const deltas = answered.map((event) =>
    textDelta.test(textAt(event, 'type') ?? '') ? { ...event, type: 'response.output_text.delta' } : event,
  )
  return responsesConversation({
    ...spoken,
    requestBody: JSON.stringify({ instructions, input }),
    responseBody: output.length > 0 ? JSON.stringify({ output }) : deltas.map((event) => JSON.stringify(event)).join('\n'),
  })
}

const realtimeParts = (input: JsonObject): readonly unknown[] => {
  const text = textAt(input, 'text')
  const media = [input.audio, input.video, ...listAt(input, 'mediaChunks'), ...listAt(input, 'media_chunks')].filter(isObject)
  return [...(text === null ? [] : [{ text }]), ...media.slice(0, 1).map((inlineData) => ({ inlineData }))]
}

const either = (value: JsonObject, camel: string, snake: string): JsonObject | null =>
  objectAt(value, camel) ?? objectAt(value, snake)

/** Gemini's messages as a request and the chunks of an answer of generateContent. */
const ofContents = (asked: readonly JsonObject[], answered: readonly JsonObject[], spoken: Spoken): Conversation => {
  let systemInstruction: unknown
  const contents: unknown[] = []
  let heard = false
  for (const message of asked) {
    const setup = objectAt(message, 'setup')
    systemInstruction = setup?.systemInstruction ?? setup?.system_instruction ?? systemInstruction
    contents.push(...listAt(either(message, 'clientContent', 'client_content'), 'turns'))
    const results = either(message, 'toolResponse', 'tool_response')
    const responses = [...listAt(results, 'functionResponses'), ...listAt(results, 'function_responses')]
    if (responses.length > 0) contents.push({ role: 'user', parts: responses.map((functionResponse) => ({ functionResponse })) })
    const input = either(message, 'realtimeInput', 'realtime_input')
    const parts = input === null ? [] : realtimeParts(input)
    // The microphone sends many pieces a second: one stands for all.
    const told = parts.filter((entry) => !heard || textAt(entry, 'text') !== null)
    heard ||= parts.some((entry) => objectAt(entry, 'inlineData') !== null)
    if (told.length > 0) contents.push({ role: 'user', parts: told })
  }
  const chunks = answered.flatMap((message) => {
    const content = objectAt(message, 'serverContent')
    const transcript = textAt(objectAt(content, 'outputTranscription'), 'text')
    const parts = [
      ...listAt(objectAt(content, 'modelTurn'), 'parts').filter((entry) => objectAt(entry, 'inlineData') === null),
      ...(transcript === null ? [] : [{ text: transcript }]),
      ...listAt(objectAt(message, 'toolCall'), 'functionCalls').map((functionCall) => ({ functionCall })),
    ]
    return parts.length === 0 ? [] : [{ candidates: [{ content: { role: 'model', parts } }] }]
  })
  return geminiConversation({
    ...spoken,
    requestBody: JSON.stringify({ ...(systemInstruction === undefined ? {} : { systemInstruction }), contents }),
    responseBody: chunks.length === 0 ? '' : JSON.stringify(chunks),
  })
}

/** One response of a realtime session: what the client sent before it, and the server's events of it, each side one event a line. */
export const realtimeConversation = (spoken: Spoken): Conversation => {
  const asked = eventsOf(spoken.requestBody)
  const answered = eventsOf(spoken.responseBody)
  return [...answered, ...asked].some((event) => typeof event.type === 'string')
    ? ofItems(asked, answered, spoken)
    : ofContents(asked, answered, spoken)
}
