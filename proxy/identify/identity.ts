import { WeirError } from '../../core/errors.js'
import type { Identity } from '../../core/exchange.js'
import type { Durability } from '../../journal/port.js'
import type { StreamUsage } from '../call.js'
import { collect, type Collected, type HeaderRules } from './collect.js'
import { keyInAuth } from './credentials.js'
import { headerText, OwnValues, type OwnValue } from './own-values.js'
import { addBehind, noPresets, type Preset, type Presets } from './presets.js'
import type { OwnHeader } from './read-headers.js'
import { readSteering, type Steering } from './steering.js'
import { readTargetUrl, type CallerAddress } from './target-url.js'

/** What our headers said. */
export interface OwnAsked {
  readonly identity: Identity
  readonly durability: Durability
  readonly streamUsage: StreamUsage
  readonly costReport: boolean
  /** Each write to the client ends where an event ends. */
  readonly wholeEvents: boolean
  readonly steering: Steering
  /** Where the caller wants it to go; `null` = where its path leads. */
  readonly targetUrl: CallerAddress | null
  readonly warnings: readonly string[]
  readonly providerKeys: ReadonlyMap<string, string>
  readonly twins: boolean
  /** By name in lower case, with those of weir.yaml: what was read. */
  readonly values: ReadonlyMap<string, OwnValue>
}

