/**
 * How full a bucket was at a moment. Whole numbers all: `level` in millionths of the unit (negative = owed), `rest` in parts of one
 * millionth, as many as the window has milliseconds. So nothing is ever rounded, however often it is read and written.
 */
export interface Bucket {
  level: number
  rest: number
  /** Milliseconds since the epoch. */
  at: number
  /** The quota it filled up to then. */
  quotaMicro: number
}

/** What a bucket holds now. */
export interface Level {
  readonly level: number
  readonly rest: number
}

/** Splits a factor, so that no product passes 2^53: windows are under 2^35 ms, quotas under 2^50 millionths. */
const half = 262_144

/**
 * Adds what runs in during `ms`: quota x ms / window, exactly.
 *
 * @param ms 0 to below two windows.
 */
const grown = ({ level, rest }: Level, ms: number, quotaMicro: number, windowMs: number): Level => {
  const windows = ms >= windowMs ? 1 : 0
  const left = ms - windows * windowMs
  const small = quotaMicro % windowMs
  const low = left % half
  // left x small = (high x small) x half + low x small, each divided by the window on its own.
  const high = ((left - low) / half) * small
  const highRest = high % windowMs
  const middle = highRest * half
  const middleRest = middle % windowMs
  const lower = low * small
  const lowerRest = lower % windowMs
  const sum = rest + middleRest + lowerRest
  const sumRest = sum % windowMs
  return {
    level:
      level +
      windows * quotaMicro +
      left * ((quotaMicro - small) / windowMs) +
      ((high - highRest) / windowMs) * half +
      (middle - middleRest) / windowMs +
      (lower - lowerRest) / windowMs +
      (sum - sumRest) / windowMs,
    rest: sumRest,
  }
}

/**
 * What a bucket holds at a moment. One that is full again is as one that never was: it starts full. Under another quota it keeps its
 * level, as far as that reaches.
 *
 * @param bucket `undefined` = never touched.
 * @param now Milliseconds since the epoch. A clock that went back adds nothing.
 */
export const levelOf = (bucket: Bucket | undefined, quotaMicro: number, windowMs: number, now: number): Level => {
  const full = { level: quotaMicro, rest: 0 }
  if (bucket === undefined) return full
  const ms = Math.max(0, now - bucket.at)
  if (ms >= 2 * windowMs) return full
  const filled = grown(bucket, ms, bucket.quotaMicro, windowMs)
  if (filled.level >= bucket.quotaMicro) return full
  if (filled.level >= quotaMicro) return full
  return filled.level < -quotaMicro ? { level: -quotaMicro, rest: 0 } : filled
}

/** A bucket of no quota gives nothing, not even for nothing. */
export const fits = ({ level }: Level, costMicro: number, quotaMicro: number): boolean => quotaMicro > 0 && level >= costMicro

/**
 * Milliseconds until a bucket holds so much, if nothing is taken meanwhile; a window where that never comes.
 *
 * @param wantedMicro At most the quota.
 */
export const msUntil = (now: Level, wantedMicro: number, quotaMicro: number, windowMs: number): number => {
  if (now.level >= wantedMicro) return quotaMicro === 0 ? windowMs : 0
  if (quotaMicro === 0) return windowMs
  const isThere = (ms: number): boolean => ms >= 2 * windowMs || grown(now, ms, quotaMicro, windowMs).level >= wantedMicro
  // A first guess, which rounding may have put off by a millisecond.
  let ms = Math.max(1, Math.ceil(((wantedMicro - now.level) * windowMs - now.rest) / quotaMicro))
  while (!isThere(ms)) ms++
  while (ms > 1 && isThere(ms - 1)) ms--
  return ms
}

/** A level after a settlement: never over the quota, never owing more than it. */
export const settled = ({ level, rest }: Level, changeMicro: number, quotaMicro: number): Level => {
  const next = level + changeMicro
  if (next >= quotaMicro) return { level: quotaMicro, rest: 0 }
  return next < -quotaMicro ? { level: -quotaMicro, rest: 0 } : { level: next, rest }
}
