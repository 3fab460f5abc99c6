import { WeirError } from '../../core/errors.js'
import { hasDotSegments } from './dot-segments.js'
import { headerText, type OwnValues } from './own-values.js'

/** An address that a caller gave. */
export interface CallerAddress {
  /** The header it stood in, for messages. */
  readonly header: string
  /** `scheme://host[:port]`, as URLs write it: an IPv4 address in four decimal parts, however it was spelled. */
  readonly origin: string
  /** Stands before the path of the call; no slash at its end. */
  readonly base: string
}

/** A host, no user before it, nothing but a path behind it. */
const form = /^https?:\/\/[^/?#@\\\s]+(?:\/[^?#\\\s]*)?$/i

/**
 * Origin and path of an http(s) URL without user, query or fragment.
 *
 * @returns `null` when it is none.
 */
export const addressIn = (text: string): Omit<CallerAddress, 'header'> | null => {
  if (!form.test(text)) return null
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '') return null
  const hostname = url.hostname.replace(/\.$/, '')
  if (hostname === '' || hostname.endsWith('.') || hasDotSegments(url.pathname)) return null
  return {
    origin: `${url.protocol}//${hostname}${url.port === '' ? '' : `:${url.port}`}`,
    base: url.pathname.replace(/\/+$/, ''),
  }
}

/**
 * Reads `Target-URL`. Helicone drops its path, and so is it done under that name.
 *
 * @returns `null` when it was not sent.
 * @throws WeirError `bad_header`, in both dialects: a call that goes where it was not meant to cannot be taken back.
 */
export const readTargetUrl = (own: OwnValues): CallerAddress | null => {
  const found = own.get('target-url')
  if (found === undefined) return null
  const { name, header, dialect } = found
  const address = addressIn(headerText(found.value) ?? '')
  if (address === null) throw new WeirError('bad_header', `${name}: accepted is ${header.grammar}.`, { param: name })
  if (dialect === 'weir' || address.base === '') return { header: name, ...address }
  own.warn('path-dropped', found)
  return { header: name, origin: address.origin, base: '' }
}
