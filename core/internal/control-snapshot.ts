import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Config } from '../config.js'
import { limitPolicy } from '../config/limit-policy.js'
import { target } from '../config/target.js'
import { weirKey } from '../config/weir-key.js'
import { priceOverride } from '../prices/override.js'

/** Goes up when an older proxy could not read what a newer control plane sends. */
const snapshotVersion = 1

/** Keys and header values are secrets: they stay on their hosts, and only that there are some is told. */
const toldTarget = target.omit({ key: true, headers: true }).extend({ hasSecrets: z.boolean() })

/** What the control plane tells the proxies: who may call, what limits hold, where calls may go, what they cost. Whole, each time. */
export const controlSnapshotSchema = z.strictObject({
  version: z.literal(snapshotVersion),
  /** Of the content, as the sender worked it out. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /** Milliseconds since the epoch. Of two the later one holds. */
  madeAt: z.number().int().nonnegative(),
  keys: z.array(weirKey),
  policies: z.array(z.strictObject({ policy: limitPolicy, keys: z.array(z.string().min(1)).min(1) })),
  targets: z.record(z.string(), toldTarget),
  prices: z.array(priceOverride),
})
export type ControlSnapshot = z.output<typeof controlSnapshotSchema>
/** As it travels and lies on disk: amounts in the forms that a weir.yaml has. */
export type ToldSnapshot = z.input<typeof controlSnapshotSchema>

const perOf: Readonly<Record<number, '1' | '1K' | '1M'>> = { 1: '1', 1000: '1K', 1_000_000: '1M' }

/** What a configuration says of all that the control plane decides. */
export const snapshotOf = (config: Pick<Config, 'keys' | 'limits' | 'targets' | 'prices'>, madeAt: number): ToldSnapshot => {
  const content = {
    keys: config.keys,
    policies: config.limits.policies,
    targets: Object.fromEntries(
      Object.entries(config.targets).map(([name, { key, headers, ...told }]) => [
        name,
        { ...told, hasSecrets: key !== undefined || Object.keys(headers).length > 0 },
      ]),
    ),
    prices: config.prices.map(({ per, ...price }) => ({ ...price, per: perOf[per] ?? '1M' })),
  }
  const text = JSON.stringify(content)
  return {
    version: snapshotVersion,
    digest: createHash('sha256').update(text).digest('hex'),
    madeAt,
    // A copy that is free of the configuration's being frozen.
    ...(JSON.parse(text) as Pick<ToldSnapshot, 'keys' | 'policies' | 'targets' | 'prices'>),
  }
}

/** A configuration in which the control plane has had its say, and whatever of that could not be taken, in sentences. */
export interface Controlled {
  readonly config: Config
  readonly leftOut: readonly string[]
}

type ToldTarget = ControlSnapshot['targets'][string]

const isSamePlace = (told: ToldTarget, own: Config['targets'][string]): boolean =>
  told.provider === own.provider && told.resource === own.resource && told.region === own.region

/**
 * A proxy's own configuration under a snapshot: keys, policies, targets and prices are the snapshot's, all of them; the rest is its own.
 * What a target needs of secrets comes from the own target of the same name and place; without, the target is left out.
 */
export const underSnapshot = (own: Config, { keys, policies, targets, prices }: ControlSnapshot): Controlled => {
  const leftOut: string[] = []
  const taken = Object.entries(targets).flatMap(([name, { hasSecrets, ...told }]) => {
    const mine = own.targets[name]
    if (!hasSecrets) return [[name, { ...told, headers: {} }] as const]
    if (mine !== undefined && isSamePlace({ hasSecrets, ...told }, mine))
      return [[name, { ...told, ...(mine.key === undefined ? {} : { key: mine.key }), headers: mine.headers }] as const]
    leftOut.push(
      `The target ${name} is left out: its key or headers are secrets, which do not travel. Add it to this proxy's weir.yaml, too.`,
    )
    return []
  })
  return {
    config: { ...own, keys, limits: { ...own.limits, policies }, targets: Object.fromEntries(taken), prices },
    leftOut,
  }
}
