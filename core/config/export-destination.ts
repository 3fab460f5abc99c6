import { z } from 'zod'
import { size } from './units.js'

export const exportDestination = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'accepted form: lower-case letters, digits and -, at most 32')
    .describe('Stands on the Export page and in metrics; its position in the journal goes by it.'),
  profile: z
    .enum(['otlp', 'jaeger', 'langfuse'])
    .default('otlp')
    .describe('Attributes that this receiver wants beside the standard ones.'),
  endpoint: z
    .url({ protocol: /^https?$/, error: 'accepted form: the whole URL, as http://localhost:4318/v1/traces' })
    .describe('The whole URL that takes OTLP/HTTP traces.'),
  protocol: z.enum(['protobuf', 'json']).default('protobuf').describe('Encoding of OTLP/HTTP.'),
  headers: z.record(z.string(), z.string()).default({}).describe('Sent with every batch; secrets as ${NAME}.'),
  content: z.enum(['none', 'preview']).default('none').describe('How much of prompts and answers goes along.'),
  respectSampled: z.boolean().default(true).describe('Leave out calls whose traceparent says "not sampled".'),
  maxLag: size
    .default(512 * 1024 ** 2)
    .describe('How far it may fall behind before its oldest calls are dropped, and counted. Default 512MiB.'),
})
