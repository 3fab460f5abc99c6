import { isUtf8 } from 'node:buffer'
import { latin1, utf8 } from '../../../core/providers/json-text.js'
import type { KeyPath } from '../../identify/ignore-keys.js'

/** What is left out below a place of the body. */
interface Ignored {
  /** The member itself is left out. */
  readonly whole: boolean
  readonly below: ReadonlyMap<string, Ignored>
}

const nothing: Ignored = { whole: false, below: new Map() }

const ignoredBy = (paths: readonly KeyPath[]): Ignored => {
  if (paths.length === 0) return nothing
  const byName = new Map<string, KeyPath[]>()
  let whole = false
  for (const [name, ...rest] of paths) {
    if (name === undefined) whole = true
    else byName.set(name, [...(byName.get(name) ?? []), rest])
  }
  return { whole, below: new Map([...byName].map(([name, rests]) => [name, ignoredBy(rests)])) }
}

/** Deeper ones are taken by their bytes. */
const mostDepth = 200

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// eslint-disable-next-line no-control-regex
const space = /[\t\n\r ]*/y
// eslint-disable-next-line no-control-regex
const control = /[\x00-\x1f]/
// eslint-disable-next-line no-control-regex
const plainName = /^[\x20-\x5b\x5d-\x7e]*$/

class NotCanonical extends Error {}

/** A string token, its quotes included. */
interface Token {
  readonly text: string
  readonly plain: boolean
}

/** One pass over the text, in which every character stands for a byte. */
class Canonical {
  #at = 0
  #depth = 0
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  whole(ignored: Ignored): string {
    this.#skip()
    const value = this.#value(ignored)
    this.#skip()
    if (this.#at < this.#text.length) throw new NotCanonical()
    return value
  }

  #skip(): void {
    const code = this.#text.charCodeAt(this.#at)
    if (code > 0x20) return
    space.lastIndex = this.#at
    space.exec(this.#text)
    this.#at = space.lastIndex
  }

  #value(ignored: Ignored): string {
    switch (this.#text[this.#at]) {
      case '"':
        return canonicalString(this.#string())
      case '{':
        return this.#nested(() => this.#object(ignored))
      case '[':
        return this.#nested(() => this.#array(ignored))
      case 't':
        return this.#word('true')
      case 'f':
        return this.#word('false')
      case 'n':
        return this.#word('null')
      default:
        return this.#number()
    }
  }

  #nested(read: () => string): string {
    if (++this.#depth > mostDepth) throw new NotCanonical()
    const value = read()
    this.#depth--
    return value
  }

  #word(word: string): string {
    if (!this.#text.startsWith(word, this.#at)) throw new NotCanonical()
    this.#at += word.length
    return word
  }

  #number(): string {
    number.lastIndex = this.#at
    const found = number.exec(this.#text)
    if (found === null) throw new NotCanonical()
    this.#at = number.lastIndex
    return found[0]
  }

  #string(): Token {
    const from = this.#at
    let end = from
    let plain = true
    for (;;) {
      end = this.#text.indexOf('"', end + 1)
      if (end < 0) throw new NotCanonical()
      let slashes = 0
      while (this.#text.charCodeAt(end - 1 - slashes) === 0x5c) slashes++
      if (slashes === 0) break
      plain = false
      if (slashes % 2 === 0) break
    }
    this.#at = end + 1
    const text = this.#text.slice(from, this.#at)
    if (control.test(text)) throw new NotCanonical()
    return { text, plain: plain && !text.includes('\\') }
  }

  #object(ignored: Ignored): string {
    const members = new Map<string, string>()
    this.#at++
    this.#skip()
    if (this.#text[this.#at] === '}') {
      this.#at++
      return '{}'
    }
    for (;;) {
      if (this.#text[this.#at] !== '"') throw new NotCanonical()
      const token = this.#string()
      const name = nameOf(token)
      if (members.has(name)) throw new NotCanonical()
      this.#skip()
      this.#word(':')
      this.#skip()
      const inner = ignored.below.get(name) ?? nothing
      const value = this.#value(inner)
      members.set(name, inner.whole ? '' : `${canonicalString(token)}:${value}`)
      this.#skip()
      if (this.#text[this.#at] === '}') break
      this.#word(',')
      this.#skip()
    }
    this.#at++
    // By UTF-16 code units, as RFC 8785 says.
    const kept = [...members.keys()].sort().map((name) => members.get(name) as string)
    return `{${kept.filter((member) => member !== '').join(',')}}`
  }

  #array(ignored: Ignored): string {
    const inner = ignored.below.get('*') ?? nothing
    const elements: string[] = []
    this.#at++
    this.#skip()
    if (this.#text[this.#at] === ']') {
      this.#at++
      return '[]'
    }
    for (;;) {
      const value = this.#value(inner)
      if (!inner.whole) elements.push(value)
      this.#skip()
      if (this.#text[this.#at] === ']') break
      this.#word(',')
      this.#skip()
    }
    this.#at++
    return `[${elements.join(',')}]`
  }
}

/** The value, whatever the text around it escaped. */
const valueOf = (text: string): string => {
  try {
    return JSON.parse(utf8(Buffer.from(text, 'latin1'))) as string
  } catch {
    throw new NotCanonical()
  }
}

const nameOf = ({ text, plain }: Token): string => (plain && plainName.test(text) ? text.slice(1, -1) : valueOf(text))

/** A string without an escape is canonical already; others are written again, and become text of bytes again. */
const canonicalString = ({ text, plain }: Token): string =>
  plain ? text : Buffer.from(JSON.stringify(valueOf(text))).toString('latin1')

/**
 * Makes readers of bodies that write what means the same in one way: members sorted as in RFC 8785, strings by their value, numbers by
 * their text (1 and 1.0 differ: models may, too), nothing between tokens.
 *
 * @param ignoring What is left out of it.
 * @returns Text in which every character stands for a byte. `null` = no JSON in UTF-8, a name that stands twice in an object, or deeper
 *   than 200: only equal bytes mean the same then.
 */
export const canonicalBy = (ignoring: readonly KeyPath[]): ((body: Buffer) => string | null) => {
  const ignored = ignoredBy(ignoring)
  return (body) => {
    if (!isUtf8(body)) return null
    try {
      return new Canonical(latin1(body)).whole(ignored)
    } catch (cause) {
      if (cause instanceof NotCanonical) return null
      throw cause
    }
  }
}
