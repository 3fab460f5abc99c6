import type { FakeProvider } from '../../cli/fake-provider/server.js'
import type { TcpRelay } from '../support/tcp-relay.js'

/** Faults of the kill matrix (reliability.md §3). */
export const faultKinds = ['K', 'T', 'S', 'D', 'L'] as const
export type FaultKind = (typeof faultKinds)[number]
export const faultNames: Readonly<Record<FaultKind, string>> = {
  K: 'kill -9',
  T: 'SIGTERM',
  S: 'stopped',
  D: 'disk full',
  L: 'link cut',
}

/** Injures the victim, for so many milliseconds where the fault lasts; resolves when the fault is over, not when the victim is well. */
export type Strike = (ms: number) => Promise<void>

export interface Victim {
  readonly name: string
  readonly faults: Readonly<Partial<Record<FaultKind, Strike>>>
  /** Does its work again? */
  readonly isBack: () => Promise<boolean>
  /**
   * What callers may feel of a fault; without: nothing, not one call may fail. `refusals`: those that come then find nobody, or are
   * refused, but none that runs is cut. `cuts`: those that run are.
   */
  readonly felt: Readonly<Partial<Record<FaultKind, 'refusals' | 'cuts'>>>
}

/** A connection between two of them, by way of a relay of ours. */
export interface Link {
  readonly name: string
  readonly relay: TcpRelay
  /** Of this one callers may feel that it is cut. */
  readonly toUpstream: boolean
}

/** A running Weir with everything it stands on, all of it to be injured. */
export interface Scene {
  readonly shape: 'embedded' | 'scaled'
  readonly fake: FakeProvider
  /** Base URLs; calls go round. */
  readonly proxies: readonly string[]
  readonly victims: readonly Victim[]
  readonly links: readonly Link[]
  /** Rows of a query; the format is ours. */
  query<T>(sql: string, params?: Readonly<Record<string, string>>): Promise<T[]>
  /** Roles that ended although nobody ended them. */
  crashes(): readonly string[]
  /** Of a scene that was stopped and kept: data and logs. */
  readonly folder: string
  /** What all roles wrote. */
  said(): string
  stop(after?: 'keep' | 'remove'): Promise<void>
}

/** How long a disk that was full is left alone: what it had no room for is counted, and the count is written when it has room again. */
export const countedMs = 1500

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** SIGSTOP for so long. */
export const freeze = async (pid: () => number | null, ms: number): Promise<void> => {
  const frozen = pid()
  if (frozen === null) return
  signal(frozen, 'SIGSTOP')
  await pause(ms)
  signal(frozen, 'SIGCONT')
}

/** Sends a signal to what may be gone by now. */
export const signal = (pid: number | null, name: NodeJS.Signals): void => {
  try {
    if (pid !== null) process.kill(pid, name)
  } catch {
    // It ended a moment ago.
  }
}

export const answers = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2000) }).then(
    ({ ok }) => ok,
    () => false,
  )
