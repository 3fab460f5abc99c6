/** What a `Helicone-*` header of a bad value comes to: passed with this warning, or refused like ours. */
type Lenient = 'bad-value' | 'capped' | 'refused'

/** One request header as the contract has it, written down apart from the code: name, dialects, grammar, default. */
export interface Agreed {
  readonly name: string
  readonly helicone: boolean
  readonly grammar:
    | 'bearer'
    | 'key'
    | 'text'
    | 'path'
    | 'list'
    | 'uuid'
    | 'url'
    | 'json'
    | 'item'
    | 'name'
    | 'bool'
    | 'number'
    | 'ms'
    | 'word'
    | 'directives'
    | 'keys'
    | 'conditions'
    | 'policies'
  /** In the docs, without it; `null` = nothing. */
  readonly absent: string | null
  readonly good: readonly string[]
  readonly bad: readonly string[]
  /** Of the first bad value. */
  readonly lenient: Lenient
  readonly later?: true
}

const h = true
const no = false
const bools = { grammar: 'bool', good: ['true', 'FALSE'], bad: ['yes', '1'], lenient: 'bad-value' } as const
const long = (n: number): string => 'x'.repeat(n)
const texts = (n: number) =>
  ({
    grammar: 'text',
    good: ['ada', long(n), "UTF-8''Zo%C3%AB"],
    bad: [long(n + 1), "UTF-8''a%00", "UTF-8''%zz"],
    lenient: 'bad-value',
  }) as const
const waits = { grammar: 'ms', good: ['0', '120000'], bad: ['soon', '-1', '1.5'], lenient: 'bad-value' } as const

