import { z } from 'zod'
import type { DeepReadonly } from './deep-readonly.js'
import { origin, providerKey } from './units.js'

const wireFamilies = ['openai-chat', 'anthropic', 'gemini', 'cohere', 'ollama', 'bedrock'] as const

export const provider = z.strictObject({
  origin: origin.optional().describe('Where it answers: http(s)://host[:port].'),
  root: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~-]+)*$/, 'accepted form: /path, without a slash at the end')
    .optional()
    .describe('Path that takes the place of /v1.'),
  family: z.enum(wireFamilies).optional().describe('Wire family of its API; own providers only. Default openai-chat.'),
  key: providerKey.optional().describe('Its key, as ${NAME} or file:/path, for callers who bring none and may use it.'),
  prefixes: z
    .array(
      z.strictObject({
        path: z.string().regex(/^\/([A-Za-z0-9._~-]+\/)*$/, 'accepted form: /path/, with a slash at both ends'),
        family: z.enum(wireFamilies),
      }),
    )
    .optional()
    .describe('Paths it takes as they are, each with its wire family; the longest decides.'),
  auth: z.enum(['bearer', 'none']).optional().describe('How it is authenticated. Default: as the caller sent it.'),
  private: z.boolean().optional().describe('Its name may lead into a private network.'),
  propagate: z
    .union([z.boolean(), z.literal('all')])
    .optional()
    .describe('Send it a traceparent.'),
  injectUsage: z
    .boolean()
    .optional()
    .describe('Ask its chat streams for their usage and take the extra chunk out again. Default: where it is known to be taken.'),
  trustCost: z
    .boolean()
    .optional()
    .describe('What it tells of its own cost is the cost. Default: where it is known to be right.'),
})

/** What weir.yaml says of one provider. */
export type ProviderConfig = DeepReadonly<z.infer<typeof provider>>
