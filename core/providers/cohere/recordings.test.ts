import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { Usage } from '../../usage.js'
import { readUsage } from '../../usage-reader.js'
import type { AnswerFacts } from '../answer.js'
import { splitsOf } from '../framing/splits.js'
import { storedZstd } from '../framing/stored-zstd.js'
import { readAnswer } from '../read-answer.js'
import { readRequest } from '../read-request.js'
import { recordings, recordingsDir, type Recording } from '../recordings.js'

// Both families whose API names are also those of OpenAI's form.
const own = recordings().filter(({ family }) => family === 'cohere' || family === 'ollama')

const read = async (
  recording: Recording,
  contentEncoding: string | null,
  pieces: readonly Buffer[],
): Promise<AnswerFacts & { terminal: boolean }> => {
  const reader = readAnswer({ ...recording, contentEncoding })
  for (const piece of pieces) reader.push(piece)
  await reader.end()
  return { ...reader.facts(), terminal: reader.terminal }
}

const snake = (usage: Usage): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(usage).map(([field, value]) => [field.replace(/5m|1h|[A-Z]/g, (found) => `_${found.toLowerCase()}`), value]),
  )

/** `billed_units` of expected.json in the names of `extra`; what is 0 there may be left out. */
const billed = ({ extra }: Recording): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries((extra.billed_units ?? {}) as Record<string, number>)
      .filter(([, units]) => units > 0)
      .map(([unit, units]) => [`billed_${unit}`, units]),
  )

describe.skipIf(recordingsDir === null)('recordings', () => {
  test('WEIR_WIRE_FIXTURES names their folder', () => {
    expect(own.length).toBeGreaterThan(2)
  })

  test.each(own)('$id: usage, model and end', async (recording) => {
    const facts = await read(recording, recording.encoding, [recording.body])
    expect(facts).toMatchObject({ events: recording.events, responseModel: recording.modelResponded, error: null, notes: [] })
    expect(facts.terminal).toBe(recording.streaming)
    expect(facts.finishReason !== null).toBe(recording.streaming)
    const usage = readUsage(recording.provider, recording.api, facts.usageRaw)
    expect(snake(usage)).toMatchObject(recording.expect)
    expect(usage).toMatchObject({ usageSource: recording.usageSource, extra: billed(recording), notes: [] })
    const { streaming, model } = readRequest({ ...recording, body: recording.requestBody, contentType: undefined })
    expect({ streaming, model }).toEqual({ streaming: recording.streaming, model: recording.modelRequested })
  })

  test.each(own)('$id: the same in every split and coding', async (recording) => {
    const whole = await read(recording, null, [recording.body])
    for (const { name, pieces } of splitsOf(recording.body)) expect(await read(recording, null, pieces), name).toEqual(whole)
    for (const [coding, bytes] of [
      ['gzip', gzipSync(recording.body)],
      ['deflate', deflateSync(recording.body)],
      ['br', brotliCompressSync(recording.body)],
      ['zstd', storedZstd(recording.body)],
    ] as const)
      for (const { name, pieces } of splitsOf(bytes, 2).filter((split) => split.name !== 'byte by byte'))
        expect(await read(recording, coding, pieces), `${coding}, ${name}`).toEqual(whole)
  })
})