/** Section 3 of the contract, row by row. */
export const agreed: readonly Agreed[] = [
  {
    name: 'Auth',
    helicone: h,
    grammar: 'bearer',
    absent: null,
    good: ['Bearer sk-weir-1'],
    bad: ['Bearer two words', `Bearer ${long(513)}`],
    lenient: 'bad-value',
  },
  {
    name: '<Provider>-Key',
    helicone: no,
    grammar: 'key',
    absent: null,
    good: ['sk-ant-1'],
    bad: ['two words', long(513)],
    lenient: 'refused',
  },
  { name: 'User-Id', helicone: h, absent: 'of the body: `user`, `safety_identifier`, `metadata.user_id`', ...texts(256) },
  { name: 'Session-Id', helicone: h, absent: null, ...texts(256) },
  {
    name: 'Session-Path',
    helicone: h,
    grammar: 'path',
    absent: '`/` with `Session-Id`',
    good: ['/', '/plan//book/'],
    bad: ['plan', `/${long(512)}`],
    lenient: 'bad-value',
  },
  { name: 'Session-Name', helicone: h, absent: null, ...texts(256) },
  {
    name: 'Property-<Name>',
    helicone: h,
    grammar: 'text',
    absent: null,
    good: ['search', long(1024)],
    bad: [long(1025), "UTF-8''a%0A"],
    lenient: 'capped',
  },
  {
    name: 'Tags',
    helicone: no,
    grammar: 'list',
    absent: null,
    good: ['a, "b c"'],
    bad: ['a,,b', '"open', Array(17).fill('a').join(', ')],
    lenient: 'refused',
  },
  {
    name: 'Request-Id',
    helicone: h,
    grammar: 'uuid',
    absent: null,
    good: ['0192e4a0-0000-7000-8000-000000000001'],
    bad: ['one', '0192e4a0000070008000000000000001'],
    lenient: 'bad-value',
  },
  { name: 'Prompt-Id', helicone: h, absent: null, ...texts(256) },
  { name: 'Prompt-Version', helicone: h, absent: null, ...texts(256) },
  { name: 'Model-Override', helicone: h, absent: 'the model of the answer, else of the request', ...texts(128) },
  {
    name: 'Target-URL',
    helicone: h,
    grammar: 'url',
    absent: null,
    good: [],
    bad: ['ftp://h', 'https://u:p@h/', 'https://h/?q=1', 'https://h/#f', 'h'],
    lenient: 'refused',
  },
  {
    name: 'Fallback',
    helicone: no,
    grammar: 'list',
    absent: null,
    good: ['openai/gpt-5;ttft=3000;retries=1;weight=3, "openai/o3";on="429 5xx"'],
    bad: ['openai/gpt-5;nope=1', 'openai/gpt-5;retries=11', 'a,', `${'openai/a,'.repeat(7)}openai/b`],
    lenient: 'refused',
  },
  {
    name: 'Fallbacks',
    helicone: h,
    grammar: 'json',
    absent: null,
    good: ['[{"target":"openai/gpt-5","onCodes":[429,{"from":500,"to":599}]}]'],
    bad: ['[', '[]', '{}', '[{"target":"openai/a","colour":1}]'],
    lenient: 'refused',
  },
  {
    name: 'Strategy',
    helicone: no,
    grammar: 'item',
    absent: '`fallback;primary=1;sticky=none`',
    good: ['weighted;primary=3;sticky=user', 'latency'],
    bad: ['best', 'weighted;primary=1001', 'fallback;sticky=all'],
    lenient: 'refused',
  },
  {
    name: 'Config',
    helicone: no,
    grammar: 'name',
    absent: null,
    good: ['careful'],
    bad: ['Careful!', 'nobody'],
    lenient: 'refused',
  },
  { name: 'Cache-Enabled', helicone: h, absent: '`false`', ...bools },
  { name: 'Cache-Read', helicone: h, absent: '`Cache-Enabled`', ...bools },
  { name: 'Cache-Save', helicone: h, absent: '`Cache-Enabled`', ...bools },
  {
    name: 'Cache-Control',
    helicone: h,
    grammar: 'directives',
    absent: "the call's own `Cache-Control`, then `max-age=604800`",
    good: ['max-age=60', 's-maxage=5, no-cache', 'private'],
    bad: ['max-age=soon', '=1'],
    lenient: 'bad-value',
  },
  {
    name: 'Cache-Bucket-Max-Size',
    helicone: h,
    grammar: 'number',
    absent: '`1`',
    good: ['1', '20'],
    bad: ['0', '21', 'x'],
    lenient: 'refused',
  },
  { name: 'Cache-Seed', helicone: h, absent: 'empty', ...texts(256) },
  {
    name: 'Cache-Ignore-Keys',
    helicone: h,
    grammar: 'keys',
    absent: null,
    good: ['a,b.c', '"a","b.c"', 'messages.*.id'],
    bad: ['a..b', Array(33).fill('a').join(','), '"a'],
    lenient: 'bad-value',
  },
  {
    name: 'Cache-Scope',
    helicone: no,
    grammar: 'word',
    absent: '`credential`',
    good: ['credential', 'user'],
    bad: ['all'],
    lenient: 'refused',
  },
  {
    name: 'Cache-Replay',
    helicone: no,
    grammar: 'word',
    absent: '`instant`',
    good: ['instant', 'paced'],
    bad: ['slow'],
    lenient: 'refused',
  },
  { name: 'Retry-Enabled', helicone: h, absent: '`false`', ...bools },
  {
    name: 'Retry-Num',
    helicone: h,
    grammar: 'number',
    absent: '`5`',
    good: ['0', '10'],
    bad: ['x', '-1', '1.5', ''.padEnd(12, '9').replace(/9$/, 'x')],
    lenient: 'bad-value',
  },
  {
    name: 'Retry-Factor',
    helicone: h,
    grammar: 'number',
    absent: '`2`',
    good: ['1', '2.5', '10'],
    bad: ['0.5', 'x'],
    lenient: 'bad-value',
  },
  { name: 'Retry-Min-Timeout', helicone: h, absent: '`1000`', ...waits },
  { name: 'Retry-Max-Timeout', helicone: h, absent: '`10000`', ...waits },
  {
    name: 'Retry-On',
    helicone: no,
    grammar: 'conditions',
    absent: 'column _tried again_ below',
    good: ['429 5xx 520-524 overloaded'],
    bad: ['sometimes', '600-500'],
    lenient: 'refused',
  },
  {
    name: 'Timeout',
    helicone: no,
    grammar: 'list',
    absent: '`total=1800000, connect=10000, ttft=600000, idle=300000`',
    good: ['total=60000, ttft=5000'],
    bad: ['total=soon', 'lunch=1', 'total'],
    lenient: 'refused',
  },
  {
    name: 'RateLimit-Policy',
    helicone: h,
    grammar: 'policies',
    absent: null,
    good: ['100000;w=60', '100000;w=60;u=tokens;s=user;missing=shared;name=n, 90000;w=3600'],
    bad: ['10', '10;w=0', 'ten;w=60'],
    lenient: 'bad-value',
  },
  { name: 'Omit-Request', helicone: h, absent: '`false`', ...bools },
  { name: 'Omit-Response', helicone: h, absent: '`false`', ...bools },
  {
    name: 'Stream-Usage',
    helicone: h,
    grammar: 'word',
    absent: '`auto`',
    good: ['auto', 'pass', 'off'],
    bad: ['maybe'],
    lenient: 'bad-value',
  },
  { name: 'Stream-Force-Format', helicone: h, absent: '`false`', ...bools },
  {
    name: 'Disconnect',
    helicone: no,
    grammar: 'word',
    absent: '`drain` at Bedrock, else `abort`',
    good: ['abort', 'drain'],
    bad: ['stay'],
    lenient: 'refused',
  },
  { name: 'Redact', helicone: no, grammar: 'list', absent: null, good: ['card'], bad: [], lenient: 'refused', later: true },
  {
    name: 'Durability',
    helicone: no,
    grammar: 'word',
    absent: '`standard`',
    good: ['standard', 'strict'],
    bad: ['fast'],
    lenient: 'refused',
  },
  {
    name: 'Cost-Report',
    helicone: no,
    grammar: 'bool',
    absent: '`false`',
    good: ['true', 'false'],
    bad: ['yes'],
    lenient: 'refused',
  },
]

/** Section 3.8: names that are refused until they mean something. */
export const agreedReserved: readonly string[] = [
  'Budget',
  'Max-Cost',
  'Guard*',
  'Virtual-Key',
  'Score-*',
  'Feedback',
  'Translate',
  'Body-Mapping',
  'Token-Limit',
  'Resume',
  'Hedge',
  'Shadow',
  'Cache-Mode',
]

/** Section 3.8: Helicone's own, which have no effect here. */
export const agreedWithout = {
  ignored: [
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
  ],
  'guard-missing': ['LLM-Security-*', 'Prompt-Security-Enabled', 'Moderations-Enabled'],
} as const

/** Section 4: `Weir-` names, and whether `Helicone-` has a twin of them. */
export const agreedAnswers: Readonly<Record<string, boolean>> = {
  Id: true,
  Provider: true,
  Model: true,
  Attempts: false,
  'Fallback-Index': true,
  Cache: true,
  'Cache-Id': false,
  'Cache-Bucket-Idx': true,
  'Cache-Latency': true,
  'Cache-Saved': false,
  'RateLimit-Limit': true,
  'RateLimit-Remaining': true,
  'RateLimit-Reset': true,
  'RateLimit-Policy': true,
  'RateLimit-Error': true,
  Cost: false,
  'Cost-Source': false,
  Warning: false,
  Error: false,
}
