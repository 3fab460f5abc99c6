import type { ErrorKind } from '../exchange.js'

/** The kind an HTTP status alone tells (routing.md §3); empty for a status that is no error. */
export const kindOfStatus = (status: number): ErrorKind => {
  if (status < 400) return ''
  switch (status) {
    case 401:
    case 403:
      return 'auth'
    case 402:
      return 'quota'
    case 404:
      return 'not_found'
    case 409:
      return 'conflict'
    case 413:
      return 'too_large'
    case 429:
      return 'rate_limit'
    case 498:
    case 503:
    case 529:
      return 'overloaded'
    case 408:
    case 424:
      return 'server'
    default:
      return status >= 500 ? 'server' : 'bad_request'
  }
}
