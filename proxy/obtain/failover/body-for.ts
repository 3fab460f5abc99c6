import { membersOf, splice, spliceString } from '../../../core/json-splice.js'
import { readRequest, type Asked } from '../../../core/providers/read-request.js'
import type { Admitted } from '../../admit/admit.js'
import { replaced, type HeldBody } from '../../admit/read-body.js'
import type { ChainTarget } from '../../chain.js'
import { mergeOverride } from './merge-override.js'

/** What one target is sent, and what that asks for. */
export interface TargetBody {
  readonly body: HeldBody
  readonly asked: Asked | null
  /** What was done to the body, as rows call it. */
  readonly altered: 'model' | 'override' | null
}

const withModel = (json: Buffer, model: string): Buffer | null => {
  const spliced = spliceString(json, 'model', model)
  if (spliced !== null) return spliced
  const top = membersOf(json, ['model'])
  if (top === null || top.values.has('model')) return null
  return splice(json, { start: top.close, end: top.close }, `${top.isEmpty ? '' : ','}"model":${JSON.stringify(model)}`)
}

/**
 * The body for a target, made from the original one each time: its model in place, its override merged.
 *
 * @returns `null` where it cannot be altered as it must: over 10 MiB, encoded, or no JSON object.
 */
export const bodyFor = (
  { model, modelInPath, override, isOwn, target }: ChainTarget,
  { call, body }: Pick<Admitted, 'call' | 'body'>,
  asked: Asked | null,
): TargetBody | null => {
  const own = { body, asked, altered: null }
  if (isOwn) return own
  const askedOf = (name: string | null): Asked | null => (asked === null || name === null ? asked : { ...asked, model: name })
  const newModel = model !== null && model !== asked?.model && !modelInPath ? model : null
  if (newModel === null && override === null) return { ...own, asked: askedOf(model) }
  if (body.spilled || (call.contentEncoding !== null && call.contentEncoding !== 'identity')) return null
  let bytes: Buffer | null = body.head
  if (newModel !== null) bytes = withModel(bytes, newModel)
  if (bytes !== null && override !== null) bytes = mergeOverride(bytes, override)
  if (bytes === null) return null
  if (override === null) return { body: replaced(body, bytes), asked: askedOf(model), altered: 'model' }
  const { family, api } = target.route
  const reread = readRequest({ family, api, path: target.path, body: bytes })
  return { body: replaced(body, bytes), asked: { ...reread, model: reread.model ?? model }, altered: 'override' }
}
