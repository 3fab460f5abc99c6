import type { JournalState } from './port.js'

export type Full = NonNullable<JournalState['full']>

/** The journal took nothing: `reason` says why. */
export class JournalFullError extends Error {
  readonly reason: Full['reason']
  constructor({ reason, message }: Full) {
    super(message)
    this.name = 'JournalFullError'
    this.reason = reason
  }
}

const reasonOf = (cause: Error): Full['reason'] => {
  const { code } = cause as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT' ? 'ENOSPC' : 'EIO'
}

/** What a disk's error means for the journal. */
export const fullBecause = (cause: Error): Full => {
  const reason = reasonOf(cause)
  const what = reason === 'ENOSPC' ? 'The disk of the journal is full' : 'The disk of the journal fails'
  return { reason, message: `${what}: ${cause.message}` }
}
