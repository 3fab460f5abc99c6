const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const colon = 0x3a
const comma = 0x2c
const firstOfNull = 0x6e

const keys = ['choices', 'usage', 'error'].map((key) => Buffer.from(key))
const choices = 1
const usage = 2
const error = 4
const all = choices | usage | error

/**
 * Follows the JSON of an event byte by byte, as far as is needed to see early that it cannot be an object with `choices: []`, a `usage`
 * that is not null, and no error. It rules out and never confirms: what it lets pass is parsed when it is whole. Where a key is
 * repeated, its first value rules out.
 */
export class UsageEventScan {
  #depth = 0
  #closed = false
  #inString = false
  #escaped = false
  /** At the top level: the string that comes, or has just come, is a key. */
  #isKey = false
  #keyLength = 0
  /** Which keys the string can still be, as bits. */
  #mayBe = 0
  /** The next byte that is no space begins the value of that key. */
  #valueDue = false
  /** `[` of `choices` has come: only `]` may follow. */
  #emptyDue = false

  /** @returns False once it cannot be that event, whatever follows. */
  feed(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false
      else if (byte === backslash) this.#escaped = true
      else if (byte === quote) {
        this.#inString = false
        return true
      }
      if (this.#mayBe !== 0) this.#narrow(byte)
      return true
    }
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return true
    if (this.#depth === 0) {
      if (byte !== openBrace || this.#closed) return false
      this.#depth = 1
      this.#isKey = true
      return true
    }
    if (this.#emptyDue) {
      this.#emptyDue = false
      if (byte !== closeBracket) return false
    } else if (this.#valueDue) {
      this.#valueDue = false
      const key = this.#keyRead()
      if (key === choices) {
        if (byte !== openBracket) return false
        this.#emptyDue = true
      } else if (key === usage) {
        if (byte === firstOfNull) return false
      } else if (key === error && byte !== firstOfNull) return false
    }
    switch (byte) {
      case quote:
        this.#inString = true
        this.#keyLength = 0
        this.#mayBe = this.#isKey ? all : 0
        break
      case openBrace:
      case openBracket:
        this.#depth++
        this.#isKey = false
        break
      case closeBrace:
      case closeBracket:
        this.#depth--
        this.#closed = this.#depth === 0
        break
      case colon:
        if (this.#depth === 1 && this.#isKey) {
          this.#isKey = false
          this.#valueDue = true
        }
        break
      case comma:
        if (this.#depth === 1) this.#isKey = true
        break
    }
    return true
  }

  #narrow(byte: number): void {
    const at = this.#keyLength++
    for (let i = 0; i < keys.length; i++) if (keys[i]?.[at] !== byte) this.#mayBe &= ~(1 << i)
  }

  /** The key that was read, as its bit; 0 = none of ours. */
  #keyRead(): number {
    for (let i = 0; i < keys.length; i++) if ((this.#mayBe & (1 << i)) !== 0 && keys[i]?.length === this.#keyLength) return 1 << i
    return 0
  }
}
