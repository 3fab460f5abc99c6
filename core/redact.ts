/** Headers that may be stored (security.md §4). */
const storedExactly = new Set(['user-agent', 'traceparent', 'x-should-retry', 'x-amzn-requestid', 'x-amzn-errortype'])
const storedPrefixes = [
  'content-',
  'accept',
  'openai-',
  'anthropic-',
  'x-stainless-',
  'x-ratelimit-',
  'retry-after',
  'x-ms-served-model',
  'x-amzn-bedrock-',
]
const neverExactly = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-amz-security-token'])
const neverEnding = ['-key', '-token', '-secret', '-auth']

/**
 * Whether a header may be in a record.
 *
 * @param lower The name in lower case.
 */
export const isStoredHeader = (lower: string): boolean =>
  !neverExactly.has(lower) &&
  !lower.startsWith('aws-') &&
  !neverEnding.some((ending) => lower.endsWith(ending)) &&
  (storedExactly.has(lower) || lower.endsWith('request-id') || storedPrefixes.some((prefix) => lower.startsWith(prefix)))

/** Shapes of keys that turn up in bodies and error texts. Linear: every alternative begins with a literal. */
const keyShapes =
  /\b(?:sk-[A-Za-z0-9_-]{16,}|gsk_[A-Za-z0-9]{16,}|xai-[A-Za-z0-9]{16,}|pplx-[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{20,}|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}|xox[abeprs]-[A-Za-z0-9-]{10,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]{0,8192}?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g
/** Text with everything that looks like a key replaced by its first characters and `***`. */
export const maskSecrets = (text: string): string =>
  text.replace(keyShapes, (found) => (found.startsWith('-----') ? '-----PRIVATE KEY***' : `${found.slice(0, 6)}***`))
