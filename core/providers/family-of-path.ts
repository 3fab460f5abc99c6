import type { Family } from './registry.js'

/** What the paths of the APIs look like behind any root; the first that fits decides. */
const shapes: readonly (readonly [RegExp, Family])[] = [
  [/\/messages(?:\/count_tokens)?$|\/publishers\/anthropic\//, 'anthropic'],
  [
    /:(?:streamGenerateContent|generateContent|embedContent|batchEmbedContents|countTokens|predict)$|BidiGenerateContent/,
    'gemini',
  ],
  [/\/v1beta\/(?!openai\/)/, 'gemini'],
  [/\/model\/[^?]+\/(?:converse|converse-stream|invoke|invoke-with-response-stream|count-tokens)$/, 'bedrock'],
  [/\/v2\/(?:chat|embed|rerank)$|\/v1\/chat$/, 'cohere'],
  [/\/api\/(?:chat|generate|embed)$/, 'ollama'],
]

/**
 * The wire family of a path at somebody who is not known, by its shape; most of the world speaks OpenAI's.
 *
 * @param path Without query.
 */
export const familyOfPath = (path: string): Family => shapes.find(([shape]) => shape.test(path))?.[1] ?? 'openai-chat'
