import { anthropicConversation } from './providers/anthropic/conversation.js'
import { converseConversation } from './providers/bedrock/conversation.js'
import { invokeConversation } from './providers/bedrock/invoke-conversation.js'
import { chatInAnyForm } from './providers/chat-forms.js'
import { geminiConversation } from './providers/gemini/conversation.js'
import { interactionsConversation } from './providers/gemini/interactions-conversation.js'
import { speechConversation, transcriptConversation } from './providers/openai-audio/conversation.js'
import { imagesConversation } from './providers/openai-images/conversation.js'
import { ocrConversation, rerankConversation } from './providers/openai-objects/conversation.js'
import { responsesConversation } from './providers/openai-responses/conversation.js'
import { realtimeConversation } from './providers/realtime/conversation.js'

import type { Conversation, Spoken } from './messages.js'

const readers: Readonly<Record<string, (spoken: Spoken) => Conversation>> = {
  chat: chatInAnyForm,
  completions: chatInAnyForm,
  embeddings: chatInAnyForm,
  moderations: chatInAnyForm,
  transcription: transcriptConversation,
  speech: speechConversation,
  images: imagesConversation,
  ocr: ocrConversation,
  rerank: rerankConversation,
  responses: responsesConversation,
  realtime: realtimeConversation,
  messages: anthropicConversation,
  count_tokens: anthropicConversation,
  generate_content: geminiConversation,
  embed_content: geminiConversation,
  count_content_tokens: geminiConversation,
  interactions: interactionsConversation,
  predict: geminiConversation,
  converse: converseConversation,
  invoke: invokeConversation,
}

/**
 * Reads a call's bodies as a conversation; an answer that was a stream is put together again from its events.
 *
 * Never throws: what cannot be read leaves a note. A body that was cut gives what was in it.
 *
 * @returns `null` for APIs that are no conversation.
 */
export const readConversation = (spoken: Spoken): Conversation | null => readers[spoken.api]?.(spoken) ?? null
