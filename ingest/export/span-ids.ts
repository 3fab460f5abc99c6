import { createHash } from 'node:crypto'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** An id of all zeros means "none" in OTLP: its last byte becomes 1. */
const notZero = (hex: string): string => (/^0+$/.test(hex) ? `${hex.slice(0, -1)}1` : hex)

/**
 * Span ids are worked out from the request id, so that a replay sends the same spans again and a backend folds them.
 *
 * @param n 0 for `server` and `call`; attempts count from 1.
 */
export const spanId = (requestId: string, role: 'server' | 'call' | 'attempt', n: number): string =>
  notZero(sha256(`s1|${requestId}|${role}|${n}`).slice(0, 16))
