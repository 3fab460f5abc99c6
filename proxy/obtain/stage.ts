import type { Admitted } from '../admit/admit.js'
import type { Reply } from '../call.js'
import type { Client } from '../client.js'
import type { CallRecord } from '../record.js'

/** Obtains the answer to an admitted call. Resolves with the head; the body is still flowing. */
export type Obtain = (admitted: Admitted, record: CallRecord, client: Client) => Promise<Reply>

/**
 * One stage of the way to an answer, around the ones behind it: `cache(limits(fallback(retry(forward))))`. A call that asked for
 * nothing of a stage passes it by one comparison.
 */
export type Stage = (next: Obtain) => Obtain
