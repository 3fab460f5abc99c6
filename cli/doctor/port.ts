import { checkFree } from '../listen.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'

/** @param running A Weir runs on this data folder, so its ports should be taken. */
export const checkPort = async (
  name: string,
  place: { readonly port: number; readonly host: string; readonly variable: string },
  running: boolean,
): Promise<Check> => {
  const { ok, warn, fail } = verdicts(`port ${name}`)
  if (place.port === 0) return ok('a free one is picked')
  try {
    await checkFree(place)
    return running
      ? warn(
          `${place.port} is free, though a Weir runs on this data folder`,
          `It runs with another ${place.variable}; set the same here.`,
        )
      : ok(`${place.port} is free`)
  } catch (cause) {
    const { message } = cause as Error
    return running && message.includes('is taken') ? ok(`${place.port} is in use`) : fail(message, `Set ${place.variable}.`)
  }
}
