/**
 * A map by text for entries that come and go thousands of times a second: an object in dictionary mode, for the reason told at `SlotSet`.
 * Iteration is in no order that means anything.
 */
export class ChurnMap<V> {
  readonly #entries = Object.create(null) as Record<string, V>
  #size = 0

  constructor(entries: Iterable<readonly [string, V]> = []) {
    for (const [key, value] of entries) this.set(key, value)
  }

  get size(): number {
    return this.#size
  }

  has(key: string): boolean {
    return key in this.#entries
  }

  set(key: string, value: V): void {
    if (!(key in this.#entries)) this.#size++
    this.#entries[key] = value
  }

  /** @returns Whether there was one. */
  delete(key: string): boolean {
    if (!(key in this.#entries)) return false
    delete this.#entries[key]
    this.#size--
    return true
  }

  *[Symbol.iterator](): Iterator<readonly [string, V]> {
    for (const key in this.#entries) yield [key, this.#entries[key] as V]
  }
}
