/** Something with a time by which it must have moved. `0` = no deadline. */
export interface Watched {
  /** Milliseconds on the clock given to `watchDeadlines`. */
  dueAt: number
  /** Called at most once per due time, within one tick after it; may set a new `dueAt`. */
  expired(now: number): void
}

export interface Deadlines {
  /** The clock, as of the last tick or call of `refresh`; cheap to read for every chunk. */
  readonly now: () => number
  add(watched: Watched): void
  remove(watched: Watched): void
  close(): void
}

/**
 * One timer for all calls: a timer per chunk and call would cost more than the relaying. Deadlines are met within `tickMs`.
 */
export const watchDeadlines = (clock: () => number, tickMs = 50): Deadlines => {
  const all = new Set<Watched>()
  const timer = setInterval(() => {
    const now = clock()
    for (const watched of all)
      if (watched.dueAt !== 0 && watched.dueAt <= now) {
        watched.dueAt = 0
        watched.expired(now)
      }
  }, tickMs)
  timer.unref()
  return {
    now: clock,
    add: (watched) => void all.add(watched),
    remove: (watched) => void all.delete(watched),
    close: () => clearInterval(timer),
  }
}
