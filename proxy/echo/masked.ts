import { maskSecrets } from '../../core/redact.js'
import { maskPathKey } from '../identify/credentials.js'

const queryKey = /([?&](?:key|api_key|access_token|sig|x-amz-[^=&]*)=)[^&]*/gi

/** A path whose keys cannot be read any more, in front of it or in its query. */
export const maskedPath = (path: string): string => maskSecrets(maskPathKey(path).replaceAll(queryKey, '$1***'))

/** Headers inside `Fallbacks` hold keys in any form. */
const withoutHeaders = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutHeaders)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === 'headers' && item !== null && typeof item === 'object'
        ? Object.fromEntries(Object.keys(item).map((name) => [name, '***']))
        : withoutHeaders(item),
    ]),
  )
}

/**
 * The value of one of our headers, fit to be shown.
 *
 * @param name In lower case, without prefix.
 */
export const maskedValue = (name: string, value: string): string => {
  if (name === 'auth' || name.endsWith('-key')) return '***'
  const text = Buffer.from(value, 'latin1').toString('utf8')
  if (name !== 'fallbacks') return maskSecrets(text)
  try {
    return maskSecrets(JSON.stringify(withoutHeaders(JSON.parse(text))))
  } catch {
    return '***'
  }
}
