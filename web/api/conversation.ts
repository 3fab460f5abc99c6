import type { StoredBodies } from '../../clickhouse/queries/bodies-by-id.js'
import type { StoredRequest } from '../../clickhouse/queries/request-by-id.js'
import { readConversation } from '../../core/conversation.js'
import type { Conversation } from './contract.js'

const readable = (state: string, text: string): string => (state === 'stored' || state === 'truncated' ? text : '')

/** What was said in a call, from its stored bodies; `null` when nothing of it is stored, or it was no conversation. */
export const conversationOf = (
  { api, streaming, responseBytes }: StoredRequest,
  bodies: StoredBodies | null,
): Conversation | null => {
  if (bodies === null) return null
  const requestBody = readable(bodies.requestState, bodies.request)
  const responseBody = readable(bodies.responseState, bodies.response)
  if (requestBody === '' && responseBody === '') return null
  const binaryBytes = bodies.responseState === 'binary' ? Number(responseBytes) : null
  const conversation = readConversation({ family: '', api, requestBody, responseBody, streaming, binaryBytes })
  if (conversation === null) return null
  return {
    messages: conversation.messages.map((message) => ({ ...message, blocks: message.blocks.map((block) => ({ ...block })) })),
    answerAt: conversation.answerAt,
    notes: [...conversation.notes],
  }
}
