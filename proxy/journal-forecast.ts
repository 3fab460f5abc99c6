import type { JournalState } from '../journal/port.js'

export interface JournalForecast {
  /** Seconds until the limit is reached if it grows on as it did of late; `null` = it does not grow, or is full. */
  secondsLeft(): number | null
  close(): void
}

const everyMs = 5000
/** As many looks make up a minute: segments are removed 64 MiB at a time, and one that goes is no trend. */
const mostLooks = 13

/** Watches how fast the journal grows. */
export const journalForecast = (
  state: () => Pick<JournalState, 'bytes' | 'limitBytes'>,
  now: () => number,
  lookEveryMs = everyMs,
): JournalForecast => {
  const looks: { readonly atMs: number; readonly bytes: number }[] = []
  const look = (): void => {
    looks.push({ atMs: now(), bytes: state().bytes })
    if (looks.length > mostLooks) looks.shift()
  }
  look()
  const timer = setInterval(look, lookEveryMs).unref()
  return {
    secondsLeft() {
      const [first] = looks
      const { bytes, limitBytes } = state()
      if (first === undefined || bytes >= limitBytes) return null
      const seconds = (now() - first.atMs) / 1000
      const grown = bytes - first.bytes
      return seconds <= 0 || grown <= 0 ? null : ((limitBytes - bytes) / grown) * seconds
    },
    close: () => clearInterval(timer),
  }
}

/** `in 3 h at the rate of the last minute`, for people. */
export const fullIn = (secondsLeft: number | null): string => {
  if (secondsLeft === null) return 'it does not grow at the moment'
  const [n, unit] =
    secondsLeft < 120
      ? [secondsLeft, 's']
      : secondsLeft < 7200
        ? [secondsLeft / 60, 'min']
        : secondsLeft < 172_800
          ? [secondsLeft / 3600, 'h']
          : [secondsLeft / 86_400, 'days']
  return `at the rate of the last minute it is full in ${Math.round(n)} ${unit}`
}
