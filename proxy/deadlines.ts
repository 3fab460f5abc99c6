import { SlotSet, type Slotted } from '../core/slot-set.js'

/** Something with a time by which it must have moved. `0` = no deadline. */
export interface Watched extends Slotted {
  /** Milliseconds on the clock given to `watchDeadlines`. */
  dueAt: number
  /** Called at most once per due time, within one tick after it; may set a new `dueAt`. */
  expired(now: number): void
  /** Ends what is under way from outside, as if it had failed with `cause`: a drain whose time is up. */
  giveUp?(cause: Error): void
}

export interface Deadlines {
  /** The clock, as of the last tick or call of `refresh`; cheap to read for every chunk. */
  readonly now: () => number
  add(watched: Watched): void
  remove(watched: Watched): void
  /** All that is watched now. */
  all(): readonly Watched[]
  close(): void
}

/**
 * One timer for all calls: a timer per chunk and call would cost more than the relaying. Deadlines are met within `tickMs`.
 */
export const watchDeadlines = (clock: () => number, tickMs = 50): Deadlines => {
  const all = new SlotSet<Watched>()
  const timer = setInterval(() => {
    const now = clock()
    for (const watched of all.all())
      if (watched.dueAt !== 0 && watched.dueAt <= now) {
        watched.dueAt = 0
        watched.expired(now)
      }
  }, tickMs)
  timer.unref()
  return {
    now: clock,
    add: (watched) => all.add(watched),
    remove: (watched) => all.delete(watched),
    all: () => all.all(),
    close: () => clearInterval(timer),
  }
}
