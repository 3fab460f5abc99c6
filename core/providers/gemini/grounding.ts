import { isObject, listAt, objectAt, type JsonObject } from '../json-text.js'

const queriesIn = (metadata: JsonObject, ...keys: readonly string[]): number => {
  let queries = 0
  for (const key of keys) for (const query of listAt(metadata, key)) if (typeof query === 'string' && query !== '') queries++
  return queries
}

const holds = (chunks: readonly unknown[], kind: string): boolean => chunks.some((chunk) => objectAt(chunk, kind) !== null)

/**
 * Counts what Google's own tools did for an answer. Each chunk of a stream may repeat the lists, longer than before: the newest list of
 * each candidate counts, and nothing is added over chunks.
 */
export class Grounding {
  readonly #newest = new Map<number, Record<string, number>>()

  /** @returns All counts so far, by their source's keys; `null` = this candidate tells nothing new. */
  take(candidate: unknown, at: number): Readonly<Record<string, number>> | null {
    const metadata = objectAt(candidate, 'groundingMetadata')
    const pages = listAt(objectAt(candidate, 'urlContextMetadata'), 'urlMetadata')
    if (metadata === null && pages.length === 0) return null
    const index = isObject(candidate) && typeof candidate.index === 'number' ? candidate.index : at
    const counts = this.#newest.get(index) ?? {}
    this.#newest.set(index, counts)
    if (metadata !== null) {
      const chunks = listAt(metadata, 'groundingChunks')
      const keep = (name: string, queries: number, once: boolean): void => {
        if (queries > 0) counts[name] = queries
        else if (once) counts[name] ??= 1
      }
      // Pages that were read by their address are chunks as well (gemini-tool-use-prompt-stream): no search, unless its chips are shown.
      const searched = holds(chunks, 'web') && objectAt(metadata, 'searchEntryPoint') !== null
      keep('webSearchQueries', queriesIn(metadata, 'webSearchQueries', 'imageSearchQueries'), searched)
      keep('retrievals', queriesIn(metadata, 'retrievalQueries'), holds(chunks, 'retrievedContext'))
      keep('maps', 0, holds(chunks, 'maps'))
    }
    if (pages.length > 0) counts.pages = pages.length
    const sum: Record<string, number> = {}
    for (const found of this.#newest.values())
      for (const [name, times] of Object.entries(found)) sum[name] = (sum[name] ?? 0) + times
    return sum
  }
}
