import type { OwnValues } from './own-values.js'

/** What becomes of an answer whose client has left: given up at once, or read to its end. */
export type Disconnect = 'abort' | 'drain'

/**
 * @returns `null` when it is left to the provider.
 * @throws WeirError `bad_header`
 */
export const readDisconnect = (own: OwnValues): Disconnect | null => {
  const found = own.get('disconnect')
  if (found === undefined) return null
  const word = found.value.trim().toLowerCase()
  if (word === 'abort' || word === 'drain') return word
  own.bad(found)
  return null
}
