import { WeirError } from '../../core/errors.js'
import { classifyHeader, knownHeaderNames } from '../../core/headers.js'
import { nearest } from '../../core/nearest.js'
import { headerText, trimmed, warningOf, type Ceilings, type OwnValue } from './own-values.js'
import type { OwnHeader } from './read-headers.js'

/** How our headers are taken. */
export interface HeaderRules {
  /** A fault in a `Helicone-*` header is a 400, too. */
  readonly strictHelicone: boolean
  readonly isProvider: (name: string) => boolean
  /** Without, there are none. */
  readonly ceilings?: Ceilings
}

/** Our headers of one request, by name; what they hold has not been read. */
export interface Collected {
  /** By name in lower case without prefix. */
  readonly values: Map<string, OwnValue>
  readonly properties: Readonly<Record<string, string>>
  readonly providerKeys: ReadonlyMap<string, string>
  /** Grows while they are read. */
  readonly warnings: string[]
  /** One of them was Helicone's. */
  readonly helicone: boolean
  /** One of them says more than who calls. */
  readonly steers: boolean
}

type Dialect = OwnHeader['dialect']

const token = /^[!#$%&'*+.^_`|~0-9a-z-]{1,64}$/
const visible = /^[\x21-\x7e]{1,512}$/
const mostProperties = 64
/** They go out in one header: a thousand names that mean nothing must not break the answer. */
const mostWarnings = 64
const mostPropertyBytes = 1024
const noProperties: Readonly<Record<string, string>> = Object.freeze({})
const noKeys: ReadonlyMap<string, string> = new Map()

/** Whatever their names are: `__proto__` is one. */
const textsOf = (properties: ReadonlyMap<string, { readonly text: string }>): Record<string, string> => {
  const texts: Record<string, string> = {}
  for (const [key, { text }] of properties) {
    if (key === '__proto__')
      Object.defineProperty(texts, key, { value: text, enumerable: true, configurable: true, writable: true })
    else texts[key] = text
  }
  return texts
}

const refuse = (name: string, what: string): never => {
  throw new WeirError('bad_header', `${name}: ${what}.`, { param: name })
}

/**
 * Sorts our headers by name: the two spellings brought together, repeated ones joined or refused, those of no effect warned of.
 *
 * @throws WeirError `bad_header`, `unknown_header`, `reserved_header`: a `Weir-*` header that cannot be meant as it stands.
 */
export const collect = (sent: readonly OwnHeader[], { strictHelicone, isProvider }: HeaderRules): Collected => {
  const warnings: string[] = []
  const values = new Map<string, OwnValue>()
  let properties: Map<string, { readonly text: string; readonly dialect: Dialect }> | null = null
  let keys: Map<string, string> | null = null
  let helicone = false
  let steers = false

  const warn = (kind: string, name: string): void => {
    if (warnings.length < mostWarnings) warnings.push(warningOf(kind, name))
  }
  const bad = (dialect: Dialect, name: string, what: string): void => {
    if (dialect === 'weir' || strictHelicone) refuse(name, what)
    warn('bad-value', name)
  }

  const property = ({ dialect, name, value }: OwnHeader, key: string): void => {
    const read = headerText(value)
    if (read === '') return
    if (read === null || !token.test(key))
      return bad(dialect, name, 'accepted is a name of at most 64 token characters and text of at most 1024 bytes')
    properties ??= new Map()
    const before = properties.get(key)
    if (before?.dialect === dialect) return bad(dialect, name, 'it stands for one value, and was sent twice')
    if (before !== undefined) warn('shadowed', dialect === 'helicone' ? name : `helicone-property-${key}`)
    if (before?.dialect === 'weir') return
    let text = read
    if (Buffer.byteLength(read) > mostPropertyBytes) {
      if (dialect === 'weir' || strictHelicone) refuse(name, `accepted is text of at most ${mostPropertyBytes} bytes`)
      warn('capped', name)
      text = Buffer.from(read).subarray(0, mostPropertyBytes).toString('utf8').replace(/�$/, '')
    }
    if (before === undefined && properties.size === mostProperties) {
      if (dialect === 'weir' || strictHelicone) refuse(name, `accepted are at most ${mostProperties} properties`)
      return warn('capped', name)
    }
    properties.set(key, { text, dialect })
  }

  for (const each of sent) {
    const { dialect, rest, name, value } = each
    if (dialect === 'helicone') helicone = true
    const what = classifyHeader(dialect, rest, isProvider)
    switch (what.kind) {
      case 'known': {
        const { header, key } = what
        if (header.state === 'later') {
          warn('ignored', name)
          break
        }
        if (trimmed(value) === '') break
        if (header.part !== 'identity' && key !== 'config') steers = true
        const before = values.get(key)
        if (before === undefined) values.set(key, { value, dialect, header, name, from: 'header' })
        else if (before.dialect === dialect) {
          if (header.list) values.set(key, { ...before, value: `${before.value}, ${value}` })
          else bad(dialect, name, `it stands for one value, and was sent twice; accepted is ${header.grammar}`)
        } else {
          warn('shadowed', dialect === 'helicone' ? name : before.name)
          if (dialect === 'weir') values.set(key, { value, dialect, header, name, from: 'header' })
        }
        break
      }
      case 'property':
        property(each, what.key)
        break
      case 'providerKey': {
        const key = trimmed(value).replace(/^Bearer\s+/i, '')
        if (key === '') break
        if (!visible.test(key)) refuse(name, 'accepted is a key of 1 to 512 visible characters')
        keys ??= new Map()
        if (keys.has(what.provider)) refuse(name, 'it stands for one key, and was sent twice')
        keys.set(what.provider, key)
        break
      }
      case 'reserved':
        throw new WeirError('reserved_header', `${name} is reserved for a later version of Weir; remove it.`, { param: name })
      case 'without':
        warn(what.warning, name)
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
  return {
    values,
    properties: properties === null ? noProperties : textsOf(properties),
    providerKeys: keys ?? noKeys,
    warnings,
    helicone,
    steers,
  }
}
