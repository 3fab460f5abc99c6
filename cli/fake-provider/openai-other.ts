import { providerError } from './errors.js'
import { amount } from './faults.js'
import { answeredModel, openAiModels } from './models.js'
import type { Asked, Reply } from './reply.js'
import { createdAt, json, list, positive, text } from './reply.js'
import { answerText, randomFrom } from './text.js'
import { tokensFor, tokensOf } from './tokens.js'

const inputsOf = (input: unknown): readonly unknown[] => (Array.isArray(input) && typeof input[0] !== 'number' ? input : [input])
const tokensOfInput = (input: unknown): number =>
  Array.isArray(input) ? input.length : tokensOf(Buffer.byteLength(typeof input === 'string' ? input : ''))

/** A unit-free vector that depends on the text alone. */
export const vectorOf = (input: unknown, dimensions: number): number[] => {
  const next = randomFrom(JSON.stringify(input))
  return Array.from({ length: dimensions }, () => Math.fround(next() * 2 - 1) / 32)
}

/** POST .../embeddings */
export const embeddings = (asked: Asked): Reply => {
  const { body, fake } = asked
  if (asked.malformed) return providerError('openai', asked, 400, 'We could not parse the JSON body of your request.')
  const inputs = inputsOf(body.input)
  const dimensions = positive(body.dimensions) ?? (text(body.model).includes('large') ? 3072 : 1536)
  const data = inputs.map((input, index) => {
    const vector = vectorOf(input, dimensions)
    return {
      object: 'embedding',
      index,
      embedding: body.encoding_format === 'base64' ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector,
    }
  })
  const { input } = tokensFor(fake, { input: inputs.reduce<number>((sum, item) => sum + tokensOfInput(item), 0), text: 0 })
  return json(
    { object: 'list', data, model: answeredModel(text(body.model), fake), usage: { prompt_tokens: input, total_tokens: input } },
    200,
    { 'x-request-id': asked.id('req_', 32) },
  )
}

export const models = (): Reply =>
  json({ object: 'list', data: openAiModels.map((id) => ({ id, object: 'model', created: createdAt, owned_by: 'system' })) })

export const model = (id: string): Reply => json({ id, object: 'model', created: createdAt, owned_by: 'system' })

/** POST .../audio/speech: `bytes` of x-fake, else 16 KiB, of what could be MP3. */
export const speech = (asked: Asked): Reply => {
  const next = randomFrom(text(asked.body.input))
  const bytes = Buffer.alloc(amount(asked.fake, 'bytes') ?? 16_384)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(next() * 256)
  bytes.set([0xff, 0xfb, 0x90, 0x64].slice(0, bytes.length))
  const half = bytes.length >> 1
  return {
    status: 200,
    headers: { 'content-type': 'audio/mpeg', 'x-request-id': asked.id('req_', 32) },
    parts: [bytes.subarray(0, half), bytes.subarray(half)],
    stream: true,
    terminal: 0,
    errorEvent: null,
  }
}

/** POST .../audio/transcriptions */
export const transcription = (asked: Asked): Reply =>
  json({
    text: answerText(asked.bodySha256, asked.fake),
    usage: { type: 'duration', seconds: amount(asked.fake, 'seconds') ?? 7 },
  })

/** POST .../images/generations */
export const images = (asked: Asked): Reply =>
  json({
    created: createdAt,
    data: Array.from({ length: positive(asked.body.n) ?? 1 }, () => ({
      b64_json: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    })),
    usage: {
      input_tokens: tokensOf(Buffer.byteLength(text(asked.body.prompt))),
      input_tokens_details: { text_tokens: tokensOf(Buffer.byteLength(text(asked.body.prompt))), image_tokens: 0 },
      output_tokens: 1056,
      total_tokens: 1056 + tokensOf(Buffer.byteLength(text(asked.body.prompt))),
    },
  })

/** POST .../moderations */
export const moderations = (asked: Asked): Reply =>
  json({
    id: asked.id('modr-', 24),
    model: answeredModel(text(asked.body.model, 'omni-moderation-latest'), asked.fake),
    results: inputsOf(asked.body.input).map(() => ({
      flagged: false,
      categories: { violence: false, harassment: false },
      category_scores: { violence: 0.001, harassment: 0.0004 },
    })),
  })

const batch = (asked: Asked, id: string, status: string): Reply =>
  json({
    id,
    object: 'batch',
    endpoint: text(asked.body.endpoint, '/v1/chat/completions'),
    errors: null,
    input_file_id: text(asked.body.input_file_id, 'file-input'),
    completion_window: '24h',
    status,
    output_file_id: status === 'completed' ? 'file-output' : null,
    error_file_id: null,
    created_at: createdAt,
    completed_at: status === 'completed' ? createdAt + 60 : null,
    request_counts: { total: 2, completed: status === 'completed' ? 2 : 0, failed: 0 },
    ...(status === 'completed'
      ? {
          usage: {
            input_tokens: 36,
            output_tokens: 224,
            total_tokens: 260,
            input_tokens_details: { cached_tokens: 0 },
            output_tokens_details: { reasoning_tokens: 128 },
          },
        }
      : {}),
    metadata: null,
  })

/** .../batches, .../batches/{id}, .../batches/{id}/cancel */
export const batches = (asked: Asked, rest: string): Reply => {
  const [, id = '', verb] = rest.split('/')
  if (asked.method === 'POST' && id === '') return batch(asked, asked.id('batch_', 32), 'validating')
  if (asked.method === 'POST' && verb === 'cancel') return batch(asked, id, 'cancelling')
  if (asked.method === 'GET' && id !== '') return batch(asked, id, 'completed')
  if (asked.method === 'GET') return json({ object: 'list', data: list([]), has_more: false })
  return providerError('openai', asked, 405, 'Method not allowed.')
}
