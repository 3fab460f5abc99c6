import type { PlacedMessage } from './port.js'

interface Kept {
  readonly messages: PlacedMessage[]
  /** Everything from here on that came is in `messages`; `null` = nothing has come since the assignment. */
  start: number | null
}

const sizeOf = ({ value }: PlacedMessage): number => value.length + 256

/** What has come of a topic and is not committed, by partition, in order. Counts what it holds in memory. */
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

  #of(partition: number): Kept {
    let kept = this.#kept.get(partition)
    if (kept === undefined) this.#kept.set(partition, (kept = { messages: [], start: null }))
    return kept
  }

  /** Messages that lie behind what is here already; others are passed over. */
  add(partition: number, messages: readonly PlacedMessage[]): void {
    const kept = this.#of(partition)
    let last = kept.messages.at(-1)?.offset ?? -1
    for (const message of messages) {
      if (message.offset <= last || (kept.start !== null && message.offset < kept.start)) continue
      kept.start ??= message.offset
      kept.messages.push(message)
      this.#bytes += sizeOf(message)
      last = message.offset
    }
  }

  /** Is `from` before what came? Then it has to be asked for anew. */
  isBehind(partition: number, from: number): boolean {
    const { start } = this.#of(partition)
    return start !== null && from < start
  }

  /** What comes next begins at `from`. */
  restart(partition: number, from: number): void {
    this.#drop(partition, Number.POSITIVE_INFINITY)
    this.#of(partition).start = from
  }

  read(partition: number, from: number, max: number, maxBytes: number): PlacedMessage[] {
    const found: PlacedMessage[] = []
    let bytes = 0
    for (const message of this.#of(partition).messages) {
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
    const kept = this.#of(partition)
    if (kept.start !== null && kept.start < offset) kept.start = offset
  }

  #drop(partition: number, before: number): void {
    const { messages } = this.#of(partition)
    let n = 0
    while (n < messages.length && (messages[n] as PlacedMessage).offset < before) {
      this.#bytes -= sizeOf(messages[n] as PlacedMessage)
      n++
    }
    messages.splice(0, n)
  }
}
