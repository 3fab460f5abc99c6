import { membersOf, pastSpace, splice } from '../../core/json-splice.js'
import { latin1 } from '../../core/providers/json-text.js'
import type { Admitted } from '../admit/admit.js'
import { replaced, type HeldBody } from '../admit/read-body.js'
import type { Target } from '../call.js'

const asking = '{"include_usage":true}'

/**
 * Azure refuses `stream_options` beside these ("Validation error at #/stream_options: Extra inputs are not permitted",
 * openai/openai-python#2296).
 */
const refusedBeside = ['data_sources', 'dataSources']
const wanted = ['stream', 'stream_options', ...refusedBeside]

/**
 * Merges `"stream_options":{"include_usage":true}` into a request body; every other byte stays. An explicit `false` is as if it had not
 * been said: what it would have kept away is hidden again.
 *
 * @returns `null` where the body must stay as it is: it asks itself, asks for no stream, is no JSON object, or holds something in that
 * place which the provider should refuse.
 */
export const withIncludeUsage = (json: Buffer): Buffer | null => {
  const top = membersOf(json, wanted)
  if (top === null || pastSpace(json, top.close + 1) < json.length) return null
  const stream = top.values.get('stream')
  if (stream === undefined || latin1(json, stream.start, stream.end) !== 'true') return null
  if (refusedBeside.some((name) => top.values.has(name))) return null
  const options = top.values.get('stream_options')
  if (options === undefined) return splice(json, { start: top.close, end: top.close }, `,"stream_options":${asking}`)
  if (latin1(json, options.start, options.end) === 'null') return splice(json, options, asking)
  const own = membersOf(json, ['include_usage'], options.start)
  if (own === null) return null
  const include = own.values.get('include_usage')
  if (include === undefined)
    return splice(json, { start: own.close, end: own.close }, `${own.isEmpty ? '' : ','}${asking.slice(1, -1)}`)
  const said = latin1(json, include.start, include.end)
  return said === 'false' || said === 'null' ? splice(json, include, 'true') : null
}

/** Azure takes the option on its v1 paths, elsewhere from this version of its API on. */
const firstAzureVersion = '2024-09-01'

const isTakenAt = ({ provider, path }: Target): boolean => {
  if (provider.name !== 'azure' || path.startsWith('/openai/v1/')) return true
  const version = /[?&]api-version=(\d{4}-\d{2}-\d{2})/i.exec(path)?.[1]
  return version !== undefined && version >= firstAzureVersion
}

/** Headers that vouch for the bytes of the body: an altered one would be refused. */
const vouching = /^(?:content-md5|(?:content-|repr-)?digest|signature(?:-input)?|x-(?:amz|goog)-content-sha256)$/i

/**
 * The body with which a stream's provider is asked for its usage (wire.md §1.1); the caller has made sure that it is flagged
 * `injectUsage` and that a stream is asked for.
 *
 * @returns `null` where nothing is to be altered. A body in a spill file stays as it is: its stream is estimated, if it must be.
 */
export const askForUsage = ({ call, target, body }: Pick<Admitted, 'call' | 'target' | 'body'>): HeldBody | null => {
  const { family, api } = target.route
  if (call.streamUsage === 'off' || family !== 'openai-chat' || (api !== 'chat' && api !== 'completions')) return null
  if (body.spilled || (call.contentEncoding !== null && call.contentEncoding !== 'identity') || !isTakenAt(target)) return null
  for (let i = 0; i < call.headers.length; i += 2) if (vouching.test(call.headers[i] as string)) return null
  const merged = withIncludeUsage(body.head)
  return merged === null ? null : replaced(body, merged)
}

/** The headers of a call whose answer must come without a content coding, so that an event can be taken out of it. */
export const askPlain = (headers: readonly string[]): string[] => {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2)
    if ((headers[i] as string).toLowerCase() !== 'accept-encoding') kept.push(headers[i] as string, headers[i + 1] as string)
  kept.push('accept-encoding', 'identity')
  return kept
}
