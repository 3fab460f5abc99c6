import type { IncomingMessage, ServerResponse } from 'node:http'
import { WeirError } from '../core/errors.js'

/**
 * Asks a caller that waits to be asked for its body. Called once identity and size are known to be good; never passed on (wire.md §6).
 *
 * @throws WeirError `expect_failed`: something else than 100-continue is expected.
 */
export const meetExpectation = ({ headers: { expect } }: IncomingMessage, res: ServerResponse): void => {
  if (expect === undefined) return
  if (expect.toLowerCase() !== '100-continue')
    throw new WeirError('expect_failed', 'The only expectation that can be met is 100-continue.', { param: 'Expect' })
  res.writeContinue()
}
