import type { Unit } from './cost.js'
import type { Usage } from '../usage.js'

/** Takes a quantity of a unit; nothing is taken of 0. */
export type Take = (unit: Unit, quantity: number) => void

/** What is told of tokens, in a call or in one part of it. */
export type TokenUsage = Omit<Usage, 'parts'>

/** Of what was billed, which goes before what was counted (Cohere); `null` = not told. */
const billed = ({ extra }: TokenUsage, take: Take): boolean => {
  const { billed_input_tokens: input, billed_image_tokens: image, billed_output_tokens: output } = extra
  if (input === undefined && image === undefined && output === undefined) return false
  take('input', input ?? 0)
  take('input_image', image ?? 0)
  take('output', output ?? 0)
  return true
}

const part = (wanted: number, rest: number): number => Math.max(0, Math.min(wanted, rest))

/**
 * Takes the tokens of a usage apart into disjoint units: each token is in one of them, however much the parts contradict their whole.
 *
 * @param reasoningApart Reasoning has a price of its own.
 */
export const tokenQuantities = (usage: TokenUsage, reasoningApart: boolean, take: Take): void => {
  if (billed(usage, take)) return
  let rest = usage.inputTokens ?? 0
  const write = part(usage.cacheWriteTokens ?? 0, rest)
  rest -= write
  const write1h = Math.min(write, usage.cacheWrite1hTokens ?? 0)
  const readAudio = part(usage.cacheReadAudioTokens ?? 0, rest)
  rest -= readAudio
  const readImage = part(usage.cacheReadImageTokens ?? 0, rest)
  rest -= readImage
  const readText = part((usage.cacheReadTokens ?? 0) - readAudio - readImage, rest)
  rest -= readText
  const audio = part((usage.inputAudioTokens ?? 0) - readAudio, rest)
  rest -= audio
  const image = part((usage.inputImageTokens ?? 0) - readImage, rest)
  rest -= image
  take('input', rest)
  take('cache_read', readText)
  take('cache_write', write - write1h)
  take('cache_write_1h', write1h)
  take('input_audio', audio)
  take('cache_read_audio', readAudio)
  take('input_image', image)
  take('cache_read_image', readImage)
  rest = usage.outputTokens ?? 0
  const outputAudio = part(usage.outputAudioTokens ?? 0, rest)
  rest -= outputAudio
  const outputImage = part(usage.outputImageTokens ?? 0, rest)
  rest -= outputImage
  const reasoning = reasoningApart ? part(usage.reasoningTokens ?? 0, rest) : 0
  take('output', rest - reasoning)
  take('reasoning', reasoning)
  take('output_audio', outputAudio)
  take('output_image', outputImage)
}
