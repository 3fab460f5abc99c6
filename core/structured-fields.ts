/** A value of a structured field (RFC 9651 §3.3). `date` is in seconds since the epoch; `display` is a string beyond ASCII. */
export type Bare =
  | { readonly type: 'integer' | 'decimal' | 'date'; readonly value: number }
  | { readonly type: 'string' | 'token' | 'display'; readonly value: string }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'bytes'; readonly value: Uint8Array }

/** `at` counts characters of the field from 1: where the value begins. */
export type Item = Bare & { readonly params: ReadonlyMap<string, Bare & { readonly at: number }>; readonly at: number }

/** What is wrong with a field, as the end of a sentence. `at` counts characters from 1. */
export class StructuredFieldError extends Error {
  readonly at: number
  constructor(at: number, message: string) {
    super(message)
    this.name = 'StructuredFieldError'
    this.at = at
  }
}

const blanks = /[ \t]*/y
const spaces = / */y
const number = /-?\d+(?:\.\d*)?/y
const token = /[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*/y
const key = /[a-z*][a-z0-9_.*-]*/y
const base64 = /[A-Za-z0-9+/=]*/y
const wholeBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads on from one place; every step moves it or throws. */
class Reader {
  #at = 0
  readonly #text: string

  constructor(text: string) {
    this.#text = text
    this.#take(spaces)
  }

  get done(): boolean {
    return this.#at >= this.#text.length
  }

  /** Blanks may follow the field, and nothing else. */
  close(): void {
    this.#take(spaces)
    if (!this.done) this.#fail('nothing may follow here')
  }

  /** @returns False at the end; behind a comma there has to be something. */
  comma(): boolean {
    this.#take(blanks)
    if (this.done) return false
    if (!this.#skip(',')) this.#fail('a comma or the end is expected')
    this.#take(blanks)
    if (this.done) this.#fail('something has to follow the comma')
    return true
  }

  key(): string {
    const found = this.#take(key)
    if (found === '') this.#fail('a name of lower-case letters, digits, _ - . * is expected')
    return found
  }

  /** The value of a dictionary's member; without `=` it is true. */
  member(): Item {
    const at = this.#at + 1
    if (this.#skip('=')) return this.item()
    return { type: 'boolean', value: true, params: this.#params(), at }
  }

  item(): Item {
    const at = this.#at + 1
    if (this.#peek() === '(') this.#fail('an inner list is not taken')
    const bare = this.#bare()
    return { ...bare, params: this.#params(), at }
  }

  #params(): ReadonlyMap<string, Bare & { readonly at: number }> {
    let params = noParams
    while (this.#skip(';')) {
      this.#take(spaces)
      const at = this.#at + 1
      const name = this.key()
      const value: Bare = this.#skip('=') ? this.#bare() : { type: 'boolean', value: true }
      if (params === noParams) params = new Map()
      ;(params as Map<string, Bare & { readonly at: number }>).set(name, { ...value, at })
    }
    return params
  }

  #bare(): Bare {
    const first = this.#peek()
    if (first === '"') return { type: 'string', value: this.#string() }
    if (first === '?') return { type: 'boolean', value: this.#boolean() }
    if (first === ':') return { type: 'bytes', value: this.#bytes() }
    if (first === '@') return { type: 'date', value: this.#date() }
    if (first === '%') return { type: 'display', value: this.#display() }
    if (first === '-' || (first >= '0' && first <= '9')) return this.#number()
    const found = this.#take(token)
    if (found === '') this.#fail(this.done ? 'a value is missing' : 'a value cannot begin with this')
    return { type: 'token', value: found }
  }

  /** Integers have at most 15 digits, decimals 12 before the point and 1 to 3 behind it. */
  #number(): Bare {
    const at = this.#at
    const found = this.#take(number)
    if (found === '') this.#fail('a digit is expected', this.#peek() === '-' ? at + 1 : at)
    const [whole = '', fraction] = found.replace('-', '').split('.')
    if (whole.length > (fraction === undefined ? 15 : 12)) this.#fail('the number is too long', at)
    if (fraction === undefined) return { type: 'integer', value: Number(found) }
    if (fraction === '' || fraction.length > 3) this.#fail('a decimal has one to three digits behind the point', at)
    return { type: 'decimal', value: Number(found) }
  }

  #string(): string {
    const opened = this.#at
    let value = ''
    for (let i = opened + 1; i < this.#text.length; i++) {
      const char = this.#text[i] as string
      if (char === '"') {
        this.#at = i + 1
        return value
      }
      if (char === '\\') {
        const next = this.#text[++i]
        if (next !== '"' && next !== '\\') this.#fail('behind \\ only " or \\ may stand', i)
        value += next
      } else if (char < ' ' || char > '~') this.#fail('a quoted string holds printable ASCII alone', i)
      else value += char
    }
    this.#fail('the quoted string does not end', opened)
  }

  #boolean(): boolean {
    const digit = this.#text[this.#at + 1]
    if (digit !== '0' && digit !== '1') this.#fail('a boolean is ?0 or ?1')
    this.#at += 2
    return digit === '1'
  }

  #bytes(): Uint8Array {
    const opened = this.#at++
    const text = this.#take(base64)
    if (!this.#skip(':')) this.#fail('a byte sequence is base64 between colons', this.done ? opened : this.#at)
    if (!wholeBase64.test(text)) this.#fail('the byte sequence is not base64', opened)
    return Buffer.from(text, 'base64')
  }

  #date(): number {
    const at = this.#at++
    const found = this.#number()
    if (found.type !== 'integer') this.#fail('a date is a whole number of seconds', at)
    return found.value
  }

  #display(): string {
    const opened = this.#at
    if (this.#text[opened + 1] !== '"') this.#fail('a display string begins with %"')
    const bytes: number[] = []
    for (let i = opened + 2; i < this.#text.length; i++) {
      const char = this.#text[i] as string
      if (char < ' ' || char > '~') this.#fail('a display string holds printable ASCII alone', i)
      if (char === '"') {
        this.#at = i + 1
        try {
          return utf8.decode(Uint8Array.from(bytes))
        } catch {
          this.#fail('the display string is not UTF-8', opened)
        }
      }
      if (char === '%') {
        const hex = this.#text.slice(i + 1, i + 3)
        if (!/^[0-9a-f]{2}$/.test(hex)) this.#fail('behind % two lower-case hex digits are expected', i)
        bytes.push(Number.parseInt(hex, 16))
        i += 2
      } else bytes.push(char.charCodeAt(0))
    }
    this.#fail('the display string does not end', opened)
  }

  #peek(): string {
    return this.#text[this.#at] ?? ''
  }

  #skip(char: string): boolean {
    if (this.#text[this.#at] !== char) return false
    this.#at++
    return true
  }

  #take(form: RegExp): string {
    form.lastIndex = this.#at
    const found = form.exec(this.#text)?.[0] ?? ''
    this.#at += found.length
    return found
  }

  #fail(message: string, index = this.#at): never {
    throw new StructuredFieldError(index + 1, message)
  }
}

const noParams: ReadonlyMap<string, Bare & { readonly at: number }> = new Map()

/**
 * Reads a structured field that is one item (RFC 9651 §4.2, strictly: what is wrong anywhere is wrong as a whole).
 *
 * @throws StructuredFieldError, which tells where.
 */
export const parseItem = (text: string): Item => {
  const reader = new Reader(text)
  const item = reader.item()
  reader.close()
  return item
}

/**
 * Reads a structured field that is a list. An empty field is an empty list. Inner lists are refused: no field of ours has any.
 *
 * @throws StructuredFieldError
 */
export const parseList = (text: string): readonly Item[] => {
  const reader = new Reader(text)
  const items: Item[] = []
  if (reader.done) return items
  do items.push(reader.item())
  while (reader.comma())
  return items
}

/**
 * Reads a structured field that is a dictionary; a repeated name counts with its last value. Inner lists are refused.
 *
 * @returns In the order of their first mention.
 * @throws StructuredFieldError
 */
export const parseDictionary = (text: string): ReadonlyMap<string, Item> => {
  const reader = new Reader(text)
  const members = new Map<string, Item>()
  if (reader.done) return members
  do {
    const name = reader.key()
    members.set(name, reader.member())
  } while (reader.comma())
  return members
}
