import { z } from 'zod'

const sizeUnits: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }
const timeUnits: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

export const size = z
  .string()
  .regex(/^\d+(\.\d+)?(B|KiB|MiB|GiB)$/, 'accepted form: a number and a unit, as 512KiB, 256MiB, 2GiB')
  .transform((text) => {
    const [, digits = '0', , unit = 'B'] = /^(\d+(\.\d+)?)(\w+)$/.exec(text) ?? []
    return Math.round(Number(digits) * (sizeUnits[unit] ?? 1))
  })
/** Of something that has a size of its own. */
export const share = z.union([
  z
    .string()
    .regex(/^\d{1,2}%$/, 'accepted form: a percentage, as 10%, or a size, as 2GiB')
    .transform((text) => ({ percent: Number(text.slice(0, -1)) })),
  size.transform((bytes) => ({ bytes })),
])
export const duration = z
  .string()
  .regex(/^\d+(ms|s|m|h|d)$/, 'accepted form: a number and a unit, as 500ms, 30s, 10m, 1h, 7d')
  .transform((text) => {
    const [, digits = '0', unit = 'ms'] = /^(\d+)(\w+)$/.exec(text) ?? []
    return Number(digits) * (timeUnits[unit] ?? 1)
  })
export const origin = z
  .string()
  .regex(/^https?:\/\/[^/?#@\s]+\/?$/, 'accepted form: http(s)://host[:port], without a path')
  .transform((text) => text.replace(/\/$/, ''))

export const days = z.literal([1, 7, 14, 30, 60, 90, 180, 400, 20_000], 'accepted: 1, 7, 14, 30, 60, 90, 180, 400 or 20000 days')

/** An origin callers may name, or all hosts under a name: `https://*.inference.example:8443`. */
export const allowedOrigin = z
  .string()
  .regex(
    /^https?:\/\/(\*\.)?[^/?#@\s*]+$/,
    'accepted form: http(s)://host[:port], perhaps with *. before the host, without a path',
  )

/** A secret as it stands in a header, once its reference has been followed. */
export const providerKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,4096}$/, 'accepted form: ${NAME} or file:/path of a key without blanks or line ends')
