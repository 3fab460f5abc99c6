/** What stands where a caller set nothing. */
export const notSet = '(not set)'

const outcomes: Readonly<Record<string, string>> = {
  complete: 'complete',
  client_abort: 'client went away',
  upstream_abort: 'upstream cut',
  error_event: 'error in the stream',
  stall: 'stalled',
  refused: 'refused by Weir',
  cached: 'from the cache',
  proxy_lost: 'proxy lost',
}
/** An outcome in words. */
export const outcomeName = (outcome: string): string => outcomes[outcome] ?? outcome.replaceAll('_', ' ')

const kinds: Readonly<Record<string, string>> = {
  '': 'no error',
  rate_limit: 'rate limit',
  timeout_connect: 'timeout: connect',
  timeout_ttft: 'timeout: first chunk',
  timeout_idle: 'timeout: silence',
  timeout_total: 'timeout: total',
  content_policy: 'content policy',
  context_length: 'context too long',
  client: 'client went away',
  policy: 'refused by policy',
}
/** A kind of error in words. */
export const errorName = (kind: string): string => kinds[kind] ?? kind.replaceAll('_', ' ')

const cacheResults: Readonly<Record<string, string>> = {
  hit: 'hit: the answer of an earlier call',
  miss: 'miss',
  bypass: 'passed by',
}
/** What our cache did, in words; empty when it was not asked. */
export const cacheName = (status: string): string => cacheResults[status] ?? status.replaceAll('_', ' ')

/** A group's value, or that there is none. */
export const groupName = (key: string): string => (key === '' ? notSet : key)

export type Tone = 'good' | 'warn' | 'bad' | 'plain'
export interface Ending {
  readonly text: string
  readonly tone: Tone
  readonly why: string
}

/** How one call ended, for its badge: the status where there is one to tell, else what happened. */
export const endingOf = (row: {
  readonly status: number
  readonly outcome: string
  readonly errorKind: string
  readonly errorMessage: string
}): Ending => {
  const why = [outcomeName(row.outcome), row.errorKind === '' ? '' : errorName(row.errorKind), row.errorMessage]
    .filter((part) => part !== '')
    .join(' · ')
  switch (row.outcome) {
    case 'complete':
      return { text: String(row.status), tone: row.status >= 500 ? 'bad' : row.status >= 400 ? 'warn' : 'good', why }
    case 'cached':
      return { text: 'cached', tone: 'good', why }
    case 'client_abort':
      return { text: 'aborted', tone: 'plain', why }
    case 'refused':
      return { text: `refused ${row.status}`, tone: 'warn', why }
    case 'upstream_abort':
      return { text: 'cut', tone: 'bad', why }
    case 'error_event':
      return { text: 'error', tone: 'bad', why }
    case 'stall':
      return { text: 'stalled', tone: 'bad', why }
    case 'proxy_lost':
      return { text: 'lost', tone: 'bad', why }
    default:
      return { text: row.outcome, tone: 'plain', why }
  }
}
