import { eventFrame } from '../../core/providers/framing/event-frames.js'
import { bedrockExceptionFrame, providerError } from './errors.js'
import { amount } from './faults.js'
import type { Asked, Reply } from './reply.js'
import { json, positive, record } from './reply.js'
import { answerText, cutTo, pieces } from './text.js'
import { textBytes, tokensFor, tokensOf } from './tokens.js'

/** POST /model/{modelId}/converse and /converse-stream: text, no tools. */
export const converse = (asked: Asked, streaming: boolean): Reply => {
  if (asked.malformed) return providerError('bedrock', asked, 400, 'Unexpected end of JSON input.')
  const { body, fake } = asked
  const { text, cut } = cutTo(
    answerText(JSON.stringify(body.messages ?? ''), fake),
    positive(record(body.inferenceConfig).maxTokens),
  )
  const tokens = tokensFor(fake, { input: tokensOf(textBytes(body)), text: Buffer.byteLength(text) })
  const usage = { inputTokens: tokens.input, outputTokens: tokens.output, totalTokens: tokens.input + tokens.output }
  const stopReason = cut ? 'max_tokens' : 'end_turn'
  const headers = { 'x-amzn-requestid': asked.id('', 32) }
  if (!streaming)
    return json(
      { output: { message: { role: 'assistant', content: [{ text }] } }, stopReason, usage, metrics: { latencyMs: 12 } },
      200,
      headers,
    )
  const closing = [
    eventFrame('contentBlockStop', { contentBlockIndex: 0 }),
    eventFrame('messageStop', { stopReason }),
    eventFrame('metadata', { usage, metrics: { latencyMs: 12 } }),
  ]
  return {
    status: 200,
    headers: { 'content-type': 'application/vnd.amazon.eventstream', ...headers },
    parts: [
      eventFrame('messageStart', { role: 'assistant' }),
      ...pieces(text, amount(fake, 'chunks') ?? 5).map((part) =>
        eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: part } }),
      ),
      ...closing,
    ],
    stream: true,
    terminal: closing.length,
    errorEvent: bedrockExceptionFrame(asked),
  }
}
