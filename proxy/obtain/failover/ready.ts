import type { Asked } from '../../../core/providers/read-request.js'
import type { Admitted } from '../../admit/admit.js'
import type { Attempts } from '../../attempts.js'
import type { Call } from '../../call.js'
import type { Chain, ChainTarget } from '../../chain.js'
import type { CircuitState } from '../../state/breaker-store.js'
import { bodyFor, type TargetBody } from './body-for.js'
import { credentialIn, headFor, type TargetHead } from './headers-for.js'

/** A target with what it is sent. */
export interface Ready {
  readonly to: ChainTarget
  readonly head: TargetHead
  readonly content: TargetBody
  /** Names its circuit: provider, origin, model and credential. */
  readonly circuit: string
  /** As far as is known. */
  state: CircuitState
}

/**
 * The targets of a call that can be sent to, as they were given. Of the others `attempts` is told why not.
 *
 * @param fingerprint Of a credential, which is written nowhere.
 */
export const readyTargets = (
  chain: Chain,
  { call, target: own, body }: Pick<Admitted, 'call' | 'target' | 'body'>,
  asked: Asked | null,
  { attempts, fingerprint }: { readonly attempts: Attempts; readonly fingerprint: (key: string) => string },
): Ready[] => {
  const ready: Ready[] = []
  for (const to of chain.targets) {
    if (to.denied !== null) {
      attempts.skip(to.name, 'denied')
      continue
    }
    const head = headFor(to, call, own)
    const content = bodyFor(to, { call, body }, asked)
    if (head === null) attempts.skip(to.name, 'no_credential')
    else if (content === null) attempts.skip(to.name, 'body_unalterable')
    else {
      const credential = credentialIn(head)
      const { provider, origin } = to.target
      const circuit = [provider.name, origin, content.asked?.model ?? '', credential === '' ? '' : fingerprint(credential)].join(
        '\n',
      )
      ready.push({ to, head, content, circuit, state: 'closed' })
    }
  }
  return ready
}

/** Whoever sticks to a target: the tenant's user or session; `null` = nobody is named. */
export const holderOf = (call: Call, asked: Asked | null, sticky: 'none' | 'user' | 'session'): string | null => {
  const { userId, sessionId } = call.identity
  const id = sticky === 'user' ? (userId ?? asked?.user ?? null) : sticky === 'session' ? sessionId : null
  return id === null ? null : JSON.stringify([call.tenant, sticky, id])
}
