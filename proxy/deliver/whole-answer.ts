import { WeirError } from '../../core/errors.js'
import type { AnswerReader } from '../../core/providers/answer.js'
import type { Asked } from '../../core/providers/read-request.js'

/** Notes of a reader that could not follow: what it did not see may have been an error, or the lack of an end. */
const unread = new Set(['malformed', 'unfinished', 'unreadable', 'reader_failed', 'html'])

/** Whether an answer said all it had to say, and no error: what is kept for others must. Asked once the reader has ended. */
export const isWhole = (reader: AnswerReader, asked: Asked | null): boolean => {
  const { error, notes, finishReason } = reader.facts()
  if (error !== null || notes.some((note) => unread.has(note))) return false
  return asked?.streaming !== true || reader.terminal || finishReason !== null
}

/** An upstream said that this is all, and it is not. */
export const withoutEnd = (): WeirError =>
  new WeirError('upstream_reset', 'The answer ended before its last event, or inside its JSON.')
