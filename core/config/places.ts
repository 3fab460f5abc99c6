import { readFileSync } from 'node:fs'
import { LineCounter, parseDocument, type Document } from 'yaml'

/**
 * Where something stands in a file, counted in characters; what is not there stands where it would.
 *
 * @param steps Keys and positions that lead to it.
 * @param lastKey A key there: its own place, not that of its value.
 */
export const offsetIn = (document: Document, steps: readonly PropertyKey[], lastKey?: string): number => {
  for (let n = steps.length; n >= 0; n--) {
    const node = n === 0 ? document.contents : document.getIn(steps.slice(0, n), true)
    if (node !== null && typeof node === 'object' && 'range' in node) {
      if (n === steps.length && lastKey !== undefined && 'items' in node) {
        const pair = (node.items as { key?: { value?: unknown; range?: [number, number, number] } }[]).find(
          (item) => item.key?.value === lastKey,
        )
        if (pair?.key?.range) return pair.key.range[0]
      }
      return (node.range as [number, number, number] | undefined)?.[0] ?? 0
    }
  }
  return 0
}

/** `path:line:column` of a key in a file that was read before; the path alone when it cannot be read any more. */
export const placeOfKey = (path: string, steps: readonly string[]): string => {
  try {
    const lines = new LineCounter()
    const document = parseDocument(readFileSync(path, 'utf8'), { lineCounter: lines, prettyErrors: false })
    const { line, col } = lines.linePos(offsetIn(document, steps.slice(0, -1), steps.at(-1)))
    return `${path}:${line}:${col}`
  } catch {
    return path
  }
}
