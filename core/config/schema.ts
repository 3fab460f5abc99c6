import { z } from 'zod'
import { priceOverride } from '../prices/override.js'
import { ceilings } from './ceilings.js'
import { clickhouse } from './clickhouse.js'
import { exportDestination } from './export-destination.js'
import { kafka } from './kafka.js'
import { limitPolicy } from './limit-policy.js'
import { provider } from './provider.js'
import { reading } from './reading.js'
import { target } from './target.js'
import { allowedOrigin, days, duration, share, size } from './units.js'
import { weirKey } from './weir-key.js'

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'accepted form: lower-case letters, digits, ., _ and -, at most 64')
/** Names stand without their prefix, as `Retry-Enabled`; what they may hold is checked by who reads the headers. YAML's `true` and `3` are texts here. */
const headerDefaults = z.record(z.string().min(1), z.union([z.string(), z.number(), z.boolean()]).transform(String))

/** Everything weir.yaml may hold. */
export const file = z.strictObject({
  auth: z
    .enum(['open', 'required'])
    .optional()
    .describe(
      'open: anyone who reaches this machine may call; a key labels its rows. required: a key of keys. Default: open on loopback.',
    ),
  keys: z.array(weirKey).default([]).describe('Weir keys; `weir key new NAME` makes one.'),
  defaultProvider: z.string().default('openai').describe('Takes the unified paths in which no body names a model.'),
  providers: z
    .record(z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'accepted form: a lower-case letter, then letters, digits or -'), provider)
    .default({})
    .describe('Own providers, and other origins for built-in ones, by name.'),
  models: z
    .array(
      z.strictObject({
        match: z.string().min(1).describe('Model name; * stands for any text.'),
        provider: z.string().describe('Name of the provider that serves it.'),
      }),
    )
    .default([])
    .describe(
      'Which provider serves a bare model name on the unified path; the first match decides, before the built-in prefixes.',
    ),
  targets: z.record(name, target).default({}).describe('What `@name` means in fallbacks and lists of models.'),
  configs: z
    .record(name, headerDefaults)
    .default({})
    .describe('Sets of headers a call asks for by Weir-Config, by name; the headers stand without their prefix.'),
  defaults: headerDefaults.default({}).describe('Headers of every call that does not bring them, without their prefix.'),
  targetUrl: z
    .enum(['off', 'allowlist', 'public'])
    .optional()
    .describe(
      'Which addresses callers may name: none, those of targetAllow and of providers, all public ones. Default: public on loopback, else allowlist.',
    ),
  targetAllow: z
    .array(allowedOrigin)
    .default([])
    .describe('Origins callers may name, as https://api.acme.example, https://*.acme.example:8443.'),
  hostRouting: z
    .array(z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'accepted form: a host name, as llm.example.com'))
    .default([])
    .describe('Under these names <provider>.<name> leads to the provider; gateway.<name> and ai-gateway.<name>, too.'),
  compat: z
    .strictObject({
      helicone: z
        .enum(['lenient', 'strict'])
        .default('lenient')
        .describe('A bad value in a Helicone-* header: a warning, as Helicone does, or a 400.'),
      twins: z
        .enum(['auto', 'on', 'off'])
        .default('auto')
        .describe('Helicone-* beside the Weir-* headers of an answer. auto: when the request used one.'),
    })
    .prefault({}),
  ceilings: ceilings.prefault({}),
  timeouts: z
    .strictObject({
      connect: duration.default(10_000).describe('From the first try to an open connection, TLS included.'),
      ttft: duration.default(600_000).describe('To the first content of the answer.'),
      idle: duration.default(300_000).describe('Between two pieces of an answer.'),
      total: duration.default(1_800_000).describe('Of the whole call.'),
      head: duration
        .default(20_000)
        .describe('From the first byte of a connection, or of a request on it, to the end of its head.'),
      uploadIdle: duration.default(30_000).describe('Between two pieces of a request body.'),
      slowReader: duration.default(120_000).describe('A client that takes nothing for this long is let go.'),
    })
    .prefault({}),
  bodies: z
    .strictObject({
      store: z.boolean().default(true).describe('Keep what was asked and answered; figures are kept anyway.'),
      limit: size.default(1024 ** 2).describe('Kept of each side: the first three quarters and the last quarter of it.'),
      memory: size
        .default(256 * 1024 ** 2)
        .describe('Of all copies in memory, until they are in the journal; over it the next ones are cut.'),
      spill: z.string().nullable().default(null).describe('Folder that gets longer bodies whole; null: nobody does.'),
    })
    .prefault({}),
  retention: z
    .strictObject({
      rows: days.default(400).describe('Days that the figures of a call are kept.'),
      bodies: days.default(30).describe('Days that its bodies are kept.'),
    })
    .prefault({}),
  journal: z
    .strictObject({
      durability: z
        .enum(['off', 'standard', 'strict'])
        .default('standard')
        .describe('What a power loss may take: about 30 s, 50 ms, nothing. A killed process loses nothing in any of them.'),
      limit: share
        .default({ percent: 10 })
        .describe('Of the disk (then 2 to 20 GiB), or a size. From 80 % on bodies are left out.'),
      event: size
        .refine((bytes) => bytes >= 64 * 1024 && bytes <= 7 * 1024 ** 2, 'accepted: 64KiB to 7MiB')
        .default(4 * 1024 ** 2)
        .describe('Of the record of one call; what was said is cut for it, figures never.'),
      full: z
        .enum(['forward', 'refuse'])
        .default('forward')
        .describe('A full journal: calls go on without a row (counted), or are refused with 503.'),
    })
    .prefault({}),
  reading: reading.prefault({}),
  cache: z
    .strictObject({
      memory: size
        .default(256 * 1024 ** 2)
        .describe('Of all kept answers together; those longest unused give way. As much on disk.'),
      entry: size.default(8 * 1024 ** 2).describe('Of one answer; a longer one is not kept.'),
      shared: z
        .boolean()
        .default(false)
        .describe('Callers may ask for answers that a whole tenant shares (Cache-Scope: tenant).'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      onStoreError: z
        .enum(['open', 'closed'])
        .default('open')
        .describe('The store of the limits is away: calls go on, marked, or are refused with 503.'),
      policies: z
        .array(
          z.strictObject({
            policy: limitPolicy.describe('A quota and its window, as 1000;w=60;s=@key; the grammar of RateLimit-Policy.'),
            keys: z
              .array(z.string().min(1))
              .min(1)
              .default(['*'])
              .describe('Keys it is for, as rows name them; * stands for all, also for calls without one.'),
          }),
        )
        .default([])
        .describe('Hold beside those that calls bring along. Callers cannot take them away.'),
    })
    .prefault({}),
  kafka: kafka.prefault({}),
  clickhouse: clickhouse.prefault({}),
  exports: z.array(exportDestination).default([]).describe('Where traces go; each destination has its own position and retries.'),
  prices: z
    .array(priceOverride)
    .default([])
    .describe(
      'Prices of your own, before those that come with Weir. An exact model, a named tier or region, then the later entry decides.',
    ),
  drain: z
    .strictObject({
      delay: duration.default(0).describe('How long new calls are still taken after SIGTERM, for slow load balancers.'),
      timeout: duration.default(30_000).describe('How long open calls may take to end.'),
    })
    .prefault({}),
  control: z
    .strictObject({
      maxAge: duration
        .nullable()
        .default(null)
        .describe(
          'A proxy that has heard nothing of `weir web` or the hub for this long takes no calls: 503 `control_stale`. null: it goes on.',
        ),
    })
    .prefault({}),
  allowedHosts: z.array(z.string()).default([]).describe('Host names, beside localhost, that may be used on a loopback bind.'),
})

export type File = z.infer<typeof file>
