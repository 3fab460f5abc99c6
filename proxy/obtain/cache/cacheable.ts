import type { Admitted } from '../../admit/admit.js'
import type { CallRecord } from '../../record.js'

/** What makes something new of what is asked, and would make the like of it again. */
const operations = new Set([
  'chat',
  'text_completion',
  'generate_content',
  'images',
  'speech',
  'embeddings',
  'moderation',
  'rerank',
])

/**
 * Whether the answer of a call can stand for that of another (routing.md §8). Bodies that lie on disk are not read again for it, and
 * what an encoded one asks for is not known; a call in the background is answered with a promise.
 */
export const isCacheable = ({ call, target, body }: Admitted, { asked }: CallRecord): boolean =>
  call.method === 'POST' &&
  operations.has(target.route.operation) &&
  !body.spilled &&
  (call.contentEncoding === null || call.contentEncoding === 'identity') &&
  asked?.priceFacts.background !== 1