interface Rules extends HeaderRules {
  /** Of weir.yaml; without, there are none. */
  readonly presets?: Presets
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

const tagList = (text: string): string[] | null => {
  const tags: string[] = []
  let rest = text
  while (rest !== '') {
    const found = /^\s*(?:"((?:[^"\\]|\\["\\])*)"|([A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*))\s*(,|$)/.exec(rest)
    if (found === null) return null
    const tag = found[1] === undefined ? (found[2] as string) : found[1].replaceAll(/\\(["\\])/g, '$1')
    if (Buffer.byteLength(tag) > 64 || tags.length === 16) return null
    tags.push(tag)
    rest = rest.slice(found[0].length)
    if (found[3] === ',' && rest.trim() === '') return null
  }
  return tags
}

const configName = /^[a-z0-9][a-z0-9._-]{0,63}$/

/** The set of headers that a call names, else `defaults`. */
const presetFor = (found: OwnValue | undefined, { defaults, configs }: Presets): Preset => {
  if (found === undefined) return defaults
  const name = found.value.trim()
  const { name: header } = found
  if (!configName.test(name))
    throw new WeirError('bad_header', `${header}: accepted is ${found.header.grammar}.`, { param: header })
  const preset = configs.get(name)
  if (preset !== undefined) return preset
  const known = [...configs.keys()]
  throw new WeirError(
    'bad_header',
    `${header}: weir.yaml has no config "${name}"${known.length === 0 ? ', and no other (configs).' : `; it has ${known.join(', ')}.`}`,
    { param: header },
  )
}

const wordIn = <T extends string>(own: OwnValues, key: string, words: readonly T[]): T | null => {
  const found = own.get(key)
  if (found === undefined) return null
  const word = found.value.trim().toLowerCase()
  const known = words.find((each) => each === word)
  if (known === undefined) own.bad(found)
  return known ?? null
}

const sessionPathIn = (own: OwnValues, sessionId: string | null): string | null => {
  const found = own.get('session-path')
  let path = own.text('session-path', 512)
  if (path !== null && found !== undefined && !path.startsWith('/')) {
    own.bad(found)
    path = `/${path}`
  }
  return path === null ? (sessionId === null ? null : '/') : path.replaceAll(/\/{2,}/g, '/').replace(/(.)\/$/, '$1')
}

const tagsIn = (own: OwnValues): readonly string[] => {
  const found = own.get('tags')
  if (found === undefined) return noTags
  const read = headerText(found.value)
  const list = read === null ? null : tagList(read)
  if (list === null) own.bad(found)
  return list ?? noTags
}

const requestIdIn = (own: OwnValues): string | null => {
  const found = own.get('request-id')
  if (found === undefined) return null
  const id = found.value.trim()
  if (uuid.test(id)) return id.toLowerCase()
  own.bad(found)
  return null
}

const streamUsageIn = (own: OwnValues): StreamUsage => {
  const found = own.get('stream-usage')
  if (found === undefined) return 'auto'
  const word = found.value.trim().toLowerCase()
  if (word === 'auto' || word === 'pass' || word === 'off') return word
  if (found.dialect === 'helicone' && word === 'true') return 'pass'
  if (found.dialect === 'helicone' && word === 'false') return 'off'
  own.bad(found)
  return 'auto'
}

/** The key itself was taken before; what it stands in has to be one. */
const checkAuth = (own: OwnValues): void => {
  const found = own.get('auth')
  if (found !== undefined && keyInAuth(found.value) === null) own.bad(found)
}

const noTags: readonly string[] = []
const durabilities = ['standard', 'strict'] as const

/** Read once where nothing was sent that could change it. */
const steeringFor = ({ steers }: Collected, own: OwnValues, { steering }: Preset, cacheControl: string | null): Steering =>
  !steers && (cacheControl === null || steering.cache === null) ? steering : readSteering(own, cacheControl)

/**
 * Reads our headers into who called and what is asked. The one place that knows their grammar.
 *
 * @param cacheControl The request's own `Cache-Control`; `null` = none.
 * @throws WeirError `bad_header`, `unknown_header`, `reserved_header`: a `Weir-*` header that cannot be meant as it stands.
 */
export const readOwnHeaders = (sent: readonly OwnHeader[], rules: Rules, cacheControl: string | null = null): OwnAsked => {
  const collected = collect(sent, rules)
  const { values, warnings } = collected
  const preset = presetFor(values.get('config'), rules.presets ?? noPresets)
  if (preset.values.size === 0) return readAll(collected, new OwnValues(values, warnings, rules), preset, cacheControl)
  addBehind(values, preset.values)
  const own = new OwnValues(values, warnings, rules)
  const asked = readAll(collected, own, preset, cacheControl)
  return replaceFaulty(values, own, preset.values)
    ? readAll(collected, new OwnValues(values, [], rules), preset, cacheControl)
    : asked
}

/** What was bad and forgiven is ignored: what weir.yaml holds takes its place. @returns Whether there was any. */
const replaceFaulty = (values: Map<string, OwnValue>, own: OwnValues, preset: ReadonlyMap<string, OwnValue>): boolean => {
  let any = false
  for (const [key, value] of values) {
    const instead = own.isFaulty(value) ? preset.get(key) : undefined
    if (instead === undefined) continue
    values.set(key, instead)
    any = true
  }
  return any
}

const readAll = (collected: Collected, own: OwnValues, preset: Preset, cacheControl: string | null): OwnAsked => {
  const { values, properties, providerKeys, warnings, helicone } = collected
  const sessionId = own.text('session-id', 256)
  checkAuth(own)
  return {
    identity: {
      userId: own.text('user-id', 256),
      sessionId,
      sessionName: own.text('session-name', 256),
      sessionPath: sessionPathIn(own, sessionId),
      properties,
      tags: tagsIn(own),
      clientRequestId: requestIdIn(own),
      promptId: own.text('prompt-id', 256),
      promptVersion: own.text('prompt-version', 256),
      modelOverride: own.text('model-override', 128),
      keyId: '',
      trace: null,
      omitRequest: own.flag('omit-request'),
      omitResponse: own.flag('omit-response'),
    },
    durability: wordIn(own, 'durability', durabilities) ?? 'off',
    streamUsage: streamUsageIn(own),
    costReport: own.flag('cost-report'),
    wholeEvents: own.flag('stream-force-format'),
    steering: steeringFor(collected, own, preset, cacheControl),
    targetUrl: readTargetUrl(own),
    warnings,
    providerKeys,
    twins: helicone,
    values,
  }
}
