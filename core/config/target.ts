import { z } from 'zod'
import type { DeepReadonly } from './deep-readonly.js'
import { duration, providerKey } from './units.js'

const time = z.union(
  [z.number().int().positive(), duration],
  'accepted form: milliseconds, as 5000, or a number and a unit, as 5s',
)
const segment = z.string().regex(/^[a-z0-9-]{1,63}$/, 'accepted form: lower-case letters, digits and -, at most 63')

const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/, 'accepted form: the name of a header')
const headerText = z.string().regex(/^[\t\x20-\x7e]*$/, 'accepted form: printable ASCII in one line')

/** `@name` in fallbacks and lists of models. */
export const target = z.strictObject({
  provider: z.string().describe('Name of a provider.'),
  resource: segment.optional().describe('Of azure and azure-ai.'),
  region: segment.optional().describe('Of bedrock and vertex.'),
  model: z.string().min(1).max(256).optional().describe('Takes the place of the one asked for; without, that one.'),
  key: providerKey.optional().describe('Provider key of its own, as ${NAME} or file:/path; without, the key of the provider.'),
  headers: z.record(headerName, headerText).default({}).describe('Sent to it, in the place of those of the same name.'),
  body: z.record(z.string(), z.unknown()).default({}).describe('Merged into the body that came.'),
  timeout: z
    .strictObject({
      ttft: time.optional().describe('To the first content of its answer.'),
      total: time.optional().describe('Of one attempt.'),
    })
    .prefault({})
    .describe('Of each attempt at it; narrows what holds for the call.'),
  weight: z.number().min(0).max(1000).default(1).describe('For the strategy weighted.'),
})

/** What weir.yaml says of one target. */
export type TargetConfig = DeepReadonly<z.infer<typeof target>>
