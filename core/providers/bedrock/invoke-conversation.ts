import type { Block, Conversation, Message, Spoken } from '../../messages.js'
import { anthropicConversation } from '../anthropic/conversation.js'
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import { chatConversation } from '../openai-chat/conversation.js'
import { answerOf, conversation, media, other, requestOf, type Answered } from '../said.js'
import { askedInConverse, saidInBody, saidInEvents } from './conversation.js'
import { ownTexts } from './own-forms.js'
import { unwrapped } from './union.js'

const said = (role: string, blocks: readonly Block[]): Message => ({ role, name: null, blocks })
const texts = (role: string, found: readonly (string | null)[]): readonly Message[] =>
  found.filter((text) => text !== null && text !== '').map((text) => said(role, [{ type: 'text', text: text ?? '' }]))

const strings = (value: unknown, key: string): readonly string[] =>
  listAt(value, key).filter((text): text is string => typeof text === 'string')

/** Cohere's `chat_history` and `message`. */
const askedOfCohere = (request: JsonObject): readonly Message[] => [
  ...texts('system', [textAt(request, 'preamble')]),
  ...listAt(request, 'chat_history').flatMap((turn) =>
    texts(textAt(turn, 'role') === 'CHATBOT' ? 'assistant' : (textAt(turn, 'role') ?? 'user').toLowerCase(), [
      textAt(turn, 'message'),
    ]),
  ),
  ...texts('user', [textAt(request, 'message')]),
]

const isConverse = (request: JsonObject): boolean =>
  request.schemaVersion !== undefined ||
  request.inferenceConfig !== undefined ||
  listAt(request, 'messages').some((message) =>
    listAt(message, 'content').some((block) => isObject(block) && block.type === undefined),
  )

const asked = (spoken: Spoken, request: unknown): readonly Message[] => {
  if (!isObject(request)) return []
  const alone = { ...spoken, responseBody: '' }
  if (request.anthropic_version !== undefined) return anthropicConversation(alone).messages
  if (Array.isArray(request.messages)) return isConverse(request) ? askedInConverse(request) : chatConversation(alone).messages
  if (request.message !== undefined || request.chat_history !== undefined) return askedOfCohere(request)
  const image = textAt(request, 'inputImage')
  const found = [
    ...texts('user', [textAt(request, 'inputText'), textAt(request, 'prompt'), ...strings(request, 'texts')]),
    ...texts('user', [
      textAt(objectAt(request, 'textToImageParams'), 'text'),
      ...listAt(request, 'text_prompts').map((prompt) => textAt(prompt, 'text')),
    ]),
    ...(image === null ? [] : [said('user', [media('image', { data: image })])]),
  ]
  return found.length > 0 || Object.keys(request).length === 0 ? found : [said('user', [other('request', request)])]
}

const isMessages = (value: unknown): boolean =>
  isObject(value) && typeof value.type === 'string' && /^(?:message|content_block|ping)/.test(value.type)
const isChat = (value: unknown): boolean =>
  listAt(value, 'choices').some((choice) => objectAt(choice, 'message') !== null || objectAt(choice, 'delta') !== null)

const answered = (spoken: Spoken, answer: Answered): readonly Message[] => {
  if (answer.form === 'none') return []
  const alone = { ...spoken, requestBody: '' }
  const values = answer.form === 'body' ? [answer.value] : answer.events.map(({ value }) => value)
  if (values.some(isMessages)) return anthropicConversation(alone).messages
  if (values.some(isChat)) return chatConversation(alone).messages
  if (answer.form === 'body' && objectAt(answer.value, 'output') !== null) return saidInBody(answer.value)
  if (answer.form === 'events' && values.some((value) => unwrapped(value) !== null)) return saidInEvents(answer.events)
  const calls = values
    .flatMap((value) => listAt(value, 'tool_calls'))
    .map((call): Block => {
      const parameters = isObject(call) ? call.parameters : null
      return { type: 'tool_call', id: '', name: textAt(call, 'name') ?? '', arguments: JSON.stringify(parameters ?? {}) }
    })
  const pictures = values.flatMap((value) => [
    ...strings(value, 'images'),
    ...listAt(value, 'artifacts').map((artifact) => textAt(artifact, 'base64') ?? ''),
  ])
  const text = values.flatMap((value) => (isObject(value) ? ownTexts(value) : [])).join(answer.form === 'body' ? '\n' : '')
  return [
    said('assistant', [
      ...(text === '' ? [] : [{ type: 'text', text } as const]),
      ...calls,
      ...pictures.map((data) => media('image', { data })),
    ]),
  ]
}

/** Bedrock's InvokeModel: the form of request and answer is that of whoever made the model. */
export const invokeConversation = (spoken: Spoken): Conversation => {
  const notes = new Set<string>()
  const request = spoken.requestBody === '' ? null : requestOf(spoken.requestBody)
  if (request === undefined) notes.add('request_unreadable')
  const answer = answerOf(spoken.responseBody, notes)
  return conversation(asked(spoken, request), answered(spoken, answer), notes)
}
