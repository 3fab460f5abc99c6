import type { Conversation, Spoken } from '../messages.js'
import { cohereConversation } from './cohere/conversation.js'
import { ollamaConversation } from './ollama/conversation.js'
import { chatConversation } from './openai-chat/conversation.js'

const forms: Readonly<Record<string, (spoken: Spoken) => Conversation>> = {
  cohere: cohereConversation,
  ollama: ollamaConversation,
}

/** Fields of requests that look like OpenAI's and hold text besides. */
const beside = ['"documents"', '"tool_plan"', '"chat_history"', '"preamble"', '"tool_results"']

const isWhole = ({ messages, answerAt }: Conversation, { api, requestBody, responseBody }: Spoken): boolean =>
  (requestBody === '' || answerAt > 0) &&
  (responseBody === '' || api === 'embeddings' || api === 'moderations' || answerAt < messages.length)

const answers = ({ messages, answerAt }: Conversation): number => messages.length - answerAt
const isFuller = (a: Conversation, b: Conversation): boolean =>
  answers(a) === answers(b) ? a.answerAt > b.answerAt : answers(a) > answers(b)

/**
 * Chat, completions and embeddings, whose names several families share. Where the family is not told, OpenAI's form is tried first; what it
 * finds no question or no answer in may be Ollama's or Cohere's.
 */
export const chatInAnyForm = (spoken: Spoken): Conversation => {
  const told = forms[spoken.family]
  if (told !== undefined) return told(spoken)
  const plain = chatConversation(spoken)
  if (isWhole(plain, spoken))
    return spoken.responseBody === '' && beside.some((key) => spoken.requestBody.includes(key))
      ? cohereConversation(spoken)
      : plain
  let best = plain
  for (const form of [ollamaConversation, cohereConversation]) {
    const found = form(spoken)
    if (isFuller(found, best)) best = found
  }
  return best
}
