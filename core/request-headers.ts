/** What a header is about, and under which heading it is told. */
export type HeaderPart = 'identity' | 'routing' | 'cache' | 'retry' | 'limits' | 'recording'

/** One request header of ours. `name` stands without its prefix, as it is written in the docs. */
export interface RequestHeader {
  /** `<...>` stands for what a caller chooses, a last `*` for any rest. */
  readonly name: string
  readonly part: HeaderPart
  /** Also accepted as `Helicone-<name>`. */
  readonly helicone: boolean
  /** What is accepted, in words a caller can act on. */
  readonly grammar: string
  /** What holds without it; `null` = nothing. */
  readonly absent: string | null
  /** What it does, in one line for a caller. */
  readonly meaning: string
  /** `later`: accepted, not forwarded, without effect yet (warning `ignored`). `reserved`: refused. */
  readonly state: 'used' | 'later' | 'reserved'
  /** May come in several lines, which are joined by commas (headers.md §1.5). */
  readonly list: boolean
  /** Says who calls, or is one call's alone: no place in weir.yaml. */
  readonly perCall: boolean
}

interface Row {
  readonly helicone?: true
  readonly list?: true
  readonly perCall?: true
  readonly later?: true
  readonly absent?: string
  readonly grammar: string
  readonly meaning: string
}

const rows = (part: HeaderPart, table: Readonly<Record<string, Row>>): readonly RequestHeader[] =>
  Object.entries(table).map(([name, { helicone, list, perCall, later, absent, grammar, meaning }]) => ({
    name,
    part,
    helicone: helicone === true,
    grammar,
    absent: absent ?? null,
    meaning,
    state: later === true ? 'later' : 'used',
    list: list === true,
    perCall: perCall === true,
  }))

const bool = 'true or false'
const text = (bytes: number): string => `text of at most ${bytes} bytes`

const identity = rows('identity', {
  Auth: {
    helicone: true,
    perCall: true,
    grammar: '"Bearer " and a key of 1 to 512 visible characters',
    meaning: 'the Weir key: who calls. Never forwarded',
  },
  '<Provider>-Key': {
    perCall: true,
    grammar: 'a key of 1 to 512 visible characters',
    meaning: 'the key of that provider, for targets at it: `Weir-Anthropic-Key`',
  },
  'User-Id': {
    helicone: true,
    perCall: true,
    grammar: text(256),
    absent: 'of the body: `user`, `safety_identifier`, `metadata.user_id`',
    meaning: 'the end user',
  },
  'Session-Id': { helicone: true, perCall: true, grammar: text(256), meaning: 'calls that belong together' },
  'Session-Path': {
    helicone: true,
    perCall: true,
    grammar: 'text of at most 512 bytes that begins with /',
    absent: '`/` with `Session-Id`',
    meaning:
      "where in the session's tree; `//` counts as `/`, one at the end is cut. `Helicone-`: a missing `/` is added, with a warning",
  },
  'Session-Name': { helicone: true, perCall: true, grammar: text(256), meaning: 'what people call the session' },
  'Property-<Name>': {
    helicone: true,
    perCall: true,
    grammar: 'a name of at most 64 token characters and text of at most 1024 bytes; 64 of them',
    meaning: 'anything to group by: feature, team, plan. `Helicone-`: longer text is cut, a 65th left out, with a warning',
  },
  Tags: {
    list: true,
    perCall: true,
    grammar: 'a list of at most 16 tokens or quoted strings of at most 64 bytes, as a, "b c"',
    meaning: 'stand on the row',
  },
  'Request-Id': {
    helicone: true,
    perCall: true,
    grammar: 'a UUID',
    meaning: 'yours, kept beside ours and answered as `Helicone-Id`; one that comes twice makes two rows',
  },
  'Prompt-Id': { helicone: true, grammar: text(256), meaning: 'which prompt was used' },
  'Prompt-Version': { helicone: true, grammar: text(256), meaning: 'which version of it' },
  'Model-Override': {
    helicone: true,
    grammar: text(128),
    absent: 'the model of the answer, else of the request',
    meaning: 'the model to price and to show',
  },
})

