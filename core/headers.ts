/** One request header of ours. `name` stands without its prefix, as it is written in the docs. */
export interface GatewayHeader {
  readonly name: string
  /** Also accepted as `Helicone-<name>`. */
  readonly helicone: boolean
  /** What is accepted, in words a caller can act on. */
  readonly grammar: string
  /** `later`: accepted, not forwarded, without effect yet (warning `ignored`). `reserved`: refused. `none`: no effect by design. */
  readonly state: 'used' | 'later' | 'reserved' | 'none'
}

const used = (name: string, helicone: boolean, grammar: string): GatewayHeader => ({ name, helicone, grammar, state: 'used' })
const later = (name: string, helicone: boolean, grammar: string): GatewayHeader => ({ name, helicone, grammar, state: 'later' })

/** headers.md §3. `Property-<Name>` and `<Provider>-Key` are families of names and are matched by their fixed part. */
export const gatewayHeaders: readonly GatewayHeader[] = [
  used('Auth', true, '"Bearer " and a key of 1 to 512 visible characters'),
  used('User-Id', true, 'text of at most 256 bytes'),
  used('Session-Id', true, 'text of at most 256 bytes'),
  used('Session-Path', true, 'text of at most 512 bytes that begins with /'),
  used('Session-Name', true, 'text of at most 256 bytes'),
  used('Tags', false, 'a list of at most 16 tokens or quoted strings of at most 64 bytes, as a, "b c"'),
  used('Request-Id', true, 'a UUID'),
  used('Prompt-Id', true, 'text of at most 256 bytes'),
  used('Prompt-Version', true, 'text of at most 256 bytes'),
  used('Model-Override', true, 'text of at most 128 bytes'),
  later('Target-URL', true, 'an http(s) URL without user, query or fragment'),
  used(
    'Fallback',
    false,
    'a list of at most 7 targets, as openai/gpt-5-mini;ttft=3000, groq;on="429 5xx"; parameters are retries 0 to 10, ttft and timeout in ms, weight 0 to 1000, on',
  ),
  used(
    'Fallbacks',
    true,
    'a JSON array of 1 to 8 {"target" or "target-url", "headers", "onCodes", "bodyKeyOverride"}, at most 16 KiB',
  ),
  used(
    'Strategy',
    false,
    'fallback, weighted, latency or cost, perhaps with ;primary=0 to 1000 and ;sticky=none, user or session',
  ),
  later('Config', false, 'the name of a config'),
  used('Cache-Enabled', true, 'true or false'),
  used('Cache-Read', true, 'true or false'),
  used('Cache-Save', true, 'true or false'),
  used('Cache-Control', true, 'a list of max-age=seconds, s-maxage=seconds, no-cache, no-store'),
  used('Cache-Bucket-Max-Size', true, 'a whole number from 1 to 20'),
  used('Cache-Seed', true, 'text of at most 256 bytes'),
  used(
    'Cache-Ignore-Keys',
    true,
    'at most 32 paths into the body, as a,b.c or "a","b.c"; * stands for every element of an array',
  ),
  used('Cache-Scope', false, 'credential, user or tenant'),
  used('Cache-Replay', false, 'instant or paced'),
  used('Retry-Enabled', true, 'true or false'),
  used('Retry-Num', true, 'a whole number from 0 to 10'),
  used('Retry-Factor', true, 'a number from 1 to 10'),
  used('Retry-Min-Timeout', true, 'milliseconds, at most 120000'),
  used('Retry-Max-Timeout', true, 'milliseconds, at most 120000'),
  used('Retry-On', false, 'statuses and kinds of failure, as 429 5xx 520-524 overloaded'),
  used('Timeout', false, 'any of total, connect, ttft and idle in milliseconds, as total=60000, ttft=5000'),
  used(
    'RateLimit-Policy',
    true,
    '1 to 8 policies, as 100;w=60, 5000;w=3600;u=cents;s=user: a quota, w= its window in seconds, u= request, tokens or cents, s= user, @key, @session, @model or a property, missing= shared, allow or deny, name= a token',
  ),
  used('Omit-Request', true, 'true or false'),
  used('Omit-Response', true, 'true or false'),
  used('Stream-Usage', true, 'auto, pass or off'),
  later('Stream-Force-Format', true, 'true or false'),
  used('Disconnect', false, 'abort or drain'),
  later('Redact', false, 'a list of rules or body paths'),
  used('Durability', false, 'standard or strict'),
  used('Cost-Report', false, 'true or false'),
  ...[
    'Budget',
    'Max-Cost',
    'Virtual-Key',
    'Feedback',
    'Translate',
    'Body-Mapping',
    'Token-Limit',
    'Resume',
    'Hedge',
    'Shadow',
    'Cache-Mode',
  ].map((name): GatewayHeader => ({ name, helicone: false, grammar: 'reserved for a later version', state: 'reserved' })),
]

/** Helicone's own names that have no effect here; each leaves the warning `ignored` (headers.md §3.8). */
const heliconeOnly = [
  'webhook-enabled',
  'node-id',
  'posthog-key',
  'posthog-host',
  'manual-access-key',
  'jwt',
  'org-id',
  'prompt-mode',
  'prompt-format',
  'prompt-name',
  'increase-timeout',
  'token-limit-exception-handler',
  'gateway-body-mapping',
  'llm-security-enabled',
  'llm-security-advanced',
  'prompt-security-enabled',
  'moderations-enabled',
  'openai-api-base',
]
const heliconeOnlyPrefixes = ['experiment-', 'posthog-', 'lytix-']
const reservedPrefixes = ['guard', 'score-']

const byName = new Map(gatewayHeaders.map((header) => [header.name.toLowerCase(), header]))

export type Classified =
  | { readonly kind: 'known'; readonly header: GatewayHeader }
  | { readonly kind: 'property'; readonly key: string }
  | { readonly kind: 'providerKey'; readonly provider: string }
  | { readonly kind: 'reserved' }
  | { readonly kind: 'ignored' }
  | { readonly kind: 'unknown' }

/**
 * What one of our headers is.
 *
 * @param rest Lower-case name after `weir-` or `helicone-`.
 * @param isProvider Tells whether a word names a provider (for `Weir-<Provider>-Key`).
 */
export const classifyHeader = (dialect: 'weir' | 'helicone', rest: string, isProvider: (name: string) => boolean): Classified => {
  const header = byName.get(rest)
  if (header !== undefined && (dialect === 'weir' || header.helicone))
    return header.state === 'reserved' ? { kind: 'reserved' } : { kind: 'known', header }
  if (rest.startsWith('property-') && rest.length > 9) return { kind: 'property', key: rest.slice(9) }
  if (dialect === 'weir') {
    if (reservedPrefixes.some((prefix) => rest.startsWith(prefix))) return { kind: 'reserved' }
    if (rest.endsWith('-key') && isProvider(rest.slice(0, -4))) return { kind: 'providerKey', provider: rest.slice(0, -4) }
    return { kind: 'unknown' }
  }
  return heliconeOnly.includes(rest) || heliconeOnlyPrefixes.some((prefix) => rest.startsWith(prefix))
    ? { kind: 'ignored' }
    : { kind: 'unknown' }
}

/** Names a misspelt `Weir-*` header may have meant. */
export const knownHeaderNames: readonly string[] = gatewayHeaders.map((header) => header.name)

/** Hop-by-hop fields (RFC 9110 §7.6.1): of one connection only, never relayed. */
export const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
