import { createHash } from 'node:crypto'

/** What the order of targets depends on. */
export interface Ranked {
  /** As it was given: keeps its place in the draw of whoever sticks to it. */
  readonly name: string
  /** 0 = only when nobody else is left. */
  readonly weight: number
}

/** From above 0 to 1, the same for the same text. */
const drawOf = (text: string): number => (createHash('sha256').update(text).digest().readUIntBE(0, 6) + 1) / 2 ** 48

/** Drawn without replacement, by weight, is the same as ordered by -ln(u)/w (Efraimidis and Spirakis). */
const byDraw = <T extends Ranked>(targets: readonly T[], draw: (target: T, index: number) => number): T[] =>
  targets
    .map((target, index) => ({
      target,
      index,
      score: target.weight === 0 ? Number.POSITIVE_INFINITY : -Math.log(draw(target, index)) / target.weight,
    }))
    .sort((a, b) => (a.score === b.score ? a.index - b.index : a.score - b.score))
    .map(({ target }) => target)

/**
 * Drawn by weight.
 *
 * @param random From 0 to 1.
 */
export const weighted = <T extends Ranked>(targets: readonly T[], random: () => number): T[] =>
  byDraw(targets, () => 1 - random())

/**
 * Drawn by weight, the same for the same holder (weighted rendezvous hashing): a target that goes or comes moves no other's holders.
 *
 * @param holder Tenant and user or session.
 */
export const sticking = <T extends Ranked>(targets: readonly T[], holder: string): T[] =>
  byDraw(targets, ({ name }) => drawOf(JSON.stringify([holder, name])))

/**
 * Two are drawn, the faster one is first; the rest follow likewise. Who was not measured goes before who was.
 *
 * @param random From 0 to 1.
 */
export const fasterOfTwo = <T>(targets: readonly T[], latencyOf: (target: T) => number | null, random: () => number): T[] => {
  const left = [...targets]
  const ordered: T[] = []
  const pick = (from: number): number => Math.min(from - 1, Math.floor(random() * from))
  while (left.length > 1) {
    const first = pick(left.length)
    // Another one than the first.
    const other = (first + 1 + pick(left.length - 1)) % left.length
    const [a, b] = [left[first] as T, left[other] as T]
    const winner = (latencyOf(b) ?? -1) < (latencyOf(a) ?? -1) ? other : first
    ordered.push(...left.splice(winner, 1))
  }
  return [...ordered, ...left]
}

/**
 * Cheapest first, as given where they cost the same; who has no price comes last.
 *
 * @param costs USD, in the order of the targets; `null` = not known.
 */
export const cheapest = <T>(targets: readonly T[], costs: readonly (number | null)[]): T[] =>
  targets
    .map((target, index) => ({ target, index, cost: costs[index] ?? Number.POSITIVE_INFINITY }))
    .sort((a, b) => (a.cost === b.cost ? a.index - b.index : a.cost - b.cost))
    .map(({ target }) => target)
