import { createHmac } from 'node:crypto'
import { WeirError } from '../../core/errors.js'
import type { Identity, TraceContext } from '../../core/exchange.js'
import { classifyHeader, knownHeaderNames, type GatewayHeader } from '../../core/headers.js'
import { nearest } from '../../core/nearest.js'
import type { Durability } from '../../journal/port.js'
import type { StreamUsage } from '../call.js'
import type { OwnHeader } from './read-headers.js'

/** What our headers said. */
export interface OwnAsked {
  readonly identity: Identity
  readonly durability: Durability
  readonly streamUsage: StreamUsage
  readonly costReport: boolean
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

const ascii = /^[\x20-\x7e]*$/
// eslint-disable-next-line no-control-regex
const control = /[\x00-\x1f\x7f]/
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Header text as people meant it (headers.md §1.7): UTF-8, else ISO-8859-1; `UTF-8''` begins an RFC 8187 value. `null` = bad. */
export const headerText = (value: string): string | null => {
  let text = value.trim()
  if (!ascii.test(text)) {
    try {
      text = utf8.decode(Buffer.from(text, 'latin1'))
    } catch {
      // ISO-8859-1 it is: `text` already holds it.
    }
  } else if (text.startsWith("UTF-8''")) {
    try {
      text = decodeURIComponent(text.slice(7))
    } catch {
      return null
    }
  }
  return control.test(text) ? null : text
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

const noProperties: Readonly<Record<string, string>> = Object.freeze({})
const noKeys: ReadonlyMap<string, string> = new Map()

/**
 * Reads our headers into who called. The one place that knows their grammar.
 *
 * @throws WeirError `bad_header`, `unknown_header`, `reserved_header`: a `Weir-*` header that cannot be meant as it stands.
 */
export const readOwnHeaders = (own: readonly OwnHeader[], rules: Rules): OwnAsked => {
  const warnings: string[] = []
  const values = new Map<string, { value: string; dialect: 'weir' | 'helicone'; header: GatewayHeader; name: string }>()
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

  for (const { dialect, rest, name, value } of own) {
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
          if (rest === 'tags') values.set(rest, { ...before, value: `${before.value}, ${value}` })
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

  const text = (rest: string, limit: number): string | null => {
    const found = values.get(rest)
    if (found === undefined) return null
    const read = headerText(found.value)
    if (read === null || Buffer.byteLength(read) > limit) {
      bad(found.dialect, found.name, found.header.grammar)
      return null
    }
    return read === '' ? null : read
  }
  const flag = (rest: string): boolean => {
    const found = values.get(rest)
    if (found === undefined) return false
    const word = found.value.trim().toLowerCase()
    if (word !== 'true' && word !== 'false') bad(found.dialect, found.name, found.header.grammar)
    return word === 'true'
  }

  let sessionPath: string | null = null
  let sessionId: string | null = null
  let tags: readonly string[] = []
  let clientRequestId: string | null = null
  let durability: Durability = 'off'
  let streamUsage: StreamUsage = 'auto'
  let weirKey: string | null = null
  if (values.size > 0) {
    sessionId = text('session-id', 256)
    sessionPath = text('session-path', 512)
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
    clientRequestId = text('request-id', 64)
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
      userId: text('user-id', 256),
      sessionId,
      sessionName: text('session-name', 256),
      sessionPath: sessionPath ?? (sessionId === null ? null : '/'),
      properties: properties ?? noProperties,
      tags,
      clientRequestId: clientRequestId?.toLowerCase() ?? null,
      promptId: text('prompt-id', 256),
      promptVersion: text('prompt-version', 256),
      modelOverride: text('model-override', 128),
      keyId: weirKey === null ? '' : `weir-${rules.fingerprint(weirKey)}`,
      trace: null,
      omitRequest: flag('omit-request'),
      omitResponse: flag('omit-response'),
    },
    durability,
    streamUsage,
    costReport: flag('cost-report'),
    warnings,
    providerKeys: keys ?? noKeys,
    weirKey,
    twins: helicone,
  }
}
