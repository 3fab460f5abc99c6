import { z } from 'zod'
import { size } from './units.js'

const mebi = 1024 ** 2

/** How far the side copy of an answer is read (reliability.md §10). What is beyond passes all the same. */
export const reading = z.strictObject({
  event: size
    .default(8 * mebi)
    .describe('Longest event, line or array element of a stream that is read; a longer one is skipped.'),
  frame: size.default(16 * mebi).describe('Longest frame of an AWS event stream that is read; at a longer one reading stops.'),
  inflated: size.default(64 * mebi).describe('What comes out of a compressed answer; beyond it reading stops.'),
  ratio: z
    .number()
    .int()
    .positive()
    .default(100)
    .describe('How many times its compressed size may come out, once that is 1 MiB; beyond it reading stops.'),
})
