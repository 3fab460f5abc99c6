import { WeirError } from '../../core/errors.js'
import type { RequestHeader } from '../../core/request-headers.js'

/** One of our headers, after the dialects and what weir.yaml holds were brought together. */
export interface OwnValue {
  readonly value: string
  readonly dialect: 'weir' | 'helicone'
  readonly header: RequestHeader
  /** As it was sent, for messages. */
  readonly name: string
  /** Who says so: the request, the set of headers it named, or `defaults` of weir.yaml. */
  readonly from: 'header' | 'config' | 'default'
}

const ascii = /^[\x20-\x7e]*$/
// eslint-disable-next-line no-control-regex
const control = /[\x00-\x1f\x7f-\x9f]/
const utf8 = new TextDecoder('utf-8', { fatal: true })

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09

/** Blanks and tabs alone: `trim` would also take U+00A0, which is the last byte of an `à` in UTF-8. */
export const trimmed = (value: string): string =>
  isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1)) ? value.replace(/^[ \t]+|[ \t]+$/g, '') : value

/** Header text as people meant it (headers.md §1.7): UTF-8, else ISO-8859-1; `UTF-8''` begins an RFC 8187 value. `null` = bad. */
export const headerText = (value: string): string | null => {
  let text = trimmed(value)
  const isAscii = ascii.test(text)
  if (isAscii && !text.startsWith("UTF-8''")) return text
  if (!isAscii) {
    try {
      text = utf8.decode(Buffer.from(text, 'latin1'))
    } catch {
      // ISO-8859-1 it is: `text` already holds it.
    }
  } else {
    try {
      text = trimmed(decodeURIComponent(text.slice(7)))
    } catch {
      return null
    }
  }
  return control.test(text) ? null : text
}

/** Of a header that does not exist, more than this of its name helps nobody. */
const longestNamed = 96

/** A warning about a header, as it stands in `Weir-Warning` and on the row. */
export const warningOf = (kind: string, name: string): string =>
  `${kind};h="${name
    .slice(0, longestNamed)
    .toLowerCase()
    .replaceAll(/[^!-~]|["\\]/g, '')}"`

/** The most an operator lets callers ask for (headers.md §1.9). */
export interface Ceilings {
  readonly timeouts: { readonly connect: number; readonly ttft: number; readonly idle: number; readonly total: number }
}

const none = Number.POSITIVE_INFINITY
const noCeilings: Ceilings = { timeouts: { connect: none, ttft: none, idle: none, total: none } }

const noValues: readonly OwnValue[] = []

/** What our headers hold, by name in lower case without prefix. A bad value is a 400 or a warning, by its dialect (headers.md §1.3). */
export class OwnValues {
  readonly #values: ReadonlyMap<string, OwnValue>
  readonly #warnings: string[]
  readonly #strict: boolean
  #faulty: readonly OwnValue[] = noValues
  readonly ceilings: Ceilings

  constructor(
    values: ReadonlyMap<string, OwnValue>,
    warnings: string[],
    { strictHelicone, ceilings = noCeilings }: { readonly strictHelicone: boolean; readonly ceilings?: Ceilings },
  ) {
    this.#values = values
    this.#warnings = warnings
    this.#strict = strictHelicone
    this.ceilings = ceilings
  }

  get(rest: string): OwnValue | undefined {
    return this.#values.get(rest)
  }

  /** A caller is warned of what it sent, not of what weir.yaml holds. */
  warn(kind: string, { name, from }: OwnValue): void {
    if (from === 'header') this.#warnings.push(warningOf(kind, name))
  }

  /** Warns of a header that is not ours. */
  warnOf(kind: string, name: string): void {
    this.#warnings.push(warningOf(kind, name))
  }

  /** Is a fault in this header a warning? */
  forgives({ dialect }: OwnValue): boolean {
    return dialect === 'helicone' && !this.#strict
  }

  /**
   * @param detail What was wrong where, if that can be said; the accepted grammar follows.
   * @throws WeirError `bad_header`, unless the dialect forgives.
   */
  bad(found: OwnValue, detail = ''): void {
    const { name, header } = found
    if (!this.forgives(found))
      throw new WeirError('bad_header', `${name}: ${detail === '' ? '' : `${detail} `}accepted is ${header.grammar}.`, {
        param: name,
      })
    this.#faulty = [...this.#faulty, found]
    this.warn('bad-value', found)
  }

  /** Was it found bad, and forgiven? */
  isFaulty(found: OwnValue): boolean {
    return this.#faulty.includes(found)
  }

  /** @returns `null` when it is absent, empty, or bad and forgiven. */
  text(rest: string, limit: number): string | null {
    const found = this.#values.get(rest)
    if (found === undefined) return null
    const read = headerText(found.value)
    if (read === null || Buffer.byteLength(read) > limit) {
      this.bad(found)
      return null
    }
    return read === '' ? null : read
  }

  flag(rest: string): boolean {
    return this.flagOr(rest, false) === true
  }

  /** @param absent What stands for a header that is not there. */
  flagOr<T>(rest: string, absent: T): boolean | T {
    const found = this.#values.get(rest)
    if (found === undefined) return absent
    const word = found.value.trim().toLowerCase()
    if (word !== 'true' && word !== 'false') {
      this.bad(found)
      return absent
    }
    return word === 'true'
  }
}
