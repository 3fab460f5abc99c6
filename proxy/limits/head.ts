import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'

/** Heads that are late are looked for so often: one is closed at most a tenth of its time too late. */
export const headCheckMs = ({ timeouts }: Config): number => Math.max(50, Math.min(1000, Math.floor(timeouts.head / 10)))

/** Why a request never became a call: its head is too long, late, or none. */
export const unreadable = ({ code }: NodeJS.ErrnoException, { ceilings, timeouts }: Config): WeirError => {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new WeirError(
      'headers_too_large',
      `Request line and headers are over ${ceilings.headers} bytes (ceilings.headers in weir.yaml). Send fewer or shorter headers; long labels belong into the body.`,
    )
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new WeirError(
      'request_timeout',
      `The head of the request did not come within ${timeouts.head} ms (timeouts.head in weir.yaml).`,
    )
  return new WeirError('bad_header', 'This is not a well-formed HTTP/1.1 request.')
}
