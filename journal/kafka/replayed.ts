import type { GroupOffset } from './port.js'

/** The group that remembers which dead letters were sent again. */
export const replayGroup = 'weir.replay-dlq'

/** Brokers take 4,096 bytes beside an offset. */
const mostBytes = 4000

/** Which offsets of a partition are done: everything before one, and some ranges behind it. */
export interface Replayed {
  has(offset: number): boolean
  add(offset: number): void
  /** Of those from `low` to before `high`, how many are not done? */
  countLeft(low: number, high: number): number
  /**
   * As a group keeps it.
   *
   * @param low Nothing lies before it any more.
   */
  position(low: number): GroupOffset
}

/** `3+2,10`: 3 to 5 and 10, each counted from the end of the one before, in base 36. */
const rangesIn = (text: string, from: number): (readonly [number, number])[] => {
  const ranges: (readonly [number, number])[] = []
  let at = from
  for (const part of text === '' ? [] : text.split(',')) {
    const [gap, more = '0'] = part.split('+')
    const [skipped, length] = [Number.parseInt(gap ?? '', 36), Number.parseInt(more, 36)]
    if (!Number.isSafeInteger(skipped) || !Number.isSafeInteger(length)) return []
    const first = at + skipped
    ranges.push([first, first + length])
    at = first + length + 1
  }
  return ranges
}

/** Ranges that do not fit are left out, the newest first: their letters would be sent again, in doubt, and stored once all the same. */
const textOf = (ranges: readonly (readonly [number, number])[], from: number): string => {
  let text = ''
  let at = from
  for (const [first, last] of ranges) {
    const part = `${(first - at).toString(36)}${last === first ? '' : `+${(last - first).toString(36)}`}`
    if (text.length + part.length + 1 > mostBytes) break
    text += `${text === '' ? '' : ','}${part}`
    at = last + 1
  }
  return text
}

/** @param position Where `replayGroup` stands; none = nothing was sent again. */
export const replayedOf = (position: GroupOffset | undefined): Replayed => {
  const start = Math.max(0, position?.offset ?? 0)
  const done = new Set<number>()
  for (const [first, last] of rangesIn(position?.metadata ?? '', start)) for (let at = first; at <= last; at++) done.add(at)
  const has = (offset: number): boolean => offset < start || done.has(offset)
  return {
    has,
    add: (offset) => void done.add(offset),
    countLeft(low, high) {
      const from = Math.max(low, start)
      let left = Math.max(0, high - from)
      for (const at of done) if (at >= from && at < high) left--
      return left
    },
    position(low) {
      let offset = Math.max(start, low)
      while (done.has(offset)) offset++
      const ranges: [number, number][] = []
      for (const at of [...done].filter((one) => one > offset).sort((a, b) => a - b)) {
        const last = ranges.at(-1)
        if (last !== undefined && last[1] === at - 1) last[1] = at
        else ranges.push([at, at])
      }
      return { offset, metadata: textOf(ranges, offset) }
    },
  }
}
