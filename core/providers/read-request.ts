import { bedrockModelId } from './bedrock/model.js'
import { topLevelScanner } from './framing/top-level.js'
import { isObject, latin1, listAt, objectAt, parsed, textAt, utf8, type JsonObject } from './json-text.js'
import { formFields } from './multipart.js'

export interface Asking {
  readonly family: string
  readonly api: string
  /** Path at the provider; a query may follow it. */
  readonly path: string
  /** The whole body, without content coding, or its beginning. */
  readonly body: Buffer
  /** Only its beginning: what stands there is read. */
  readonly cut?: boolean
  /** Of the request: names the boundary of a form. */
  readonly contentType?: string | undefined
}

/** What a request body tells that the record and the price need. */
export interface Asked {
  readonly model: string | null
  readonly streaming: boolean
  /**
   * What was asked for and decides the price: service_tier, n, size, quality, characters, search_context_size, ttl_1h, speed,
   * latency, background (1).
   */
  readonly priceFacts: Readonly<Record<string, string | number>>
  /** The end user the caller told the provider: `user`, `safety_identifier`, Anthropic's `metadata.user_id`. */
  readonly user: string | null
  /** The body is neither one JSON object nor a form. It is forwarded all the same: the provider answers. */
  readonly malformed: boolean
}

/** Up to here one parse is cheap; a longer body goes through the scanner for its top-level keys. */
const parseBytes = 256 * 1024

const wanted = [
  'model',
  'agent',
  'stream',
  'user',
  'safety_identifier',
  'metadata',
  'service_tier',
  'serviceTier',
  'performanceConfig',
  'imageGenerationConfig',
  'n',
  'size',
  'quality',
  'speed',
  'inference_geo',
  'web_search_options',
  'background',
  'stream_options',
  'cache_control',
  'search_context_size',
  'tools',
  'input',
]

const scanned = (body: Buffer): JsonObject | null => {
  const scanner = topLevelScanner(wanted)
  scanner.push(body)
  const first = /\S/.exec(latin1(body, 0, Math.min(64, body.length)))?.[0]
  if (first !== '{') return null
  return Object.fromEntries([...scanner.values()].map(([key, text]) => [key, parsed(text)]))
}

