import { createHmac } from 'node:crypto'
import { WeirError } from '../../core/errors.js'
import type { Identity, TraceContext } from '../../core/exchange.js'
import { classifyHeader, knownHeaderNames } from '../../core/headers.js'
import { nearest } from '../../core/nearest.js'
import type { Durability } from '../../journal/port.js'
import type { StreamUsage } from '../call.js'
import { headerText, OwnValues, type OwnValue } from './own-values.js'
import type { OwnHeader } from './read-headers.js'
import { noSteering, readSteering, type Steering } from './steering.js'

/** What our headers said. */
export interface OwnAsked {
  readonly identity: Identity
  readonly durability: Durability
  readonly streamUsage: StreamUsage
  readonly costReport: boolean
  readonly steering: Steering
  readonly warnings: readonly string[]
  readonly providerKeys: ReadonlyMap<string, string>
  readonly weirKey: string | null
  readonly twins: boolean
}

interface Rules {
  readonly strictHelicone: boolean
  readonly isProvider: (name: string) => boolean
  readonly fingerprint: (key: string) => string
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const token = /^[!#$%&'*+.^_`|~0-9a-z-]{1,64}$/

/** A W3C `traceparent`; an invalid one counts as none (traces.md §1). */
export const readTraceparent = (value: string | null): TraceContext | null => {
  if (value === null) return null
  const found = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(value.trim())
  if (found === null) return null
  const [, version, traceId, parentSpanId, flags, rest] = found as unknown as [
    string,
    string,
    string,
    string,
    string,
    string | undefined,
  ]
  if (version === 'ff' || (version === '00' && rest !== undefined)) return null
  if (/^0+$/.test(traceId) || /^0+$/.test(parentSpanId)) return null
  return { traceId, parentSpanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** A short, stable name for a key that tells nothing about it: HMAC-SHA-256 under this installation's secret. Remembers 10,000 keys. */
export const fingerprinter = (secret: Buffer): ((key: string) => string) => {
  const known = new Map<string, string>()
  return (key) => {
    let found = known.get(key)
    if (found === undefined) {
      found = createHmac('sha256', secret).update(key).digest('hex').slice(0, 12)
      if (known.size >= 10_000) known.clear()
      known.set(key, found)
    }
    return found
  }
}

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

/** Fields that may come in several lines (headers.md §1.5). */
const lists = new Set(['tags', 'cache-control', 'cache-ignore-keys', 'fallback', 'retry-on', 'timeout', 'ratelimit-policy'])

const noProperties: Readonly<Record<string, string>> = Object.freeze({})
const noKeys: ReadonlyMap<string, string> = new Map()

/**
 * Reads our headers into who called. The one place that knows their grammar.
 *
 * @param cacheControl The request's own `Cache-Control`; `null` = none.
 * @throws WeirError `bad_header`, `unknown_header`, `reserved_header`: a `Weir-*` header that cannot be meant as it stands.
 */
export const readOwnHeaders = (sent: readonly OwnHeader[], rules: Rules, cacheControl: string | null = null): OwnAsked => {
  const warnings: string[] = []
  const values = new Map<string, OwnValue>()
  let properties: Record<string, string> | null = null
  let propertyDialect: Map<string, 'weir' | 'helicone'> | null = null
  let keys: Map<string, string> | null = null
  let helicone = false

  const warn = (kind: string, name: string): void =>
    void warnings.push(`${kind};h="${name.toLowerCase().replaceAll(/[^!-~]|["\\]/g, '')}"`)
  const bad = (dialect: 'weir' | 'helicone', name: string, grammar: string): void => {
    if (dialect === 'weir' || rules.strictHelicone)
      throw new WeirError('bad_header', `${name}: accepted is ${grammar}.`, { param: name })
    warn('bad-value', name)
  }

  for (const { dialect, rest, name, value } of sent) {
    if (dialect === 'helicone') helicone = true
    const what = classifyHeader(dialect, rest, rules.isProvider)
    switch (what.kind) {
      case 'known': {
        if (what.header.state === 'later') {
          warn('ignored', name)
          break
        }
        if (value.trim() === '') break
        const before = values.get(rest)
        if (before === undefined) values.set(rest, { value, dialect, header: what.header, name })
        else if (before.dialect === dialect) {
          if (lists.has(rest)) values.set(rest, { ...before, value: `${before.value}, ${value}` })
          else bad(dialect, name, 'one value, but it was sent twice')
        } else {
          warn('shadowed', dialect === 'helicone' ? name : before.name)
          if (dialect === 'weir') values.set(rest, { value, dialect, header: what.header, name })
        }
        break
      }
      case 'property': {
        const text = headerText(value)
        if (text === '') break
        if (!token.test(what.key) || text === null) {
          bad(dialect, name, 'a name of at most 64 token characters and text of at most 1024 bytes')
          break
        }
        if (propertyDialect?.get(what.key) === 'weir' && dialect === 'helicone') {
          warn('shadowed', name)
          break
        }
        properties ??= {}
        let kept = text
        if (Buffer.byteLength(text) > 1024) {
          if (dialect === 'weir') bad(dialect, name, 'text of at most 1024 bytes')
          warn('capped', name)
          kept = Buffer.from(text).subarray(0, 1024).toString('utf8').replace(/�$/, '')
        }
        if (!(what.key in properties) && Object.keys(properties).length === 64) {
          if (dialect === 'weir') bad(dialect, name, 'at most 64 properties')
          warn('capped', name)
          break
        }
        properties[what.key] = kept
        propertyDialect ??= new Map()
        propertyDialect.set(what.key, dialect)
        break
      }
      case 'providerKey': {
        const key = value.trim().replace(/^Bearer\s+/i, '')
        if (!/^[\x21-\x7e]{1,512}$/.test(key)) bad(dialect, name, 'a key of 1 to 512 visible characters')
        keys ??= new Map()
        keys.set(what.provider, key)
        break
      }
      case 'reserved':
        throw new WeirError('reserved_header', `${name} is reserved for a later version of Weir; remove it.`, { param: name })
      case 'ignored':
        warn('ignored', name)
        break
      case 'unknown':
        if (dialect === 'helicone') warn('unknown-header', name)
        else {
          const near = nearest(rest, knownHeaderNames)
          throw new WeirError(
            'unknown_header',
            `${name} is not a header of Weir.${near === null ? ' docs/headers.md lists them.' : ` Did you mean Weir-${near}?`}`,
            { param: name },
          )
        }
    }
  }

  const own = new OwnValues(values, warnings, rules.strictHelicone)
  let sessionPath: string | null = null
  let sessionId: string | null = null
  let tags: readonly string[] = []
  let clientRequestId: string | null = null
  let durability: Durability = 'off'
  let streamUsage: StreamUsage = 'auto'
  let weirKey: string | null = null
  if (values.size > 0) {
    sessionId = own.text('session-id', 256)
    sessionPath = own.text('session-path', 512)
    if (sessionPath !== null && !sessionPath.startsWith('/')) {
      const from = values.get('session-path')
      if (from?.dialect === 'helicone' && !rules.strictHelicone) {
        warn('bad-value', from.name)
        sessionPath = `/${sessionPath}`
      } else if (from !== undefined) bad(from.dialect, from.name, from.header.grammar)
    }
    if (sessionPath !== null) sessionPath = sessionPath.replaceAll(/\/{2,}/g, '/').replace(/(.)\/$/, '$1')
    const tagHeader = values.get('tags')
    if (tagHeader !== undefined) {
      const read = headerText(tagHeader.value)
      const list = read === null ? null : tagList(read)
      if (list === null) bad(tagHeader.dialect, tagHeader.name, tagHeader.header.grammar)
      tags = list ?? []
    }
    clientRequestId = own.text('request-id', 64)
    if (clientRequestId !== null && !uuid.test(clientRequestId)) {
      const from = values.get('request-id')
      if (from !== undefined) bad(from.dialect, from.name, from.header.grammar)
      clientRequestId = null
    }
    const durabilityHeader = values.get('durability')
    if (durabilityHeader !== undefined) {
      const word = durabilityHeader.value.trim().toLowerCase()
      if (word !== 'standard' && word !== 'strict')
        bad(durabilityHeader.dialect, durabilityHeader.name, durabilityHeader.header.grammar)
      else durability = word
    }
    const usageHeader = values.get('stream-usage')
    if (usageHeader !== undefined) {
      const word = usageHeader.value.trim().toLowerCase()
      if (word === 'auto' || word === 'pass' || word === 'off') streamUsage = word
      else if (usageHeader.dialect === 'helicone' && word === 'true') streamUsage = 'pass'
      else if (usageHeader.dialect === 'helicone' && word === 'false') streamUsage = 'off'
      else bad(usageHeader.dialect, usageHeader.name, usageHeader.header.grammar)
    }
    const auth = values.get('auth')
    if (auth !== undefined) {
      const found = /^(?:Bearer\s+)?([\x21-\x7e]{1,512})$/i.exec(auth.value.trim())
      if (found === null) bad(auth.dialect, auth.name, auth.header.grammar)
      else weirKey = found[1] as string
    }
  }
  return {
    identity: {
      userId: own.text('user-id', 256),
      sessionId,
      sessionName: own.text('session-name', 256),
      sessionPath: sessionPath ?? (sessionId === null ? null : '/'),
      properties: properties ?? noProperties,
      tags,
      clientRequestId: clientRequestId?.toLowerCase() ?? null,
      promptId: own.text('prompt-id', 256),
      promptVersion: own.text('prompt-version', 256),
      modelOverride: own.text('model-override', 128),
      keyId: weirKey === null ? '' : `weir-${rules.fingerprint(weirKey)}`,
      trace: null,
      omitRequest: own.flag('omit-request'),
      omitResponse: own.flag('omit-response'),
    },
    durability,
    streamUsage,
    costReport: own.flag('cost-report'),
    steering: values.size === 0 ? noSteering : readSteering(own, cacheControl),
    warnings,
    providerKeys: keys ?? noKeys,
    weirKey,
    twins: helicone,
  }
}
