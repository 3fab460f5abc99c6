import { upstreamFaults, type Load } from '../checker/load.js'
import { until } from '../support/wait.js'
import { faultNames, pause, type FaultKind, type Scene } from './scene.js'

/** One fault of a run that has many. */
export interface Stroke {
  readonly name: string
  /** Resolves once it is over and what it struck is back. */
  readonly strike: (load: Load, next: () => number) => Promise<void>
}

/** Milliseconds that a fault lasts at most; at least a fifth of it. */
const longestMs: Readonly<Record<FaultKind, number>> = { K: 0, T: 0, S: 15_000, D: 6000, L: 10_000 }
const linkMs = 8000
const lateMs = 200
const backMs = 120_000

/** Every fault a scene has: of its victims, of its links, and of the upstream. */
export const strokesOf = ({ victims, links }: Scene): readonly Stroke[] => [
  ...victims.flatMap(({ name, faults, isBack }) =>
    Object.entries(faults).map(([kind, strike]): Stroke => ({
      name: `${name}: ${faultNames[kind as FaultKind]}`,
      async strike(_, next) {
        await strike(longestMs[kind as FaultKind] * (0.2 + 0.8 * next()))
        await until(`${name} to be back`, isBack, { timeoutMs: backMs, everyMs: 100 })
      },
    })),
  ),
  ...links.flatMap(({ name, relay, toUpstream }): Stroke[] => [
    {
      name: `link ${name}: slow`,
      async strike(_, next) {
        relay.slow(lateMs * next())
        await pause(linkMs * (0.2 + 0.8 * next()))
        relay.mend()
      },
    },
    {
      name: `link ${name}: cut`,
      async strike(load, next) {
        if (toUpstream) load.linkIs('broken')
        relay.cut()
        await pause(linkMs * (0.05 + 0.4 * next()))
        relay.mend()
        if (toUpstream) load.linkIs('whole')
      },
    },
  ]),
  ...upstreamFaults.map((fault): Stroke => ({
    name: `upstream: ${fault}`,
    async strike(load, next) {
      load.trouble(fault)
      await pause(2000 + next() * 4000)
      load.trouble(null)
    },
  })),
]

/** Calls ask for everything a scene has: limits are asked of Redis for each call, where there is one. */
export const headersFor = ({ shape }: Scene): Readonly<Record<string, string>> =>
  shape === 'scaled' ? { 'weir-ratelimit-policy': '100000000;w=60' } : {}
