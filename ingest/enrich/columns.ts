import { wellFormed } from './preview.js'

const maxUInt32 = 4_294_967_295

/** A number as a column of type UInt32 holds it. */
export const uint32 = (value: number): number => Math.max(0, Math.min(Math.round(value), maxUInt32))

/** A text as a column of type String holds it: none is empty, no half of a surrogate pair. */
export const text = (value: string | null): string => (value === null ? '' : wellFormed(value))
