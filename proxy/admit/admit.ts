import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { spliceString } from '../../core/json-splice.js'
import { readRequest } from '../../core/providers/read-request.js'
import type { Provider } from '../../core/providers/registry.js'
import type { Call, Target } from '../call.js'
import type { Chain } from '../chain.js'
import type { Client } from '../client.js'
import { meetExpectation } from '../expectation.js'
import type { Addresses } from '../identify/addresses.js'
import type { CallRecord } from '../record.js'
import { chainOf } from './chain-of.js'
import { checkCredential } from './credential-mismatch.js'
import { checkDeclared, readBody, replaced, type BodyRules, type HeldBody } from './read-body.js'
import { familyOfUnified, targetOfModel } from './unified-target.js'

export interface AdmitDeps {
  readonly config: Config
  readonly providers: ReadonlyMap<string, Provider>
  readonly bodies: BodyRules
  readonly addresses: Addresses
}

/** A call that may be sent: its target is certain and its body is held whole. */
export interface Admitted {
  readonly call: Call
  readonly target: Target
  readonly body: HeldBody
  /** Where else, how often, how long; `null` = nothing was asked, and it is sent once. */
  readonly chain: Chain | null
}

/**
 * Holds the body and settles where the call goes.
 *
 * @throws WeirError of origin `client`; ClientGone. Nothing has been sent.
 */
export const admitBy =
  (deps: AdmitDeps) =>
  async (call: Call, req: IncomingMessage, res: ServerResponse, record: CallRecord, client: Client): Promise<Admitted> => {
    checkDeclared(req, deps.bodies)
    meetExpectation(req, res)
    if (record.request === null) throw new WeirError('internal', 'A call was admitted before it was identified.')
    const body = await readBody(req, record.request, deps.bodies)
    client.serving = null
    try {
      const route = call.target?.route ?? { family: familyOfUnified(call.unifiedPath ?? ''), api: '' }
      const asked = readRequest({
        family: route.family,
        api: route.api,
        path: call.target?.path ?? call.unifiedPath ?? '',
        body: call.contentEncoding === null || call.contentEncoding === 'identity' ? body.head : Buffer.alloc(0),
        contentType: req.headers['content-type'],
      })
      record.asked = asked
      if (call.target !== null) {
        record.mark('admitted')
        return { call, target: call.target, body, chain: chainOf(call, call.target, asked, deps) }
      }
      const { target, model } = targetOfModel(call, call.unifiedPath ?? '', asked, deps)
      record.target = target
      record.asked = { ...asked, model }
      checkCredential(call, target.provider)
      record.mark('admitted')
      const chain = chainOf(call, target, record.asked, deps)
      if (model === asked.model) return { call, target, body, chain }
      const spliced = spliceModel(body, model)
      record.altered.push('model')
      return { call, target, body: spliced, chain }
    } catch (cause) {
      body.release()
      throw cause
    }
  }

const spliceModel = (body: HeldBody, model: string): HeldBody => {
  if (body.spilled)
    throw new WeirError(
      'body_too_large',
      'A body over 10 MiB cannot have its model rewritten; use the path of the provider instead of /v1.',
    )
  const changed = spliceString(body.head, 'model', model)
  if (changed === null) throw new WeirError('bad_body', 'The "model" of the body could not be found again.', { param: 'model' })
  return replaced(body, changed)
}
