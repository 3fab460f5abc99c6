const lf = 10
const cr = 13

/** More than this of one event is not waited for: it goes out as it came. */
const mostKeptBytes = 16 * 1024 * 1024

/** Finds where the last event of a chunk ends: an offset into the chunk, 0 = nowhere in it. Told every chunk, in order. */
type LastEnd = (chunk: Buffer) => number

/** Events of SSE end with an empty line; a line ends with LF, CR LF or CR. */
const endOfSse = (): LastEnd => {
  // Of what came before: an empty line can lie across chunks.
  let tail: Buffer = Buffer.alloc(0)
  return (chunk) => {
    const before = tail
    const at = (i: number): number | undefined => (i >= 0 ? chunk[i] : before[before.length + i])
    const ends = (end: number): boolean => {
      if (at(end - 1) === cr) return at(end - 2) === cr && at(end) !== lf
      const lineStart = at(end - 2) === cr ? end - 2 : end - 1
      return at(lineStart - 1) === lf || at(lineStart - 1) === cr
    }
    const hasCr = chunk.includes(cr)
    let end = 0
    for (let i = chunk.length - 1; i >= 0; i--) {
      i = Math.max(chunk.lastIndexOf(lf, i), hasCr ? chunk.lastIndexOf(cr, i) : -1)
      if (i < 0) break
      if (ends(i + 1)) {
        end = i + 1
        break
      }
    }
    tail = chunk.length >= 3 ? chunk.subarray(-3) : Buffer.concat([before, chunk]).subarray(-3)
    return end
  }
}

const endOfLines = (): LastEnd => (chunk) => chunk.lastIndexOf(lf) + 1

const leastFrame = 16
const mostFrame = 2 ** 25

/** Frames of an AWS event stream begin with their length. */
const endOfFrames = (): LastEnd => {
  let prelude: Buffer = Buffer.alloc(0)
  let left = 0
  let broken = false
  return (chunk) => {
    let end = 0
    for (let at = 0; at < chunk.length && !broken;) {
      if (left === 0) {
        const more = chunk.subarray(at, at + 4 - prelude.length)
        at += more.length
        prelude = Buffer.concat([prelude, more])
        if (prelude.length < 4) break
        const length = prelude.readUInt32BE(0)
        prelude = Buffer.alloc(0)
        broken = length < leastFrame || length > mostFrame
        left = length - 4
      } else {
        const step = Math.min(left, chunk.length - at)
        at += step
        left -= step
        if (left === 0) end = at
      }
    }
    return broken ? chunk.length : end
  }
}

const nothing = Buffer.alloc(0)

/** Lets bytes go out event by event: the same ones in the same order, each piece ending where an event ends. */
export class WholeEvents {
  #kept: Buffer[] = []
  #keptBytes = 0
  readonly #lastEnd: LastEnd

  constructor(lastEnd: LastEnd) {
    this.#lastEnd = lastEnd
  }

  /** @returns What may go out now; empty = nothing. */
  push(chunk: Buffer): Buffer {
    const end = this.#lastEnd(chunk)
    if (end === 0 && this.#keptBytes + chunk.length <= mostKeptBytes) {
      this.#kept.push(chunk)
      this.#keptBytes += chunk.length
      return nothing
    }
    const cut = end === 0 ? chunk.length : end
    const out = this.#kept.length === 0 ? chunk.subarray(0, cut) : Buffer.concat([...this.#kept, chunk.subarray(0, cut)])
    this.#kept = cut < chunk.length ? [chunk.subarray(cut)] : []
    this.#keptBytes = chunk.length - cut
    return out
  }

  /** @returns What is left when nothing more comes. */
  end(): Buffer {
    const rest = Buffer.concat(this.#kept)
    this.#kept = []
    this.#keptBytes = 0
    return rest
  }
}

/** @returns `null` for an answer that is no stream of events, or one whose events cannot be seen. */
export const wholeEventsOf = (contentType: string | null, contentEncoding: string | null): WholeEvents | null => {
  if (contentEncoding !== null || contentType === null) return null
  const [type = ''] = contentType.toLowerCase().split(';')
  switch (type.trim()) {
    case 'text/event-stream':
      return new WholeEvents(endOfSse())
    case 'application/x-ndjson':
    case 'application/jsonl':
    case 'application/x-jsonlines':
    case 'application/stream+json':
      return new WholeEvents(endOfLines())
    case 'application/vnd.amazon.eventstream':
      return new WholeEvents(endOfFrames())
    default:
      return null
  }
}
