import { maskSecrets } from './redact.js'

/** Stands where a secret was. */
const hidden = '[hidden]'

/** The forms in which a secret turns up. */
const formsOf = (secret: string): string[] => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64'),
  Buffer.from(secret).toString('base64url'),
]

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Places where a secret stands whatever it is. Each is linear: no two parts of it take the same characters. */
const places: readonly (readonly [RegExp, string])[] = [
  [/([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/@"'<>\\]+@/gi, `$1${hidden}@`],
  [/\b(Bearer)\s+[\w.~+/=-]{8,}/gi, `$1 ${hidden}`],
  [/\b(Basic)\s+[A-Za-z0-9+/=_-]{16,}/g, `$1 ${hidden}`],
  [/([?&][\w.-]{0,40}(?:key|token|secret|signature|sig|password|auth|credential)=)[^&\s"'#\\]+/gi, `$1${hidden}`],
  [
    /(\b(?:authorization|cookie|x-api-key|api-key|x-goog-api-key|weir-auth)\\?["']?\s*[:=]\s*\\?["']?)(?!Bearer|Basic)[^\s"',;}\\]{6,}/gi,
    `$1${hidden}`,
  ],
]

/**
 * Makes what takes secrets out of a text: those that are known, in every form, and what stands where secrets stand.
 *
 * @param secrets Each long enough to be no part of a word.
 */
export const secretHider = (secrets: readonly string[]): ((text: string) => string) => {
  const forms = [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length)
  const known = forms.length === 0 ? null : new RegExp(forms.map(escaped).join('|'), 'g')
  return (text) => {
    const without = known === null ? text : text.replace(known, hidden)
    return maskSecrets(places.reduce((left, [pattern, instead]) => left.replace(pattern, instead), without))
  }
}

/** Names of fields whose value never reaches a log, at any depth. */
const fields =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|headers|adminsecret|password|passphrase|secret|token|x-goog-api-key|(?:x-)?api-?key)$/i

/** A value of JSON with every text in it seen to, and fields that are named like a secret hidden. */
export const hideIn = (value: unknown, hide: (text: string) => string): unknown => {
  if (typeof value === 'string') return hide(value)
  if (Array.isArray(value)) return value.map((item) => hideIn(item, hide))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [hide(name), fields.test(name) ? hidden : hideIn(item, hide)]),
  )
}
