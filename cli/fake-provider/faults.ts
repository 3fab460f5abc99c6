/**
 * What the caller asks of the fake provider by `x-fake` (header, or query for WebSockets): `key` or `key=value`, joined by `;`.
 *
 * | answer | |
 * |---|---|
 * | `input` `output` `cached` `written` `written-1h` `reasoning` = n | tokens, in Weir's sense: `input` and `output` are all of them, the others parts |
 * | `bytes=n` | length of the answer's text, or of a binary answer |
 * | `chunks=n` | text deltas of a stream (default 5) |
 * | `tools=n` | tool calls in the answer (default: 1 when the request offers tools and brings no result yet) |
 * | `model=name` `id=text` `tier=name` | answered model; ids made from this text instead of a counter; service tier |
 * | `encoding=gzip\|br\|deflate` | content coding, flushed after every event; `label=name` says another one than was used |
 * | `for=model` | all of this for that model alone, named in body or path; others are answered well |
 * | `chunked` | a JSON answer without content-length |
 *
 * | fault | |
 * |---|---|
 * | `status=429` `retry-after=2` `retry-after-ms=500` `x-should-retry=true` | an error in the provider's own shape; `html` makes it a page |
 * | `error=name` | what the error body or event calls itself: OpenAI's code (a number stands as one), Anthropic's type, Gemini's status, Bedrock's exception; with `status=200` an error inside a 200 |
 * | `message=text` | its sentence |
 * | `retry-info=s` `quota-id=text` `reason=text` | Gemini's `RetryInfo`, `QuotaFailure`, `ErrorInfo` among the details |
 * | `status-code=n` `flat` | OpenAI-shaped errors: `status_code` beside the code, as at Groq; no `error` around it and the name as its type, as at Mistral |
 * | `need-key` | 401 unless a key came |
 * | `delay=ms` `gap=ms` `trickle=ms` | before the head; between writes; after every byte |
 * | `hang` `reset` `close` | no head ever; RST, FIN instead of one |
 * | `cut=k` `fin=k` `end=k` `stall=k` | after k body bytes: RST; FIN; a proper end of the HTTP message; silence |
 * | `no-terminal` | the stream ends properly without its closing events |
 * | `error-event=first\|opened\|last` | in a stream: an error event before anything else, after the first event, after the content |
 * | `error-form=event\|typed\|failed` | OpenAI-shaped streams: that event is an `event: error` around the same object, one of Responses, a `response.failed`; else a chunk |
 * | `split=n` | writes of n bytes |
 * | `headers=100KiB` | one more header of that size |
 * | `wrong-length=+n\|-n` | content-length off by n; with `+` the socket then ends |
 * | `second-response` | an unasked response follows on the same socket |
 * | `early-hints` | 103 before the head |
 * | `bad-http` `two-lengths` | no HTTP at all; two contradictory content-lengths |
 * | `bad-json` `half-utf8` `huge-event=20MiB` | put into a stream before its closing events |
 * | `early` | answers before the request body was read |
 */
export type Fake = ReadonlyMap<string, string>

export const parseFake = (text: string | null | undefined): Fake => {
  const fake = new Map<string, string>()
  for (const item of (text ?? '').split(';')) {
    const cut = item.indexOf('=')
    const key = (cut < 0 ? item : item.slice(0, cut)).trim()
    if (key !== '') fake.set(key, cut < 0 ? '' : item.slice(cut + 1).trim())
  }
  return fake
}

const units: Record<string, number> = { '': 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** A number, with a unit of size if there is one; `null` when the key is not there or is no number. */
export const amount = (fake: Fake, key: string): number | null => {
  const match = /^([+-]?\d+)(B|KiB|MiB|GiB)?$/.exec(fake.get(key) ?? '')
  return match === null ? null : Number(match[1]) * (units[match[2] ?? ''] ?? 1)
}