const routing = rows('routing', {
  'Target-URL': {
    helicone: true,
    perCall: true,
    grammar: 'an http(s) URL without user, query or fragment',
    meaning:
      'another origin, and a path before that of the call; below. `Helicone-` (also `Helicone-OpenAI-Api-Base`): the path is dropped, with a warning. Bad: 400 in both spellings',
  },
  Fallback: {
    list: true,
    grammar:
      'a list of at most 7 targets, as openai/gpt-5-mini;ttft=3000, "@azure-eu";on="429 5xx"; parameters are retries 0 to 10, ttft and timeout in ms, weight 0 to 1000, on',
    meaning: "targets after the call's own; below",
  },
  Fallbacks: {
    helicone: true,
    grammar: 'a JSON array of 1 to 8 {"target" or "target-url", "headers", "onCodes", "bodyKeyOverride"}, at most 16 KiB',
    meaning: 'the whole list of targets; below. Bad: 400 in both spellings',
  },
  Strategy: {
    grammar: 'fallback, weighted, latency or cost, perhaps with ;primary=0 to 1000 and ;sticky=none, user or session',
    absent: '`fallback;primary=1;sticky=none`',
    meaning: 'in which order targets are tried; `fallback` is as given',
  },
  Config: {
    perCall: true,
    grammar: 'the name of a config of weir.yaml: lower-case letters, digits, ., _ and -, at most 64',
    meaning: 'a set of these headers that weir.yaml holds under `configs`; what the call brings goes before it',
  },
})

const cache = rows('cache', {
  'Cache-Enabled': {
    helicone: true,
    grammar: bool,
    absent: '`false`',
    meaning: 'answers may come from the cache, and are kept in it',
  },
  'Cache-Read': { helicone: true, grammar: bool, absent: '`Cache-Enabled`', meaning: 'may come from it: one side alone' },
  'Cache-Save': { helicone: true, grammar: bool, absent: '`Cache-Enabled`', meaning: 'are kept in it: one side alone' },
  'Cache-Control': {
    helicone: true,
    list: true,
    grammar: 'a list of max-age=seconds, s-maxage=seconds, no-cache, no-store',
    absent: "the call's own `Cache-Control`, then `max-age=604800`",
    meaning:
      'how long an answer is kept and how old one may be; at most a year. `no-cache`: a new answer, which is kept; `no-store`, `max-age=0`: past the cache',
  },
  'Cache-Bucket-Max-Size': {
    helicone: true,
    grammar: 'a whole number from 1 to 20',
    absent: '`1`',
    meaning: 'so many answers are collected before one of them, drawn by lot, is a hit. Bad: 400 in both spellings',
  },
  'Cache-Seed': { helicone: true, grammar: text(256), absent: 'empty', meaning: 'calls with different seeds share nothing' },
  'Cache-Ignore-Keys': {
    helicone: true,
    list: true,
    grammar: 'at most 32 paths into the body, as a,b.c or "a","b.c"; * stands for every element of an array',
    meaning: 'body keys that do not tell calls apart; `messages.*.id` reaches into every element',
  },
  'Cache-Scope': {
    grammar: 'credential, user or tenant',
    absent: '`credential`',
    meaning:
      'who shares: callers with the same keys, of those the same user, or all of a tenant (`cache.shared` in weir.yaml, else 403)',
  },
  'Cache-Replay': {
    grammar: 'instant or paced',
    absent: '`instant`',
    meaning: 'at once, or with the pauses of the original, up to 200 ms each',
  },
})

const ms = 'milliseconds, at most 120000'
const retry = rows('retry', {
  'Retry-Enabled': { helicone: true, grammar: bool, absent: '`false`', meaning: 'tries again' },
  'Retry-Num': {
    helicone: true,
    grammar: 'a whole number from 0 to 10',
    absent: '`5`',
    meaning: 'retries after the first attempt, at each target. `Helicone-`: more is lowered, with a warning',
  },
  'Retry-Factor': { helicone: true, grammar: 'a number from 1 to 10', absent: '`2`', meaning: 'growth of the waits' },
  'Retry-Min-Timeout': {
    helicone: true,
    grammar: ms,
    absent: '`1000`',
    meaning: 'the first wait is drawn from 0 to this',
  },
  'Retry-Max-Timeout': { helicone: true, grammar: ms, absent: '`10000`', meaning: 'no wait is drawn from more than this' },
  'Retry-On': {
    list: true,
    grammar: 'statuses and kinds of failure, as 429 5xx 520-524 overloaded',
    absent: 'column _tried again_ below',
    meaning: 'the failures that are tried again, in the place of the usual ones',
  },
  Timeout: {
    list: true,
    grammar: 'any of total, connect, ttft and idle in milliseconds, as total=60000, ttft=5000',
    absent: '`total=1800000, connect=10000, ttft=600000, idle=300000`',
    meaning: 'times of its own, each at most what `timeouts` in weir.yaml says',
  },
})

