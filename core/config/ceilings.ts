import { z } from 'zod'
import { duration, share, size } from './units.js'

const kibi = 1024
const mebi = 1024 ** 2

/** The most that is taken, at once or in all (reliability.md §10); what one over gives stands in docs/limits.md. */
export const ceilings = z.strictObject({
  headers: size
    .refine((bytes) => bytes >= kibi && bytes <= mebi, 'accepted: 1KiB to 1MiB')
    .default(32 * kibi)
    .describe('Request line and headers of a call; over it 431.'),
  upstreamHeaders: size
    .refine((bytes) => bytes >= kibi && bytes <= mebi, 'accepted: 1KiB to 1MiB')
    .default(64 * kibi)
    .describe('Headers of an upstream; over it 502.'),
  body: size.default(256 * mebi).describe('Longest request body that is read; over it 413.'),
  bodyMemory: size.default(10 * mebi).describe('Of one request body in memory; a longer one goes to a file.'),
  bodiesMemory: size.default(512 * mebi).describe('Of all request bodies in memory; over it the next ones go to files.'),
  inFlight: z
    .number()
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('Calls at once; over it 503. null: by the limit of open files.'),
  inFlightPerKey: z
    .number()
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('Calls at once of one Weir key, in each proxy; over it 429. null: no such limit.'),
  targets: z.number().int().min(1).max(8).default(8).describe('Targets of one call.'),
  attempts: z.number().int().min(1).max(20).default(10).describe('Attempts of one call, over all its targets; at most 20.'),
  loopDelay: duration
    .refine((ms) => ms >= 1, 'accepted: 1ms or more')
    .default(200)
    .describe('Delay of the event loop that is borne (99 % are shorter); over it for 10 s, new calls get 503.'),
  memory: share
    .default({ percent: 75 })
    .describe(
      'Of the memory of the container, else of the machine, or a size: what a proxy may take; over it new calls get 503.',
    ),
})
