/** What is open at some place of a JSON text. */
interface Place {
  readonly at: number
  /** Closing brackets, the innermost last. */
  readonly open: string
}

const closersOf = (open: string): string => [...open].reverse().join('')
const partOfEscape = /\\(?:u[0-9a-fA-F]{0,3})?$/

/** Whether the text ends inside of an escape. Two backslashes are one that is meant. */
const endsInEscape = (text: string): number => {
  const found = partOfEscape.exec(text)
  if (found === null) return 0
  let slashes = 1
  while (text[found.index - slashes] === '\\') slashes++
  return slashes % 2 === 1 ? found[0].length : 0
}

/**
 * Closes a JSON text that was cut off: what came of it is kept, a text as far as it came, but no key without its value, and no number
 * or word whose end is not seen.
 *
 * @returns `null` for a text that was not cut off: one that is whole, or that no closing could make whole.
 */
export const closedJson = (text: string): string | null => {
  if (!/^\s*[{[]/.test(text)) return null
  let open = ''
  /** Behind the last value that is whole, or the bracket that began something. */
  let whole: Place = { at: 0, open: '' }
  let inString = false
  let stringAt = 0
  /** A string here is a key. */
  let isKey = false
  let escaped = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string
    if (inString) {
      if (escaped) escaped = false
      else if (char === '\\') escaped = true
      else if (char === '"') {
        inString = false
        if (!isKey) whole = { at: at + 1, open }
      }
      continue
    }
    switch (char) {
      case '"':
        inString = true
        stringAt = at
        break
      case '{':
      case '[':
        open += char === '{' ? '}' : ']'
        isKey = char === '{'
        whole = { at: at + 1, open }
        break
      case '}':
      case ']':
        if (!open.endsWith(char)) return null
        open = open.slice(0, -1)
        if (open === '') return null
        whole = { at: at + 1, open }
        break
      case ',':
        whole = { at, open }
        isKey = open.endsWith('}')
        break
      case ':':
        isKey = false
    }
  }
  if (open === '') return null
  if (!inString || isKey) return text.slice(0, whole.at) + closersOf(whole.open)
  const came = text.slice(0, text.length - endsInEscape(text.slice(stringAt + 1)))
  return `${came}"${closersOf(open)}`
}
