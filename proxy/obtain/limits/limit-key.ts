import { createHash } from 'node:crypto'
import type { LimitPolicy } from '../../../core/limit-policy.js'
import type { CallRecord } from '../../record.js'

const longestValue = 64

/** A value as part of a key: itself, or its digest where it is long. */
const valueText = (value: string): string =>
  value.length <= longestValue ? `=${value}` : `#${createHash('sha256').update(value).digest('base64url')}`

/**
 * The bucket of a policy and a value: unit, window, segment, value. Only the last part can hold a blank.
 *
 * @param value `null` = the one bucket of all that have none.
 */
export const limitKey = ({ unit, windowS, segment }: LimitPolicy, value: string | null): string => {
  const kind = `${unit} ${windowS}`
  if (segment === null) return kind
  return value === null ? `${kind} ${segment}` : `${kind} ${segment} ${valueText(value)}`
}

/** A call's own value of a segment; `null` = it has none. */
export const segmentValue = (segment: string, record: CallRecord): string | null => {
  const { call, asked } = record
  if (call === null) return null
  const { identity } = call
  switch (segment) {
    case 'user':
      return identity.userId ?? asked?.user?.slice(0, 256) ?? null
    case '@key':
      return identity.keyId === '' ? null : identity.keyId
    case '@session':
      return identity.sessionId
    case '@model':
      return asked?.model ?? null
    default:
      return Object.hasOwn(identity.properties, segment) ? (identity.properties[segment] ?? null) : null
  }
}

/** What a caller has to send so that a segment has a value. */
export const segmentSource = (segment: string): string => {
  switch (segment) {
    case 'user':
      return 'Weir-User-Id'
    case '@key':
      return 'Weir-Auth'
    case '@session':
      return 'Weir-Session-Id'
    case '@model':
      return 'model'
    default:
      return `Weir-Property-${segment}`
  }
}
