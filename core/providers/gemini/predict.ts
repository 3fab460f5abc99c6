import type { Raw } from '../../exchange.js'
import type { Tokens, Usage } from '../../usage.js'
import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../json-text.js'
import type { FamilyReader, Seen } from '../seen.js'
import { count, counted, objectsOf, sumOf, wireUsage, type Notes } from '../usage-fields.js'

const statisticsOf = (prediction: unknown): JsonObject | null => objectAt(objectAt(prediction, 'embeddings'), 'statistics')

/** A picture that was made. One that a filter took away has only the reason, and is not billed. */
const isPicture = (prediction: unknown): boolean =>
  (textAt(prediction, 'bytesBase64Encoded') !== null || textAt(prediction, 'gcsUri') !== null) &&
  (textAt(prediction, 'mimeType') ?? 'image/').startsWith('image/')

/**
 * Vertex' `predict`: embeddings (tokens told for each text), pictures (counted), older text models (tokens in the metadata). What other
 * models predict tells no usage.
 */
export const predictReader = (family: string, status: number, seen: Seen): FamilyReader => {
  const body = (value: unknown): void => {
    if (!isObject(value)) {
      seen.note('malformed')
      return
    }
    if (status >= 400 || value.error !== undefined) seen.error = errorIn(family, status, value) ?? seen.error
    seen.model(textAt(value, 'modelVersion'))
    const predictions = listAt(value, 'predictions')
    const metadata = objectAt(value, 'metadata')
    // Of a body too large to be parsed only the number of predictions was read. They are pictures, the filtered ones among them, unless
    // characters are billed: then they are embeddings.
    const arePictures = metadata?.billableCharacterCount === undefined
    const pictures = predictions.filter((prediction) => (prediction === null ? arePictures : isPicture(prediction))).length
    const told: Record<string, unknown> = {}
    const tokens = predictions.map((prediction) => statisticsOf(prediction)?.token_count).filter((value) => value !== undefined)
    if (tokens.length > 0) told.tokenCounts = tokens
    if (pictures > 0) told.images = pictures
    for (const key of ['billableCharacterCount', 'tokenMetadata'] as const)
      if (metadata?.[key] !== undefined) told[key] = metadata[key]
    if (Object.keys(told).length > 0) seen.raw('predictions', told)
    for (const prediction of predictions) seen.delivered(textAt(prediction, 'content')?.length ?? 0)
    if (pictures > 0) seen.content = true
  }

  return {
    event: () => {
      seen.events++
    },
    body: (value) => {
      for (const each of Array.isArray(value) ? value : [value]) body(each)
    },
  }
}

const totalOf = (metadata: JsonObject | null, key: string, notes: Notes): Tokens =>
  count(objectAt(metadata, key)?.totalTokens, notes)

/** Usage of Vertex' `predict`, as `predictReader` left it. */
export const predictUsage = (raw: readonly Raw[]): Usage => {
  const notes: Notes = new Set()
  const told = objectsOf(raw, notes).get('predictions')
  const embedded = listAt(told, 'tokenCounts')
  const metadata = objectAt(told, 'tokenMetadata')
  const extra: Record<string, number> = {}
  counted(extra, 'images', told?.images)
  counted(extra, 'characters', told?.billableCharacterCount)
  const embeds = embedded.length > 0
  return wireUsage(
    {
      inputTokens: embeds ? sumOf(...embedded.map((value) => count(value, notes))) : totalOf(metadata, 'inputTokenCount', notes),
      outputTokens: embeds ? 0 : totalOf(metadata, 'outputTokenCount', notes),
      extra,
    },
    notes,
  )
}
