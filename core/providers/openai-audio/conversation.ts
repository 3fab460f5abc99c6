import type { Block, Conversation, Message, Spoken } from '../../messages.js'
import { isObject, textAt } from '../json-text.js'
import { answerOf, conversation, media, requestOf, sizeOfBase64, word } from '../said.js'

const textMessage = (role: string, text: string): Message => ({
  role,
  name: null,
  blocks: text === '' ? [] : [{ type: 'text', text }],
})

/** Text, SRT and VTT stand for themselves. */
const isForm = (text: string): boolean => /^\s*(?:\{\s*"|data:|event:)/.test(text)

/** Transcripts and translations: sound asked, text answered. The request is a form, whose sound is not shown. */
export const transcriptConversation = ({ requestBody, responseBody }: Spoken): Conversation => {
  const notes = new Set<string>()
  const request = requestBody === '' ? undefined : requestOf(requestBody)
  const prompt = isObject(request) ? word(request, 'prompt') : ''
  const asked: Message = { role: 'user', name: null, blocks: [media('audio', {}), ...textMessage('user', prompt).blocks] }
  if (!isForm(responseBody)) return conversation([asked], [textMessage('assistant', responseBody.trim())], notes)
  const answer = answerOf(responseBody, notes)
  if (answer.form !== 'events')
    return conversation([asked], [textMessage('assistant', answer.form === 'body' ? word(answer.value, 'text') : '')], notes)
  const types = answer.events.map(({ value }) => word(value, 'type'))
  const whole = answer.events.find((_, at) => types[at]?.endsWith('.done') === true && types[at]?.startsWith('transcript'))
  const text =
    whole === undefined
      ? answer.events
          .map(({ value }, at) => (types[at]?.endsWith('.delta') === true ? (textAt(value, 'delta') ?? word(value, 'text')) : ''))
          .join('')
      : word(whole.value, 'text')
  return conversation([asked], [textMessage('assistant', text)], notes)
}

/** Speech: text asked, sound answered. */
export const speechConversation = ({ requestBody, responseBody, binaryBytes = null }: Spoken): Conversation => {
  const notes = new Set<string>()
  const request = requestBody === '' ? null : requestOf(requestBody)
  if (request === undefined) notes.add('request_unreadable')
  const asked = [
    textMessage('system', word(request, 'instructions')),
    textMessage('user', textAt(request, 'input') ?? word(request, 'text')),
  ].filter(({ blocks }) => blocks.length > 0)
  const mediaType = `audio/${textAt(request, 'response_format') ?? 'mp3'}`
  const sound = (bytes: number): Block => ({ type: 'media', kind: 'audio', mediaType, url: null, bytes })
  if (binaryBytes !== null) return conversation(asked, [{ role: 'assistant', name: null, blocks: [sound(binaryBytes)] }], notes)
  const answer = answerOf(responseBody, notes)
  const pieces =
    answer.form === 'events' ? answer.events.map(({ value }) => textAt(value, 'audio')).filter((piece) => piece !== null) : []
  const blocks = pieces.length === 0 ? [] : [sound(pieces.reduce((sum, piece) => sum + sizeOfBase64(piece), 0))]
  return conversation(asked, [{ role: 'assistant', name: null, blocks }], notes)
}