const objectFrom = (body: Buffer, cut: boolean): JsonObject | null => {
  if (cut || body.length > parseBytes) return scanned(body)
  try {
    const value: unknown = JSON.parse(utf8(body))
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

const isForm = (contentType: string): boolean => /^\s*multipart\/form-data\b/i.test(contentType)

/** A form's fields with the types JSON would give them. */
const objectFromForm = (body: Buffer, contentType: string): JsonObject | null => {
  const fields = formFields(body, contentType)
  if (fields === null || fields.size === 0) return null
  const asked: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [name, text] of fields)
    asked[name] =
      name === 'n' && /^\d{1,6}$/.test(text) ? Number(text) : name === 'stream' ? /^\s*(?:true|1)\s*$/i.test(text) : text
  return asked
}

/** Where the body names no model, the deployment is all that is known of it. */
const azureDeployment = /\/openai\/deployments\/([^/?]+)/
const geminiModel = /\/(?:models|tunedModels)\/([^/:?]+)/
/** An ARN holds slashes; not every client escapes them. */
const bedrockPath = /\/model\/([^?]+?)\/(?:converse|invoke|count-tokens)[a-z-]*(?:\?|$)/

const unescaped = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const modelInPath = (family: string, path: string): string | null => {
  const bedrock = family === 'bedrock' ? bedrockPath.exec(path)?.[1] : undefined
  if (bedrock !== undefined) return bedrockModelId(bedrock)
  const found = geminiModel.exec(path)?.[1] ?? azureDeployment.exec(path)?.[1]
  return found === undefined ? null : unescaped(found)
}

/** A tool of the Responses API may say how much of the web it reads. */
const searchSize = (asked: JsonObject): string | null =>
  textAt(objectAt(asked, 'web_search_options'), 'search_context_size') ??
  textAt(asked, 'search_context_size') ??
  listAt(asked, 'tools')
    .map((tool) => (textAt(tool, 'type')?.startsWith('web_search') === true ? textAt(tool, 'search_context_size') : null))
    .find((size) => size !== null) ??
  null

const codePoints = (text: string): number => {
  let points = 0
  for (const _ of text) points++
  return points
}

const priceFactsOf = (asked: JsonObject, body: Buffer, family: string, api: string): Record<string, string | number> => {
  const facts: Record<string, string | number> = {}
  for (const key of ['service_tier', 'n', 'size', 'quality', 'speed', 'inference_geo'] as const) {
    const value = asked[key]
    if (
      (typeof value === 'string' && value !== '' && value.length <= 64) ||
      (typeof value === 'number' && Number.isFinite(value))
    )
      facts[key] = value
  }
  const tier = textAt(asked, 'serviceTier') ?? textAt(objectAt(asked, 'serviceTier'), 'type')
  if (tier !== null) facts.service_tier = tier
  const latency = textAt(objectAt(asked, 'performanceConfig'), 'latency')
  if (latency !== null && latency.length <= 64) facts.latency = latency
  const search = searchSize(asked)
  if (search !== null && search.length <= 64) facts.search_context_size = search
  if (asked.background === true) facts.background = 1
  // Amazon's own pictures on Bedrock.
  const picture = objectAt(asked, 'imageGenerationConfig')
  if (typeof picture?.width === 'number' && typeof picture.height === 'number') facts.size = `${picture.width}x${picture.height}`
  const finish = textAt(picture, 'quality')
  if (finish !== null && finish.length <= 64) facts.quality = finish
  // Speech is billed by what it was given to say: the answer tells nothing.
  const said = api === 'speech' ? (textAt(asked, 'input') ?? textAt(asked, 'text')) : null
  if (said !== null) facts.characters = codePoints(said)
  // Whether writes were asked to live an hour: answers of some hosts tell only how many were written.
  if ((family === 'anthropic' || family === 'bedrock') && body.includes('"ttl"') && /"ttl"\s*:\s*"1h"/.test(latin1(body)))
    facts.ttl_1h = 1
  return facts
}

/**
 * Reads what the record needs of a request, in one parse (or, above 256 KiB, one scan in constant memory); of a form its short fields.
 *
 * Never throws; a body that is neither a JSON object nor a form gives `malformed` and what the path tells.
 */
export const readRequest = ({ family, api, path, body, contentType, cut = false }: Asking): Asked => {
  const asked = contentType !== undefined && isForm(contentType) ? objectFromForm(body, contentType) : objectFrom(body, cut)
  const inPath = modelInPath(family, path)
  const streamPath =
    /:stream(?:GenerateContent|RawPredict)\b|\/(?:converse-stream|invoke-with-response-stream)\b|[?&]stream=true\b/.test(path)
  if (asked === null) return { model: inPath, streaming: streamPath, priceFacts: {}, user: null, malformed: body.length > 0 }
  return {
    // An embedding batch names its model in each request; all are the same as the path's.
    // Where the path names the model, a field of that name is part of some form and says nothing.
    model:
      (family === 'bedrock' ? inPath : null) ??
      textAt(asked, 'model') ??
      inPath ??
      // Google's Interactions are made by a model or by an agent.
      (api === 'interactions' ? textAt(asked, 'agent') : null) ??
      (api === 'embed_content' ? textAt(listAt(asked, 'requests')[0], 'model') : null),
    // Ollama streams unless it is told not to; embeddings never do.
    streaming: streamPath || asked.stream === true || (family === 'ollama' && api !== 'embeddings' && asked.stream !== false),
    priceFacts: priceFactsOf(asked, body, family, api),
    user: textAt(asked, 'safety_identifier') ?? textAt(asked, 'user') ?? textAt(objectAt(asked, 'metadata'), 'user_id'),
    malformed: false,
  }
}
