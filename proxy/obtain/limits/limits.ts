import type { Config } from '../../../core/config.js'
import { WeirError } from '../../../core/errors.js'
import { parseLimitPolicies, quotaText, type LimitPolicy } from '../../../core/limit-policy.js'
import type { Admitted } from '../../admit/admit.js'
import type { Reply } from '../../call.js'
import type { Client } from '../../client.js'
import type { RateLimitAsked } from '../../identify/rate-limit-policy.js'
import type { CheckedPolicy, LimitFault } from '../../limit-use.js'
import type { CallRecord, Ending } from '../../record.js'
import { StoreDown, type LimitCheck, type LimitStore, type Taken } from '../../state/limit-store.js'
import type { Obtain, Stage } from '../stage.js'
import type { Charge, Charges, Estimate } from './charge.js'
import type { ChargesOnDemand } from './charges-on-demand.js'
import { limitKey, segmentSource, segmentValue } from './limit-key.js'
import { outputLimit } from './output-limit.js'

export interface LimitsDeps {
  readonly config: Config
  readonly store: LimitStore
  readonly charges: ChargesOnDemand
  /** Told when a limit was not enforced. */
  readonly unenforced: (fault: LimitFault) => void
}

export interface Limits {
  /** Checks calls on their way to an answer. */
  readonly stage: Stage
  /**
   * Checks a call that is relayed unread: it counts as a request, and has to wait while tokens or cents are owed.
   *
   * @returns `null` when no policy is for it.
   */
  relayed(record: CallRecord): Promise<void> | null
}

/** A policy that an operator set, and for whom. */
interface OperatorPolicy {
  readonly policy: LimitPolicy
  /** `null` = for all. */
  readonly keys: readonly string[] | null
}

/** A policy that is for this call, in its bucket. */
interface Applied {
  readonly owner: LimitCheck['owner']
  readonly policy: LimitPolicy
  readonly key: string
}

const outputGuess = 1000
const bytesPerToken = 4

const operatorPolicies = (config: Config): readonly OperatorPolicy[] =>
  config.limits.policies.flatMap(({ policy, keys }) =>
    (parseLimitPolicies(policy).policies ?? []).map((parsed) => ({ policy: parsed, keys: keys.includes('*') ? null : keys })),
  )

/** Policies of one owner that share a bucket are one: the tightest. */
const withoutTwins = (applied: readonly Applied[]): readonly Applied[] =>
  applied.filter(({ owner, key, policy }, i) =>
    applied.every(
      (other, j) =>
        i === j ||
        other.key !== key ||
        other.owner !== owner ||
        policy.quotaMicro < other.policy.quotaMicro ||
        (policy.quotaMicro === other.policy.quotaMicro && i < j),
    ),
  )

/** The policies for a call, in their buckets. Faults stand in the record. @throws WeirError `bad_header`: one denies without a value. */
const applyTo = (
  record: CallRecord,
  own: readonly OperatorPolicy[],
  asked: RateLimitAsked | null,
): { applied: readonly Applied[]; fault: LimitFault | null } => {
  const applied: Applied[] = []
  let fault: LimitFault | null = asked !== null && asked.policies === null ? 'invalid_policy' : null
  const add = (owner: Applied['owner'], policy: LimitPolicy, missing: 'shared' | 'allow', header: string | null): void => {
    const { segment } = policy
    const value = segment === null ? null : segmentValue(segment, record)
    if (segment === null || value !== null) return void applied.push({ owner, policy, key: limitKey(policy, value) })
    switch (policy.missing ?? missing) {
      case 'deny': {
        const source = segmentSource(segment)
        throw new WeirError('bad_header', `The rate limit "${policy.text}" needs ${source}, which the call does not have.`, {
          param: source,
        })
      }
      case 'allow':
        fault ??= 'segment_missing'
        record.warnings.push(header === null ? 'segment-missing' : `segment-missing;h="${header}"`)
        break
      case 'shared':
        applied.push({ owner, policy, key: limitKey(policy, null) })
    }
  }
  const keyId = record.call?.identity.keyId ?? ''
  for (const { policy, keys } of own) if (keys === null || keys.includes(keyId)) add('operator', policy, 'shared', null)
  if (asked !== null) for (const policy of asked.policies ?? []) add('caller', policy, asked.missing, asked.header)
  return { applied: withoutTwins(applied), fault }
}

const estimateOf = ({ call, body }: Admitted): Estimate => ({
  inputTokens: Math.ceil(body.length / bytesPerToken),
  outputTokens:
    (call.contentEncoding === null || call.contentEncoding === 'identity' ? outputLimit(body.head) : null) ?? outputGuess,
})

const costOf = (policy: LimitPolicy, charge: Charge | null): number => {
  const cost =
    policy.unit === 'request'
      ? 1e6
      : charge === null
        ? 0
        : policy.unit === 'tokens'
          ? charge.tokensMicro
          : (charge.centsMicro ?? 0)
  return Math.min(cost, policy.quotaMicro)
}

const checkOf = ({ owner, policy, key }: Applied, charge: Charge | null): LimitCheck => ({
  owner,
  key,
  quotaMicro: policy.quotaMicro,
  windowMs: policy.windowS * 1000,
  costMicro: costOf(policy, charge),
})

const told = ({ policy }: Applied, { levelMicro, fullMs }: Taken['states'][number]): CheckedPolicy => ({
  text: policy.text,
  name: policy.name,
  unit: policy.unit,
  limit: Math.floor(policy.quotaMicro / 1e6),
  remaining: Math.max(0, Math.floor(levelMicro / 1e6)),
  windowS: policy.windowS,
  resetS: Math.ceil(fullMs / 1000),
})

