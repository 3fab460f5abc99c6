import { parseArgs } from 'node:util'
import { openEmbedded } from './embedded.js'
import { openScaled } from './scaled.js'
import type { Scene } from './scene.js'

export type Shape = Scene['shape']

export const openScene = (shape: Shape): Promise<Scene> => (shape === 'embedded' ? openEmbedded() : openScaled())

interface Flag {
  readonly type: 'string' | 'boolean'
  readonly default?: string
  readonly value?: string
  readonly help: string
}

/** A sentence about a flag that cannot be. */
export class WrongFlag extends Error {}

export const helpOf = (about: string, flags: Readonly<Record<string, Flag>>): string =>
  `${about}\n\n${Object.entries(flags)
    .map(([name, { value, help, default: usual }]) => {
      const left = `--${name}${value === undefined ? '' : ` ${value}`}`
      return `  ${left.padEnd(24)} ${help}${usual === undefined ? '' : ` (${usual})`}`
    })
    .join('\n')}\n`

/** @throws WrongFlag */
export const flagsOf = (
  args: readonly string[],
  flags: Readonly<Record<string, Flag>>,
): Readonly<Record<string, string | boolean>> => {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { type, default: usual }]) => [
      name,
      usual === undefined ? { type } : { type, default: usual },
    ]),
  )
  try {
    return parseArgs({ args: [...args], options: { ...options, help: { type: 'boolean' } } }).values as Record<
      string,
      string | boolean
    >
  } catch (cause) {
    throw new WrongFlag(`${cause instanceof Error ? cause.message : String(cause)} --help lists what there is.`)
  }
}

/** @throws WrongFlag */
export const amountOf = (values: Readonly<Record<string, string | boolean>>, name: string, least: number): number => {
  const n = Number(values[name])
  if (!(n >= least)) throw new WrongFlag(`--${name} takes a number of at least ${least}, not "${String(values[name])}".`)
  return n
}

/** Runs a command: sentences instead of stacks for what the caller got wrong, and Ctrl-C once means: come to an end. */
export const runCommand = async (work: (ending: AbortSignal) => Promise<number>): Promise<never> => {
  const ending = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      if (ending.signal.aborted) process.exit(130)
      console.error('Ending: what has been struck is compared first. Again to end at once.')
      ending.abort()
    })
  try {
    process.exit(await work(ending.signal))
  } catch (cause) {
    console.error(cause instanceof WrongFlag ? cause.message : cause)
    process.exit(cause instanceof WrongFlag ? 2 : 1)
  }
}
