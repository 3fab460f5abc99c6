/** One header of ours on an answer (headers.md §4). */
export interface ResponseHeader {
  /** Without its prefix; those without one stand as they are. */
  readonly name: string
  /** Goes out as `Weir-<name>`. */
  readonly weir: boolean
  /** Goes out as `Helicone-<name>`, too, to callers who speak that dialect. */
  readonly twin: boolean
  /** On which answers. */
  readonly on: string
  readonly value: string
}

interface Row {
  readonly as?: 'plain' | 'twin alone'
  readonly twin?: true
  readonly on: string
  readonly value: string
}

const rows = (table: Readonly<Record<string, Row>>): readonly ResponseHeader[] =>
  Object.entries(table).map(([name, { as, twin, on, value }]) => ({
    name,
    weir: as === undefined,
    twin: twin === true || as === 'twin alone',
    on,
    value,
  }))

const hit = 'a hit of the cache'
const limited = 'a limit was checked'

/** Everything we put on an answer, in the order in which the docs tell it. */
export const responseHeaders: readonly ResponseHeader[] = rows({
  Id: { twin: true, on: 'all', value: "id of the row (UUIDv7). The twin: the caller's own `Request-Id`, else the same" },
  Status: { as: 'twin alone', on: 'all', value: '`success`; `failed` on what Weir refused' },
  Provider: { twin: true, on: 'somebody was asked', value: 'who' },
  Model: { twin: true, on: 'somebody was asked', value: 'for which model, as it was sent; at most its first 256 characters' },
  'Gateway-Mode': { as: 'twin alone', on: 'the same, on `/v1`', value: '`BYOK`' },
  Attempts: {
    on: 'somebody was asked, or passed over',
    value:
      'a list (RFC 9651): `"openai/gpt-5";status=429;kind=rate_limit;ms=112, "@azure-eu";skipped=circuit_open, "anthropic/claude-sonnet-4-6";status=200;ms=480`; `replayed`: sent once more, because a kept connection had been closed',
  },
  'Fallback-Index': {
    twin: true,
    on: 'several targets',
    value: 'the one that answered, as they were given; 0 is the first',
  },
  Cache: {
    twin: true,
    on: 'reading from the cache was asked for',
    value: '`HIT` `MISS` `BYPASS` (a directive, or a call of which no answer is kept; without a twin)',
  },
  'Cache-Id': { on: hit, value: 'the call whose answer it is' },
  'Cache-Bucket-Idx': { twin: true, on: hit, value: 'its slot' },
  'Cache-Latency': { twin: true, on: hit, value: 'the milliseconds that call took' },
  'Cache-Saved': { on: hit, value: 'the USD it cost' },
  Age: { as: 'plain', on: hit, value: 'its age in seconds (RFC 9111)' },
  'RateLimit-Limit': { twin: true, on: limited, value: 'of the tightest policy: its quota' },
  'RateLimit-Remaining': { twin: true, on: limited, value: 'what is left of it, rounded down' },
  'RateLimit-Reset': { twin: true, on: limited, value: 'seconds until it is full' },
  'RateLimit-Policy': { twin: true, on: limited, value: 'its canonical form' },
  'RateLimit, RateLimit-Policy': {
    as: 'plain',
    on: `${limited}; the upstream's own go before`,
    value: 'all policies, as draft-ietf-httpapi-ratelimit-headers has them',
  },
  'RateLimit-Error': {
    twin: true,
    on: 'a limit was not enforced',
    value: '`invalid_policy` `segment_missing` `store_unavailable`',
  },
  Cost: {
    on: 'a hit and a refusal (`0`); `Cost-Report: true`, if it is no stream; as a trailer behind a chunked answer to `TE: trailers`',
    value:
      'USD, as `0.0010625`. Absent where the cost is unknown, or only that it is more than something: warning `unpriced`. The row is the truth',
  },
  'Cost-Source': {
    on: 'with `Cost`',
    value: '`provider` (told by it), `usage` (told usage, priced), `estimated`',
  },
  Warning: {
    on: 'something was not as it should be, or had no effect',
    value:
      'a list, as `bad-value;h="helicone-retry-num"`: `bad-value` `unknown-header` `shadowed` `capped` `ignored` `guard-missing` `path-dropped` `cache-off` `no-failover` `segment-missing` `limit-store-down` `journal-full` `unpriced` `models-missing`',
  },
  Error: {
    on: 'an error that is our own',
    value:
      'its code ([errors.md](errors.md)). Beside it, for the dialect: `X-Helicone-Error: rate_limited` on 429, `helicone-error: true` on 500',
  },
  'Retry-After': { as: 'plain', on: '429, 503', value: 'seconds' },
  'x-should-retry': {
    as: 'plain',
    on: 'an error that is our own; the last answer of a chain that was spent',
    value: '`true` `false`: whether the libraries of OpenAI and Anthropic try again',
  },
})
