import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { Usage } from '../../usage.js'
import { readUsage } from '../../usage-reader.js'
import type { AnswerFacts } from '../answer.js'
import { splitsOf } from '../framing/splits.js'
import { storedZstd } from '../framing/stored-zstd.js'
import { readAnswer, type Answering } from '../read-answer.js'
import { readRequest } from '../read-request.js'
import { recordings, recordingsDir, type Recording } from '../recordings.js'

// What goes by OpenAI's form is read by its readers.
const bedrock = recordings().filter(({ family }) => family === 'bedrock')

const answering = (recording: Recording, contentEncoding: string | null): Answering => ({
  ...recording,
  contentEncoding,
})

const read = async (of: Answering, pieces: readonly Buffer[]): Promise<AnswerFacts & { terminal: boolean; content: boolean }> => {
  const reader = readAnswer(of)
  for (const piece of pieces) reader.push(piece)
  await reader.end()
  return { ...reader.facts(), terminal: reader.terminal, content: reader.content }
}

const snake = (usage: Usage): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(usage).map(([field, value]) => [field.replace(/5m|1h|[A-Z]/g, (found) => `_${found.toLowerCase()}`), value]),
  )

describe.skipIf(recordingsDir === null)('recordings', () => {
  test('WEIR_WIRE_FIXTURES names their folder', () => {
    expect(bedrock.length).toBeGreaterThan(4)
  })

  test.each(bedrock)('$id: usage, model and end', async (recording) => {
    const facts = await read(answering(recording, recording.encoding), [recording.body])
    expect(facts).toMatchObject({ events: recording.events, responseModel: recording.modelResponded, notes: [] })
    expect(facts.terminal).toBe(recording.streaming)
    if (recording.status === 200) expect(facts.error).toBeNull()
    else expect(facts.error).toMatchObject({ kind: 'context_length' })
    const { model } = readRequest({ ...recording, body: recording.requestBody, contentType: undefined })
    const usage = readUsage(recording.provider, recording.api, facts.usageRaw, { resHeaders: [], requestModel: model })
    expect(snake(usage)).toMatchObject(recording.expect)
    expect(usage.usageSource).toBe(recording.usageSource)
    expect(usage.region).toBe(/\/model\/us\./.test(recording.path) ? 'us' : null)
    expect(usage.notes).toEqual([])
  })

  test.each(bedrock)('$id: the same in every split and coding', async (recording) => {
    const whole = await read(answering(recording, null), [recording.body])
    for (const { name, pieces } of splitsOf(recording.body))
      expect(await read(answering(recording, null), pieces), name).toEqual(whole)
    for (const [coding, bytes] of [
      ['gzip', gzipSync(recording.body)],
      ['deflate', deflateSync(recording.body)],
      ['br', brotliCompressSync(recording.body)],
      ['zstd', storedZstd(recording.body)],
    ] as const)
      for (const { name, pieces } of splitsOf(bytes, 2).filter((split) => split.name !== 'byte by byte'))
        expect(await read(answering(recording, coding), pieces), `${coding}, ${name}`).toEqual(whole)
  })
})
