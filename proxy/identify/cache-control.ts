/** What a `Cache-Control` asks for (RFC 9111 §5.2.1), as far as it means anything here. */
export interface Directives {
  readonly noCache: boolean
  readonly noStore: boolean
  /** Seconds; `s-maxage` goes before `max-age`; `null` = neither is there. */
  readonly maxAge: number | null
}

const parts = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g
const directive = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]*)))?\s*$/

/**
 * Reads the directives that are known; others pass. Of one that stands twice the first counts.
 *
 * @returns `null` when it is no list of directives, or an age is not a number of seconds.
 */
export const readDirectives = (text: string): Directives | null => {
  const found = new Map<string, string>()
  for (const [part] of text.matchAll(parts)) {
    if (part.trim() === '') continue
    const [, name, quoted, bare] = directive.exec(part) ?? []
    if (name === undefined) return null
    const lower = name.toLowerCase()
    if (!found.has(lower)) found.set(lower, (quoted ?? bare ?? '').trim())
  }
  const ages = ['s-maxage', 'max-age'].map((name) => found.get(name))
  if (ages.some((age) => age !== undefined && !/^\d+$/.test(age))) return null
  const age = ages[0] ?? ages[1]
  return { noCache: found.has('no-cache'), noStore: found.has('no-store'), maxAge: age === undefined ? null : Number(age) }
}
