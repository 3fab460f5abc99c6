import { z } from 'zod'

const cause = z.object({ cause: z.string(), effect: z.string(), advice: z.string() })

/** What a proxy tells of itself at `/internal/facts`; `/readyz` tells the first part of it, to whoever may see figures. */
export const proxyFactsSchema = z.object({
  causes: z.array(cause),
  inFlight: z.number().nullable().default(null),
  journal: z.object({ bytes: z.number(), limitBytes: z.number(), dropped: z.number() }).nullable().default(null),
  shipping: z.object({ lagBytes: z.number().nullable(), lagSeconds: z.number() }).nullable().default(null),
  /** Host and port. */
  name: z.string().nullable().default(null),
  /** Host and data folder: proxies that share them share a journal. */
  folder: z.string().nullable().default(null),
  /** Circuits that are not closed. */
  breakers: z.array(z.object({ provider: z.string(), model: z.string(), state: z.string() })).default([]),
  limits: z
    .object({ store: z.enum(['memory', 'redis']), policies: z.number() })
    .nullable()
    .default(null),
  /** Of the control plane: what holds, and how long ago it was last heard of. */
  control: z.object({ digest: z.string().nullable(), ageMs: z.number().nullable() }).nullable().default(null),
})
export type ProxyFacts = z.output<typeof proxyFactsSchema>

/** What ingest tells of itself at `/internal/facts`. */
export const ingestFactsSchema = z.object({
  causes: z.array(cause),
  ingest: z.object({ lagSeconds: z.number(), lagBytes: z.number(), events: z.number(), deadLetters: z.number() }),
  destinations: z.array(
    z.object({
      name: z.string(),
      profile: z.string(),
      endpoint: z.string(),
      state: z.enum(['idle', 'ok', 'waiting', 'failing']),
      sent: z.number(),
      rejected: z.number(),
      dropped: z.number(),
      dead: z.number(),
      waitingBytes: z.number(),
      lagSeconds: z.number().nullable(),
      lastSentAt: z.string().nullable(),
      lastError: z.object({ at: z.string(), message: z.string() }).nullable(),
    }),
  ),
  pricesDate: z.string().nullable(),
})
export type IngestFacts = z.output<typeof ingestFactsSchema>
