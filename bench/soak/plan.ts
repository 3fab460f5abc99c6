import { list, usd } from '../../e2e/support/usd.js'
import { randomFrom } from '../../e2e/support/random.js'

/** What one call of the soak is to be: the same for load, upstream and checker, from seed and number alone. */
export interface Plan {
  readonly stream: boolean
  readonly inputTokens: number
  readonly outputTokens: number
  /** The client goes away before the end. */
  readonly leaves: boolean
  /** What the upstream does to calls while it is at fault, it does to this one. */
  readonly struck: boolean
}

export const model = 'gpt-5-mini'
const leaving = 0.05
const striking = 0.2

export const planOf = (seed: number, n: number): Plan => {
  const next = randomFrom(Math.imul(seed + 1, 0x9e3779b1) ^ n)
  return {
    stream: next() < 0.5,
    inputTokens: 100 + Math.floor(next() * 1900),
    outputTokens: 10 + Math.floor(next() * 490),
    leaves: next() < leaving,
    struck: next() < striking,
  }
}

/** What the call costs, as decimal text. */
export const costOf = ({ inputTokens, outputTokens }: Plan): string =>
  usd([inputTokens, list[model].input], [outputTokens, list[model].output])

export const markOf = (n: number): string => `n${n}`
export const numberOf = (mark: string): number => Number(mark.slice(1))

/** Bytes of a SHA-256 that are kept and compared. */
export const keptHash = 8
