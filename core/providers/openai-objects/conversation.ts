import type { Block, Conversation, Message, Spoken } from '../../messages.js'
import { listAt, objectAt, textAt } from '../json-text.js'
import { answerOf, conversation, media, other, requestOf, word } from '../said.js'

const user = (blocks: readonly Block[]): readonly Message[] => (blocks.length === 0 ? [] : [{ role: 'user', name: null, blocks }])

const spokenOf = ({ requestBody, responseBody }: Spoken, notes: Set<string>): { request: unknown; answer: unknown } => {
  const request = requestBody === '' ? null : requestOf(requestBody)
  if (request === undefined) notes.add('request_unreadable')
  const answer = answerOf(responseBody, notes)
  return { request, answer: answer.form === 'body' ? answer.value : null }
}

const document = (value: unknown): Block => {
  const url = textAt(value, 'image_url') ?? textAt(objectAt(value, 'image_url'), 'url')
  if (url !== null) return media('image', { url })
  return media('file', { url: textAt(value, 'document_url') ?? textAt(value, 'file_id') })
}

/** OCR: a document asked, the text of its pages answered. */
export const ocrConversation = (spoken: Spoken): Conversation => {
  const notes = new Set<string>()
  const { request, answer } = spokenOf(spoken, notes)
  const found = objectAt(request, 'document')
  const pages = listAt(answer, 'pages').map((page): Block => ({ type: 'text', text: word(page, 'markdown') }))
  return conversation(user(found === null ? [] : [document(found)]), [{ role: 'assistant', name: null, blocks: pages }], notes)
}

/** Rerank: a query and the documents asked, their order answered. */
export const rerankConversation = (spoken: Spoken): Conversation => {
  const notes = new Set<string>()
  const { request, answer } = spokenOf(spoken, notes)
  const query = textAt(request, 'query')
  const documents = listAt(request, 'documents').map((item): Block => {
    const text = typeof item === 'string' ? item : textAt(item, 'text')
    return text === null ? other('document', item) : { type: 'text', text }
  })
  const asked = [...(query === null ? [] : [{ type: 'text', text: query } as const]), ...documents]
  const results = listAt(answer, 'results').length > 0 ? listAt(answer, 'results') : listAt(answer, 'data')
  return conversation(
    user(asked),
    [{ role: 'assistant', name: null, blocks: results.length === 0 ? [] : [other('results', results)] }],
    notes,
  )
}
