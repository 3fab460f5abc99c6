import type { Attempt, PassedOver, RequestDetail } from '../../api/contract.js'

/** A line of the waterfall, in the order of time. Times are microseconds after the call began. */
export type Lane =
  | {
      readonly kind: 'attempt'
      /** Counted by time, from 1. */
      readonly n: number
      readonly attempt: Attempt
      /** Its answer is what the caller got. */
      readonly answered: boolean
      /** The attempt after it; `null` = there was none. */
      readonly next: Attempt | null
    }
  | { readonly kind: 'wait'; readonly fromUs: number; readonly toUs: number }
  | { readonly kind: 'passed'; readonly target: string; readonly reason: string; readonly atUs: number }

type Told = Pick<RequestDetail, 'attemptList' | 'passedOver' | 'status'>

/** Shorter ones are the time it takes to send. */
const leastWaitUs = 1000

const byStart = (attempts: readonly Attempt[]): readonly Attempt[] =>
  [...attempts].sort((one, other) => one.startUs - other.startUs || one.n - other.n)

/** The attempt whose answer the caller got, be it an error; `null` = nobody's. In a row it stands last. */
export const answering = ({ attemptList, status }: Told): Attempt | null => {
  const last = attemptList.at(-1)
  return last !== undefined && last.status !== 0 && last.status === status ? last : null
}

/** What happened one after the other: attempts, the waits between them, and targets that were passed over. */
export const lanesOf = (call: Told): readonly Lane[] => {
  const attempts = byStart(call.attemptList)
  const answer = answering(call)
  const lanes: Lane[] = []
  const pass = (after: number, atUs: number): void => {
    const passed = (each: PassedOver): boolean => (after < attempts.length ? each.after === after : each.after >= after)
    for (const { target, reason } of call.passedOver.filter(passed)) lanes.push({ kind: 'passed', target, reason, atUs })
  }
  pass(0, attempts[0]?.startUs ?? 0)
  for (const [i, attempt] of attempts.entries()) {
    const next = attempts[i + 1] ?? null
    lanes.push({ kind: 'attempt', n: i + 1, attempt, answered: attempt === answer, next })
    pass(i + 1, attempt.endUs)
    if (next !== null && next.startUs - attempt.endUs >= leastWaitUs)
      lanes.push({ kind: 'wait', fromUs: attempt.endUs, toUs: next.startUs })
  }
  return lanes
}

const skips: Readonly<Record<string, string>> = {
  no_credential: 'no key is known for it',
  circuit_open: 'it failed of late',
  denied: 'the caller’s key may not go there',
  body_unalterable: 'the body cannot be changed for it',
  window: 'the call is too long for it',
}
/** Why a target was passed over, in words. */
export const skipName = (reason: string): string => skips[reason] ?? reason.replaceAll('_', ' ')

/** Marks of an axis from 0 on: three to five, at 1, 2 or 5 times a power of ten. */
export const ticksOf = (totalUs: number): readonly number[] => {
  if (totalUs <= 0) return [0]
  const power = 10 ** Math.floor(Math.log10(totalUs / 2))
  const step = ([5, 2, 1].find((factor) => power * factor <= totalUs / 2) ?? 1) * power
  return Array.from({ length: Math.floor(totalUs / step) + 1 }, (_, i) => i * step)
}