/** Which one the answer tells of: the one that takes longest to let the call through, else the one that has least left. */
const tightestOf = (applied: readonly Applied[], { taken, states }: Taken): number => {
  const tightness = (i: number): number => {
    const { levelMicro = 0, waitMs = 0 } = states[i] ?? {}
    return taken ? -levelMicro / Math.max(1, applied[i]?.policy.quotaMicro ?? 1) : waitMs
  }
  return applied.reduce((best, _, i) => (tightness(i) > tightness(best) ? i : best), 0)
}

const unitWords = { request: 'requests', tokens: 'tokens', cents: 'cents' } as const

const refusalOf = ({ policy }: Applied, waitMs: number): WeirError => {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000))
  return new WeirError(
    'rate_limited',
    `The rate limit of ${quotaText(policy.quotaMicro)} ${unitWords[policy.unit]} in ${policy.windowS} s (${policy.text}) is reached; ` +
      `it lets this call through in ${seconds} s.`,
    { retryAfterS: seconds },
  )
}

/**
 * Takes from the limits of weir.yaml and of the call itself, all of them or none, and refuses what does not fit (routing.md §9). Tokens
 * and cents are estimated before the call and settled when it has ended. What comes from the cache never gets here, and what is sent
 * again or elsewhere passes once.
 *
 * @throws WeirError `rate_limited` (429); `limits_unavailable` (503): the store is away and `limits.onStoreError` is closed, else the call
 * goes on and says so.
 */
export const limitsBy = ({ config, store, charges, unenforced }: LimitsDeps): Limits => {
  const own = operatorPolicies(config)

  const take = async (
    record: CallRecord,
    applied: readonly Applied[],
    checks: readonly LimitCheck[],
    fault: LimitFault | null,
  ) => {
    const { call } = record
    if (call === null) throw new WeirError('internal', 'A call was limited before it was identified.')
    let taken: Taken
    try {
      taken = await store.take(call.tenant, checks)
    } catch (cause) {
      if (!(cause instanceof StoreDown)) throw cause
      record.warnings.push('limit-store-down')
      unenforced('store_unavailable')
      record.limits = { fault: 'store_unavailable', checked: [], tightest: null }
      if (config.limits.onStoreError === 'open') return false
      throw new WeirError('limits_unavailable', `The store of the limits is away. ${cause.message}`, { cause })
    }
    const checked = applied.map((each, i) => told(each, taken.states[i] as Taken['states'][number]))
    const tightest = tightestOf(applied, taken)
    record.limits = { fault, checked, tightest: checked[tightest] ?? null }
    if (!taken.taken) throw refusalOf(applied[tightest] as Applied, taken.states[tightest]?.waitMs ?? 0)
    return true
  }

  /** Once the call has ended: what it used in place of what was reserved for it. */
  const settleAfter = (
    record: CallRecord,
    {
      applied,
      checks,
      estimate,
      by,
    }: { applied: readonly Applied[]; checks: readonly LimitCheck[]; estimate: Estimate; by: Charges },
  ): void => {
    record.settling = (ending: Ending) => {
      const { call } = record
      let used: Charge
      try {
        used = by.after(record, ending, estimate)
      } catch {
        // The row comes before the limit: its end is being written. The estimate stands.
        return
      }
      const settlements = checks.flatMap((check, i) => {
        const unit = applied[i]?.policy.unit
        const usedMicro = unit === 'tokens' ? used.tokensMicro : unit === 'cents' ? used.centsMicro : null
        const changeMicro = usedMicro === null ? 0 : check.costMicro - usedMicro
        return changeMicro === 0 ? [] : [{ ...check, changeMicro }]
      })
      // With the store away the estimate stands.
      if (call !== null && settlements.length > 0) void store.settle(call.tenant, settlements).catch(() => undefined)
    }
  }

  const limited = async (
    next: Obtain,
    asked: RateLimitAsked | null,
    admitted: Admitted,
    record: CallRecord,
    client: Client,
  ): Promise<Reply> => {
    const { applied, fault } = applyTo(record, own, asked)
    if (fault !== null) unenforced(fault)
    if (applied.length === 0) {
      if (fault !== null) record.limits = { fault, checked: [], tightest: null }
      return await next(admitted, record, client)
    }
    const byUse = applied.some(({ policy }) => policy.unit !== 'request')
    const by = byUse ? await charges() : null
    const estimate = by === null ? null : estimateOf(admitted)
    const charge = by === null || estimate === null ? null : by.before(record, estimate)
    const checks = applied.map((each) => checkOf(each, charge))
    const taken = await take(record, applied, checks, fault)
    if (taken && by !== null && estimate !== null) settleAfter(record, { applied, checks, estimate, by })
    return await next(admitted, record, client)
  }

  return {
    stage: (next) => (admitted, record, client) => {
      const { rateLimit } = admitted.call.steering
      return rateLimit === null && own.length === 0
        ? next(admitted, record, client)
        : limited(next, rateLimit, admitted, record, client)
    },
    relayed: (record) => {
      const asked = record.call?.steering.rateLimit ?? null
      if (asked === null && own.length === 0) return null
      const { applied, fault } = applyTo(record, own, asked)
      if (fault !== null) {
        unenforced(fault)
        record.limits = { fault, checked: [], tightest: null }
      }
      if (applied.length === 0) return null
      return take(
        record,
        applied,
        applied.map((each) => checkOf(each, null)),
        fault,
      ).then(() => undefined)
    },
  }
}
