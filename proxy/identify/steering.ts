import type { OwnValues } from './own-values.js'

/** What headers ask of the way a call takes. A part that is `null` was not asked for, and costs nothing. */
export interface Steering {
  readonly none: null
}

export const noSteering: Steering = { none: null }

/** Each part is read by a file of its own. */
export const readSteering = (_own: OwnValues): Steering => noSteering
