import { UsageError, type Values } from './command.js'

const day = /^\d{4}-\d{2}-\d{2}$/
const instant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})$/
const accepted = 'a UTC day as 2026-11-01, or a time as 2026-11-01T08:00:00Z'

/**
 * A moment from the command line.
 *
 * @throws UsageError naming the accepted forms.
 */
export const timeFlag = (values: Values, flag: string): Date => {
  const text = values[flag]
  if (typeof text !== 'string') throw new UsageError(`--${flag} is missing: ${accepted}.`)
  const time = new Date(text)
  if ((!day.test(text) && !instant.test(text)) || Number.isNaN(time.getTime()))
    throw new UsageError(`--${flag}: "${text}" is not ${accepted}.`)
  return time
}