const limits = rows('limits', {
  'RateLimit-Policy': {
    helicone: true,
    list: true,
    grammar:
      '1 to 8 policies, as 100;w=60, 5000;w=3600;u=cents;s=user: a quota, w= its window in seconds, u= request, tokens or cents, s= user, @key, @session, @model or a property, missing= shared, allow or deny, name= a token',
    meaning: 'how much the caller lets itself through; below',
  },
})

const recording = rows('recording', {
  'Omit-Request': {
    helicone: true,
    grammar: bool,
    absent: '`false`',
    meaning: 'the request body is written nowhere; figures stay',
  },
  'Omit-Response': {
    helicone: true,
    grammar: bool,
    absent: '`false`',
    meaning: 'the same for the answer, which is not kept in the cache, either',
  },
  'Stream-Usage': {
    helicone: true,
    grammar: 'auto, pass or off',
    absent: '`auto`',
    meaning:
      'what is done about an OpenAI-shaped stream that does not ask for its usage; below. `Helicone-`: `true` is `pass`, `false` is `off`',
  },
  'Stream-Force-Format': {
    helicone: true,
    grammar: bool,
    absent: '`false`',
    meaning: 'every piece of a stream that is sent ends where an event ends; the bytes stay the same',
  },
  Disconnect: {
    grammar: 'abort or drain',
    absent: '`drain` at Bedrock, else `abort`',
    meaning:
      "what becomes of the upstream's answer when the client leaves: given up at once, or read to its end for its usage. Bedrock bills the whole answer",
  },
  Redact: {
    list: true,
    later: true,
    grammar: 'a list of rules or body paths',
    meaning: 'rules of redaction, beside those of weir.yaml',
  },
  Durability: {
    grammar: 'standard or strict',
    absent: '`standard`',
    meaning: '`strict`: the end of the answer is sent once the row is safe on disk; 503 where it cannot be',
  },
  'Cost-Report': {
    grammar: bool,
    absent: '`false`',
    meaning: 'an answer that is no stream is held, up to 8 MiB, so that `Weir-Cost` can stand in its head',
  },
})

const reserved: readonly RequestHeader[] = (
  [
    ['Budget', 'limits'],
    ['Max-Cost', 'limits'],
    ['Guard*', 'routing'],
    ['Virtual-Key', 'identity'],
    ['Score-*', 'recording'],
    ['Feedback', 'recording'],
    ['Translate', 'routing'],
    ['Body-Mapping', 'routing'],
    ['Token-Limit', 'limits'],
    ['Resume', 'routing'],
    ['Hedge', 'routing'],
    ['Shadow', 'routing'],
    ['Cache-Mode', 'cache'],
  ] as const
).map(([name, part]) => ({
  name,
  part,
  helicone: false,
  grammar: 'nothing: it is reserved for a later version',
  absent: null,
  meaning: 'reserved for a later version',
  state: 'reserved',
  list: false,
  perCall: true,
}))

/** Every request header of ours (headers.md §3), in the order in which the docs tell them. */
export const requestHeaders: readonly RequestHeader[] = [
  ...identity,
  ...routing,
  ...cache,
  ...retry,
  ...limits,
  ...recording,
  ...reserved,
]

/** Helicone's own names that have no effect here, without their prefix; a last `*` stands for any rest (headers.md §3.8). */
export const heliconeOnly: readonly { readonly name: string; readonly warning: 'ignored' | 'guard-missing' }[] = [
  ...[
    'Webhook-Enabled',
    'Node-Id',
    'Experiment-*',
    'Posthog-*',
    'Lytix-*',
    'Manual-Access-Key',
    'jwt',
    'Org-Id',
    'Prompt-Mode',
    'Prompt-Format',
    'Prompt-Name',
    'Increase-Timeout',
    'Token-Limit-Exception-Handler',
    'Gateway-Body-Mapping',
  ].map((name) => ({ name, warning: 'ignored' as const })),
  ...['LLM-Security-*', 'Prompt-Security-Enabled', 'Moderations-Enabled'].map((name) => ({
    name,
    warning: 'guard-missing' as const,
  })),
]

/** What Helicone calls some of ours otherwise. */
export const heliconeAliases: Readonly<Record<string, string>> = { 'OpenAI-Api-Base': 'Target-URL' }
