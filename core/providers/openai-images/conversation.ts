import type { Block, Conversation, Spoken } from '../../messages.js'
import { listAt, textAt } from '../json-text.js'
import { answerOf, conversation, media, requestOf, word } from '../said.js'

const picture = (value: unknown): readonly Block[] => {
  const data = textAt(value, 'b64_json')
  const url = textAt(value, 'url')
  const revised = textAt(value, 'revised_prompt')
  return [
    ...(revised === null ? [] : [{ type: 'text', text: revised } as const]),
    ...(data === null && url === null
      ? []
      : [media('image', { data, url, mediaType: data === null ? '' : `image/${word(value, 'output_format') || 'png'}` })]),
  ]
}

/** Pictures: a prompt asked, pictures answered. What is edited comes in a form and is not shown. */
export const imagesConversation = ({ requestBody, responseBody }: Spoken): Conversation => {
  const notes = new Set<string>()
  const prompt = word(requestBody === '' ? null : requestOf(requestBody), 'prompt')
  const answer = answerOf(responseBody, notes)
  const made =
    answer.form === 'body'
      ? listAt(answer.value, 'data')
      : answer.form === 'events'
        ? answer.events.map(({ value }) => value).filter((value) => word(value, 'type').endsWith('.completed'))
        : []
  return conversation(
    prompt === '' ? [] : [{ role: 'user', name: null, blocks: [{ type: 'text', text: prompt }] }],
    [{ role: 'assistant', name: null, blocks: made.flatMap(picture) }],
    notes,
  )
}
