/** What may still be counted of one call: characters (UTF-16 units), and steps of merging, which grow with the square of a run. */
export interface Budget {
  chars: number
  steps: number
}

/** 1 MiB of text, and about a third of a second of merging: what is beyond is told by ratio (cost.md §4). */
export const callBudget = (): Budget => ({ chars: 1024 * 1024, steps: 512 * 1024 * 1024 })

/** The part of a text that is counted, cut where a run had no boundary. */
export interface Countable {
  readonly pieces: readonly string[]
  /** How much of the text lies in `pieces`. */
  readonly chars: number
}

/** A tokenizer merges the bytes of a run pair by pair: its time grows with the square of the run. 40,000 `a` take it a second. */
const longestRun = 2000

const space = 1
const letter = 2
const digit = 3
const other = 4
/** Marks and halves of pairs belong to whatever they stand beside. */
const either = 5
const classes = new Uint8Array(65_536)

const classify = (code: number): number => {
  if (code >= 0xd800 && code <= 0xdfff) return either
  const char = String.fromCharCode(code)
  if (/\s/.test(char)) return space
  if (/\p{L}/u.test(char)) return letter
  if (/\p{N}/u.test(char)) return digit
  return /\p{M}/u.test(char) ? either : other
}

const classOf = (code: number): number => (classes[code] ||= classify(code))
/** In UTF-8; half a pair is two bytes of four. */
const bytesOf = (code: number): number => (code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 2 : 3)
const isHigh = (code: number): boolean => code >= 0xd800 && code <= 0xdbff
const isLow = (code: number): boolean => code >= 0xdc00 && code <= 0xdfff

/**
 * Takes as much of a text as the budget allows. A run of one kind (letters, digits, spaces, others) is cut every 2,000 characters,
 * never inside a surrogate pair. Depends on the text and the budget alone, never on a clock: the same text gives the same pieces.
 */
export const countable = (text: string, budget: Budget): Countable => {
  const pieces: string[] = []
  const most = Math.min(text.length, budget.chars)
  let pieceAt = 0
  let runAt = 0
  let runBytes = 0
  let kind = either
  let at = 0
  for (; at < most; at++) {
    const code = text.charCodeAt(at)
    const found = classOf(code)
    const ends = found !== kind && found !== either && kind !== either
    const isCut = !ends && at - runAt >= longestRun && !(isLow(code) && isHigh(text.charCodeAt(at - 1)))
    if (ends || isCut) {
      budget.steps -= runBytes * runBytes
      if (isCut) {
        pieces.push(text.slice(pieceAt, at))
        pieceAt = at
      }
      runAt = at
      runBytes = 0
      kind = found
      if (budget.steps <= 0) break
    } else if (kind === either) kind = found
    runBytes += bytesOf(code)
  }
  if (at < text.length && at > pieceAt && isLow(text.charCodeAt(at)) && isHigh(text.charCodeAt(at - 1))) at--
  budget.steps -= runBytes * runBytes
  budget.chars -= at
  if (at > pieceAt) pieces.push(text.slice(pieceAt, at))
  return { pieces, chars: at }
}
