import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One recorded exchange of `WEIR_WIRE_FIXTURES`; read by tests only. */
export interface Recording {
  readonly id: string
  readonly provider: string
  readonly family: string
  readonly api: string
  readonly path: string
  readonly streaming: boolean
  readonly transport: string
  readonly status: number
  readonly contentType: string | null
  readonly encoding: string | null
  readonly events: number
  readonly requestBody: Buffer
  readonly requestType: string | undefined
  readonly body: Buffer
  readonly modelRequested: string | null
  readonly modelResponded: string | null
  readonly billable: boolean
  readonly usageSource: string
  readonly expect: Readonly<Record<string, number | null>>
  readonly extra: Readonly<Record<string, unknown>>
  readonly lines: readonly { readonly type: string; readonly usage: Readonly<Record<string, number | null>> }[] | null
  readonly providerCostUsd: number | null
  readonly costUsd: number | null
  readonly costBasis: string | null
}

interface Entry {
  readonly [key: string]: unknown
  readonly id: string
  readonly provider: string
  readonly api: string
  readonly path: string
  readonly status: number
}

const endings: readonly (readonly [RegExp, string, string])[] = [
  [/^\/model\/[^?]+\/converse(?:-stream)?$/, 'bedrock', 'converse'],
  [/^\/model\/[^?]+\/invoke(?:-with-response-stream)?$/, 'bedrock', 'invoke'],
  [/^\/v[12]\/chat$/, 'cohere', 'chat'],
  [/^\/v[12]\/embed$/, 'cohere', 'embeddings'],
  [/^\/v[12]\/rerank$/, 'cohere', 'rerank'],
  [/^\/api\/chat$/, 'ollama', 'chat'],
  [/^\/api\/generate$/, 'ollama', 'completions'],
  [/^\/api\/embed(?:dings)?$/, 'ollama', 'embeddings'],
  [/\/chat\/completions/, 'openai-chat', 'chat'],
  [/\/completions/, 'openai-chat', 'completions'],
  [/\/embeddings/, 'openai-chat', 'embeddings'],
  [/\/responses/, 'openai-responses', 'responses'],
  [/\/messages\/count_tokens/, 'anthropic', 'count_tokens'],
  [/\/messages|:(?:streamRawPredict|rawPredict)/, 'anthropic', 'messages'],
  [/:(?:streamG|g)enerateContent/, 'gemini', 'generate_content'],
  [/:(?:embedContent|batchEmbedContents)/, 'gemini', 'embed_content'],
  [/\/interactions(?:\/|\?|$)/, 'gemini', 'interactions'],
  [/\/audio\/transcriptions/, 'openai-chat', 'transcription'],
  [/\/audio\/speech/, 'openai-chat', 'speech'],
  [/\/images\//, 'openai-chat', 'images'],
  [/\/ocr$/, 'openai-chat', 'ocr'],
  [/\/batches\//, 'openai-chat', 'batch'],
]

/** Where the recordings lie, or `null`: tests that need them are then skipped, with this variable named. */
export const recordingsDir = process.env.WEIR_WIRE_FIXTURES ?? null

/** All recorded HTTP exchanges; empty without `WEIR_WIRE_FIXTURES`. */
export const recordings = (): readonly Recording[] => {
  if (recordingsDir === null || !existsSync(join(recordingsDir, 'expected.json'))) return []
  const { fixtures } = JSON.parse(readFileSync(join(recordingsDir, 'expected.json'), 'utf8')) as { fixtures: readonly Entry[] }
  return fixtures.map((entry) => {
    const file = (name: string): Buffer => readFileSync(join(recordingsDir, entry.id, name))
    const { headers } = JSON.parse(file('response.json').toString()) as { headers: Record<string, string> }
    const asked = JSON.parse(file('request.json').toString()) as { headers: Record<string, string> }
    const found = endings.find(([pattern]) => pattern.test(entry.path))
    return {
      id: entry.id,
      provider: entry.provider,
      family: found?.[1] ?? (entry.api === 'openai' ? 'openai-chat' : entry.api),
      api: found?.[2] ?? '',
      path: entry.path,
      streaming: entry.streaming === true,
      transport: entry.transport as string,
      status: entry.status,
      contentType: headers['content-type'] ?? null,
      encoding: (entry.body_encoding as string | null) ?? null,
      events: entry.events as number,
      requestBody: existsSync(join(recordingsDir, entry.id, 'request.body')) ? file('request.body') : Buffer.alloc(0),
      requestType: asked.headers['content-type'],
      body: file('response.body'),
      modelRequested: entry.model_requested as string | null,
      modelResponded: entry.model_responded as string | null,
      billable: entry.billable === true,
      usageSource: entry.usage_source as string,
      expect: entry.expect as Record<string, number | null>,
      extra: (entry.extra as Record<string, unknown> | undefined) ?? {},
      lines: (entry.billing_lines as Recording['lines'] | undefined) ?? null,
      providerCostUsd: (entry.provider_cost_usd as number | null | undefined) ?? null,
      costUsd: (entry.cost_usd as number | null | undefined) ?? null,
      costBasis: (entry.cost_basis as string | null | undefined) ?? null,
    }
  })
}
