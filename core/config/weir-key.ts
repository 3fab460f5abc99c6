import { z } from 'zod'

/** What a Weir key may be used for (security.md §1). */
export const scopes = ['proxy', 'read-metrics', 'read-bodies', 'sql', 'admin'] as const
export type Scope = (typeof scopes)[number]

const pattern = z.string().min(1).max(128)

/** Who may call: the key itself is nowhere, its digest is. */
export const weirKey = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'accepted form: lower-case letters, digits, ., _ and -, at most 64')
    .describe('Stands on rows, in limits and in logs in the place of the key.'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'accepted form: 64 lower-case hex digits, as `weir key new` prints them')
    .describe('SHA-256 of the key.'),
  tenant: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'accepted form: lower-case letters, digits, _ and -, at most 64')
    .default('default')
    .describe('Whose data its calls are.'),
  scopes: z.array(z.enum(scopes)).min(1).default(['proxy']).describe('What it may be used for.'),
  allow: z
    .strictObject({
      providers: z.array(z.string().min(1)).min(1).optional().describe('Providers it may call; without, all.'),
      models: z.array(pattern).min(1).optional().describe('Models it may ask for, * standing for any text; without, all.'),
    })
    .prefault({})
    .describe('What its calls may go to.'),
  expires: z
    .union([z.iso.date(), z.iso.datetime({ offset: true })])
    .nullable()
    .default(null)
    .describe('From this day or moment on it is refused, as 2027-01-01 (midnight UTC). null: never.'),
})
