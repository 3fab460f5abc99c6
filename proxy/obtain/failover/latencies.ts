/** How fast an old measurement is forgotten. */
const decayMs = 30_000
const mostKnown = 10_000

interface Known {
  ms: number
  at: number
}

/**
 * Peak-sensitive moving averages of the time to the first content, by circuit: a slow answer counts at once, a fast one bit by bit. Who is
 * not asked is forgotten bit by bit, and so is asked again. Of this process; the 10,000 asked last.
 *
 * @param now Milliseconds of a clock that only goes forward.
 */
export class Latencies {
  readonly #known = new Map<string, Known>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Milliseconds; `null` = never measured. */
  of(circuit: string): number | null {
    const known = this.#known.get(circuit)
    return known === undefined ? null : known.ms * Math.exp((known.at - this.#now()) / decayMs)
  }

  took(circuit: string, ms: number): void {
    const at = this.#now()
    const before = this.#known.get(circuit)
    this.#known.delete(circuit)
    const weight = before === undefined ? 0 : Math.exp((before.at - at) / decayMs)
    this.#known.set(circuit, { ms: before === undefined || ms > before.ms ? ms : before.ms * weight + ms * (1 - weight), at })
    const [oldest] = this.#known.keys()
    if (this.#known.size > mostKnown && oldest !== undefined) this.#known.delete(oldest)
  }
}
