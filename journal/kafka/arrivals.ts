import type { PlacedMessage } from './port.js'

/** One answer of a broker: everything that lies from `from` up to `next`, whose offsets need not all be used. */
export interface Arrival {
  readonly from: number
  readonly next: number
  readonly messages: readonly PlacedMessage[]
}

interface Kept {
  readonly messages: PlacedMessage[]
  /** Everything from here... */
  start: number
  /** ...up to here has come. */
  next: number
}

const sizeOf = ({ value }: PlacedMessage): number => value.length + 256

/** What has come of a topic and is not committed, by partition, in order and without a hole. Counts what it holds in memory. */
export class Arrivals {
  readonly #kept = new Map<number, Kept>()
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  clear(): void {
    this.#kept.clear()
    this.#bytes = 0
  }

  /** Where the next message of a partition has to come from; `null` = anywhere, nothing has come yet. */
  next(partition: number): number | null {
    return this.#kept.get(partition)?.next ?? null
  }

  /**
   * Messages that are here already are passed over.
   *
   * @returns False, and nothing is taken, when something is missing between what is here and it.
   */
  add(partition: number, { from, next, messages }: Arrival): boolean {
    let kept = this.#kept.get(partition)
    if (kept === undefined) this.#kept.set(partition, (kept = { messages: [], start: from, next: from }))
    if (from > kept.next) return false
    for (const message of messages) {
      if (message.offset < kept.next) continue
      kept.messages.push(message)
      this.#bytes += sizeOf(message)
    }
    kept.next = Math.max(kept.next, next)
    return true
  }

  /** Nothing will come between what is here and `offset`. */
  skipTo(partition: number, offset: number): void {
    const kept = this.#kept.get(partition)
    if (kept !== undefined) kept.next = Math.max(kept.next, offset)
  }

  /** Is `from` before what came? Then it has to be asked for anew. */
  isBehind(partition: number, from: number): boolean {
    const kept = this.#kept.get(partition)
    return kept !== undefined && from < kept.start
  }

  /** What comes next begins at `from`. */
  restart(partition: number, from: number): void {
    this.#drop(partition, Number.POSITIVE_INFINITY)
    this.#kept.set(partition, { messages: [], start: from, next: from })
  }

  read(partition: number, from: number, max: number, maxBytes: number): PlacedMessage[] {
    const found: PlacedMessage[] = []
    let bytes = 0
    for (const message of this.#kept.get(partition)?.messages ?? []) {
      if (message.offset < from) continue
      bytes += message.value.length
      if (found.length === max || (found.length > 0 && bytes > maxBytes)) break
      found.push(message)
    }
    return found
  }

  /** Forgets what lies before `offset`. */
  passed(partition: number, offset: number): void {
    this.#drop(partition, offset)
    const kept = this.#kept.get(partition)
    if (kept === undefined) return
    kept.start = Math.max(kept.start, offset)
    kept.next = Math.max(kept.next, offset)
  }

  #drop(partition: number, before: number): void {
    const messages = this.#kept.get(partition)?.messages ?? []
    let n = 0
    while (n < messages.length && (messages[n] as PlacedMessage).offset < before) {
      this.#bytes -= sizeOf(messages[n] as PlacedMessage)
      n++
    }
    messages.splice(0, n)
  }
}
