import type { Admitted } from '../../admit/admit.js'
import type { ChainTarget } from '../../chain.js'
import { credentialIn, headFor } from '../failover/headers-for.js'
import { isCredential } from './cache-key.js'

/** Where an answer may come from, as far as it depends on that. */
export interface CachedTargets {
  readonly targets: readonly string[]
  /** What they are let in with, where that is not the caller's own credential. */
  readonly credentials: readonly string[]
}

/** Whether it is an accident which of several targets answers: then any of their answers is what was asked for. */
export const isDrawn = ({ chain }: Admitted): boolean => chain !== null && chain.asked.strategy.name !== 'fallback'

const withoutCredentials = (headers: readonly string[]): readonly string[] => {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2)
    if (!isCredential(headers[i] as string)) kept.push(headers[i] as string, headers[i + 1] as string)
  return kept
}

const described = ({ target, isOwn, model, headers, added, override }: ChainTarget): string =>
  isOwn
    ? `${target.provider.name} ${target.origin}`
    : JSON.stringify([
        target.provider.name,
        target.origin,
        target.path.replace(/\?.*$/s, ''),
        model,
        headers === null ? null : withoutCredentials(headers),
        added === null ? null : withoutCredentials(added),
        override,
      ])

/**
 * The first target alone, which is what was asked for; all of them where a strategy picks one.
 */
export const cachedTargets = (admitted: Admitted): CachedTargets => {
  const { call, target, chain } = admitted
  if (chain === null) return { targets: [`${target.provider.name} ${target.origin}`], credentials: [] }
  const drawn = isDrawn(admitted)
  const counted = drawn ? chain.targets.filter(({ denied }) => denied === null) : chain.targets.slice(0, 1)
  return {
    targets: [...(drawn ? [chain.asked.strategy.name] : []), ...counted.map(described)],
    credentials: counted
      .filter(({ isOwn }) => !isOwn)
      .flatMap((to) => {
        const head = headFor(to, call, target)
        const secrets = [...(to.headers ?? []), ...(to.added ?? [])]
        return [to.target.provider.name, head === null ? '' : credentialIn(head), ...secrets]
      }),
  }
}
