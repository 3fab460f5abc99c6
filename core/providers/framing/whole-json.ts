import { isObject, parsed, utf8 } from '../json-text.js'
import { closedJson } from './cut-json.js'
import { topLevelScanner } from './top-level.js'
import type { Splitter } from './sse.js'

/** What is asked of a body that is too large to be parsed. */
const wanted = [
  'id',
  'model',
  'object',
  'type',
  'status',
  'usage',
  'error',
  'service_tier',
  'stop_reason',
  'usageMetadata',
  'modelVersion',
  'responseId',
  'input_tokens',
  'meta',
  'usage_info',
  'provider_metadata',
  'providerMetadata',
  'incomplete_details',
  'x_groq',
  'duration',
  'inputTextTokenCount',
  'prompt_eval_count',
  'eval_count',
  'done',
  'done_reason',
  'finish_reason',
  'metadata',
]
/** Lists of pictures: how many there are is all that is asked. */
const lists = ['data', 'images', 'predictions']
const maxCounted = 1000

const valueOf = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/**
 * Reads one JSON body. Up to `parseBytes` it is held by reference and parsed whole; a longer one goes through a scanner for the wanted
 * top-level keys, in constant memory. One that ends before its brackets do is read as far as it came, with the note `unfinished`.
 */
export const wholeJson = (parseBytes: number, onBody: (value: unknown) => void, note: (note: string) => void): Splitter => {
  let pieces: Buffer[] = []
  let bytes = 0
  let scanner: ReturnType<typeof topLevelScanner> | null = null

  return {
    push: (chunk) => {
      bytes += chunk.length
      if (scanner !== null) scanner.push(chunk)
      else {
        pieces.push(chunk)
        if (bytes > parseBytes) {
          scanner = topLevelScanner(wanted, lists)
          for (const piece of pieces) scanner.push(piece)
          pieces = []
        }
      }
    },
    end: () => {
      if (bytes === 0) return
      if (scanner !== null) {
        if (scanner.depth() > 0) note('unfinished')
        const entries = [...scanner.values()].map(([key, text]) => [key, parsed(text)] as const)
        const counted = [...scanner.lengths()].map(
          ([key, length]) => [key, Array.from({ length: Math.min(length, maxCounted) }, () => null)] as const,
        )
        onBody(Object.fromEntries([...entries.filter(([, value]) => value !== undefined), ...counted]))
        return
      }
      const only = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
      pieces = []
      const decoded = utf8(only)
      const text = decoded.charCodeAt(0) === 0xfeff ? decoded.slice(1) : decoded
      let value = valueOf(text)
      if (value === undefined) {
        const closed = closedJson(text)
        value = closed === null ? undefined : valueOf(closed)
        if (value !== undefined) note('unfinished')
      }
      onBody(isObject(value) || Array.isArray(value) ? value : undefined)
    },
    atBoundary: () => false,
  }
}
