import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { ClientGone, type HeldBody } from '../admit/read-body.js'
import type { Call, Reply, Target } from '../call.js'
import type { Client } from '../client.js'
import type { CallRecord } from '../record.js'
import { withoutMetadata } from './guard/metadata-headers.js'
import { forwardBy, type ForwardDeps, type Times } from './forward.js'
import { askForUsage, askPlain } from './include-usage.js'
import { upstreamTraceparent } from './traceparent.js'

/** One attempt: who gets what, in how much time. */
export interface Attempting {
  readonly call: Call
  readonly target: Target
  readonly body: HeldBody
  /** Flat pairs, the target's credential among them. */
  readonly headers: readonly string[]
  /** `null` = as configured. */
  readonly times: Times | null
}

/** @throws WeirError `upstream_*`, `timeout_*`, `journal_unavailable`; ClientGone. */
export type Send = (attempting: Attempting, record: CallRecord, client: Client) => Promise<Reply>

/**
 * Sends one attempt. The start record is in the journal before the first byte goes upstream (reliability.md R2). Where the journal cannot
 * take it: strict calls, and all under `journal.full: refuse`, are refused; others go on and say so.
 */
export const sendBy = (deps: ForwardDeps & { readonly config: Config }): Send => {
  const forward = forwardBy(deps)
  return async ({ call, target, body, headers: given, times }, record, client) => {
    const asking = target.provider.injectUsage && record.asked?.streaming === true ? askForUsage({ call, target, body }) : null
    if (asking !== null && !record.altered.includes('include_usage')) record.altered.push('include_usage')
    record.hidesUsage = asking !== null && call.streamUsage === 'auto'
    if (!record.started) {
      const failure = await record.start()
      if (failure !== null) {
        if (record.durability === 'strict' || deps.config.journal.full === 'refuse')
          throw new WeirError('journal_unavailable', `The journal cannot take the call: ${failure.message}`, { cause: failure })
        record.warnings.push('journal-full')
      }
    }
    if (client.gone) throw new ClientGone()
    const allowed = target.byCaller === true ? withoutMetadata(given) : given
    const headers = asking === null ? [...allowed] : askPlain(allowed)
    if (!target.provider.builtIn) headers.push('weir-hop', String(call.hop + 1), 'via', '1.1 weir')
    if (target.provider.propagate !== false) headers.push('traceparent', upstreamTraceparent(call))
    return await forward(
      target,
      {
        method: call.method,
        headers,
        body: asking ?? body,
        times,
        sent: () => record.sent(),
        abortable: (send) => {
          client.serving = send
        },
      },
      () => record.replayed(),
    )
  }
}
