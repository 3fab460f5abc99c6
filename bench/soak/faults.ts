import { roleOf } from '../../e2e/support/processes.js'
import type { Broker } from '../support/servers.js'
import type { Mode } from './upstream.js'

/** What the faults strike. */
export interface Victims {
  readonly supervisor: number
  /** `null` = events go by the journal alone. */
  readonly broker: Broker | null
  /** Random numbers in [0, 1), by the seed. */
  readonly next: () => number
  readonly upstream: (mode: Mode) => Promise<void>
}

interface Fault {
  readonly name: string
  /** It ends a process of Weir: memory is not measured over its end. */
  readonly kills: boolean
  readonly needsBroker?: true
  /** Resolves once it is over; within 10 s, mostly. */
  readonly strike: (victims: Victims) => Promise<void>
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const signal = (pid: number | null, name: NodeJS.Signals): void => {
  try {
    if (pid !== null) process.kill(pid, name)
  } catch {
    // It ended by itself a moment ago.
  }
}

const kill = (role: 'proxy' | 'hub'): Fault => ({
  name: `kill ${role}`,
  kills: true,
  strike: ({ supervisor }) => Promise.resolve(signal(roleOf(supervisor, role), 'SIGKILL')),
})

/** Frozen for a while: connections stay, nothing is answered. */
const freeze = async (pid: number | null, ms: number): Promise<void> => {
  signal(pid, 'SIGSTOP')
  await pause(ms)
  signal(pid, 'SIGCONT')
}

const misbehave = (mode: Mode): Fault => ({
  name: `upstream ${mode}`,
  kills: false,
  strike: async ({ upstream, next }) => {
    await upstream(mode)
    await pause(1000 + next() * 4000)
    await upstream('well')
  },
})

/** Those of reliability.md §3-4 that a house on one machine can have; `npm run chaos` has more. */
export const faults: readonly Fault[] = [
  kill('hub'),
  kill('proxy'),
  {
    name: 'stop hub',
    kills: false,
    strike: ({ supervisor, next }) => freeze(roleOf(supervisor, 'hub'), 1000 + next() * 4000),
  },
  {
    name: 'stop proxy',
    kills: false,
    strike: ({ supervisor, next }) => freeze(roleOf(supervisor, 'proxy'), 500 + next() * 1500),
  },
  misbehave('status 500'),
  misbehave('reset'),
  misbehave('cut'),
  {
    name: 'kill broker',
    kills: false,
    needsBroker: true,
    strike: async ({ broker, next }) => {
      await broker?.kill()
      await pause(next() * 2000)
      await broker?.start()
    },
  },
  {
    name: 'stop broker',
    kills: false,
    needsBroker: true,
    strike: ({ broker, next }) => freeze(broker?.pid() ?? null, 1000 + next() * 4000),
  },
  {
    name: 'cut link to broker',
    kills: false,
    needsBroker: true,
    strike: async ({ broker, next }) => {
      await broker?.cut()
      await pause(1000 + next() * 4000)
      await broker?.mend()
    },
  },
]
