import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { spliceString } from '../../core/json-splice.js'
import { readRequest, type Asked } from '../../core/providers/read-request.js'
import type { Call, Target } from '../call.js'
import type { Chain } from '../chain.js'
import type { Client } from '../client.js'
import { meetExpectation } from '../expectation.js'
import type { CallRecord } from '../record.js'
import { familyOfUnified } from './unified-target.js'
import { checkDeclared, readBody, replaced, type BodyRules, type HeldBody } from './read-body.js'
import { resolve } from './resolve.js'
import type { Rules } from './rules.js'

export interface AdmitDeps extends Rules {
  readonly config: Config
  readonly bodies: BodyRules
}

/** A call that may be sent: its target is certain and its body is held whole. */
export interface Admitted {
  readonly call: Call
  readonly target: Target
  readonly body: HeldBody
  /** Where else, how often, how long; `null` = nothing was asked, and it is sent once. */
  readonly chain: Chain | null
}

const isEncoded = ({ contentEncoding }: Call): boolean => contentEncoding !== null && contentEncoding !== 'identity'
const nothing = Buffer.alloc(0)

/** What a body asks for; of one that is encoded, what the path tells. */
const read = (call: Call, target: Target | null, body: HeldBody, contentType: string | undefined): Asked =>
  readRequest({
    family: target?.route.family ?? familyOfUnified(call.unifiedPath ?? ''),
    api: target?.route.api ?? '',
    path: target?.path ?? call.unifiedPath ?? '',
    body: isEncoded(call) ? nothing : body.head,
    cut: body.head.length < body.length,
    contentType,
  })

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
      const contentType = req.headers['content-type']
      const asked = read(call, call.target, body, contentType)
      record.asked = asked
      const { target, model, chain } = resolve(call, asked, { contentType, rules: deps, record })
      // Its characters are what it costs; that it is speech was not known before.
      if (call.target === null && target.route.api === 'speech')
        record.asked = { ...read(call, target, body, contentType), model }
      record.mark('admitted')
      if (model === asked.model) return { call, target, body, chain }
      const spliced = spliceModel(body, model ?? '')
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
      'A body that is too long for memory (ceilings.bodyMemory in weir.yaml) cannot have its model rewritten; use the path of the provider instead of /v1.',
    )
  const changed = spliceString(body.head, 'model', model)
  if (changed === null) throw new WeirError('bad_body', 'The "model" of the body could not be found again.', { param: 'model' })
  return replaced(body, changed)
}
