import { headersFor } from './primary-headers.js'
import type { Send } from './send.js'
import type { Obtain } from './stage.js'

/** One attempt at the one target. */
export const sendOnceBy =
  (send: Send): Obtain =>
  ({ call, target, body }, record, client) =>
    send({ call, target, body, headers: headersFor(call, target), times: null }, record, client)
