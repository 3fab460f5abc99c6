import { WeirError } from '../../core/errors.js'
import type { Config } from '../../core/config.js'
import { headersFor } from '../admit/admit.js'
import { ClientGone } from '../admit/read-body.js'
import { forwardBy, type ForwardDeps } from './forward.js'
import { askForUsage, askPlain } from './include-usage.js'
import type { Obtain } from './stage.js'
import { upstreamTraceparent } from './traceparent.js'

/**
 * One attempt at the one target. The start record is in the journal before the first byte goes upstream (reliability.md R2).
 * Where the journal cannot take it: strict calls, and all under `journal.full: refuse`, are refused; others go on and say so.
 */
export const sendOnceBy = (deps: ForwardDeps & { readonly config: Config }): Obtain => {
  const forward = forwardBy(deps)
  return async (admitted, record, client) => {
    const { call, target, body } = admitted
    const asking = target.provider.injectUsage && record.asked?.streaming === true ? askForUsage(admitted) : null
    if (asking !== null) {
      record.altered.push('include_usage')
      record.hidesUsage = call.streamUsage === 'auto'
    }
    const failure = await record.start()
    if (failure !== null) {
      if (record.durability === 'strict' || deps.config.journal.full === 'refuse')
        throw new WeirError('journal_unavailable', `The journal cannot take the call: ${failure.message}`, { cause: failure })
      record.warnings.push('journal-full')
    }
    if (client.gone) throw new ClientGone()
    const headers = asking === null ? [...headersFor(call, target)] : askPlain(headersFor(call, target))
    if (!target.provider.builtIn) headers.push('weir-hop', String(call.hop + 1), 'via', '1.1 weir')
    if (target.provider.propagate !== false) headers.push('traceparent', upstreamTraceparent(call))
    return await forward(
      target,
      {
        method: call.method,
        headers,
        body: asking ?? body,
        sent: () => record.mark('sent'),
        abortable: (send) => {
          client.serving = send
        },
      },
      () => record.warnings.push('replayed'),
    )
  }
}
