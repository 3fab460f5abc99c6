/** A member of a `SlotSet`; `slot` is the set's business. */
export interface Slotted {
  slot: number
}

/**
 * A set for members that come and go thousands of times a second. A `Set` of V8's would be rehashed again and again, and every table left
 * behind points to its successor: once one of them is in the old generation, all that was ever in flight is kept until the next major
 * collection. Measured in the proxy: 19 % of its time went into that.
 */
export class SlotSet<T extends Slotted> {
  readonly #members: T[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: T): void {
    member.slot = this.#members.length
    this.#members.push(member)
  }

  /** Does nothing when `member` is not in the set. */
  delete(member: T): void {
    const { slot } = member
    if (this.#members[slot] !== member) return
    const last = this.#members.pop() as T
    if (last !== member) {
      this.#members[slot] = last
      last.slot = slot
    }
    member.slot = -1
  }

  /** Members at the time of the call; they may leave while the copy is read. */
  all(): readonly T[] {
    return this.#members.slice()
  }
}
