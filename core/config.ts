import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { parseLimitPolicies } from './limit-policy.js'
import { nearest } from './nearest.js'
import { overlapsOf, priceOverride } from './prices/override.js'

const sizeUnits: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }
const timeUnits: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

const size = z
  .string()
  .regex(/^\d+(\.\d+)?(B|KiB|MiB|GiB)$/, 'accepted form: a number and a unit, as 512KiB, 256MiB, 2GiB')
  .transform((text) => {
    const [, digits = '0', , unit = 'B'] = /^(\d+(\.\d+)?)(\w+)$/.exec(text) ?? []
    return Math.round(Number(digits) * (sizeUnits[unit] ?? 1))
  })
const journalLimit = z.union([
  z
    .string()
    .regex(/^\d{1,2}%$/, 'accepted form: a percentage of the disk, as 10%, or a size, as 2GiB')
    .transform((text) => ({ percent: Number(text.slice(0, -1)) })),
  size.transform((bytes) => ({ bytes })),
])
const duration = z
  .string()
  .regex(/^\d+(ms|s|m|h|d)$/, 'accepted form: a number and a unit, as 500ms, 30s, 10m, 1h, 7d')
  .transform((text) => {
    const [, digits = '0', unit = 'ms'] = /^(\d+)(\w+)$/.exec(text) ?? []
    return Number(digits) * (timeUnits[unit] ?? 1)
  })
const origin = z
  .string()
  .regex(/^https?:\/\/[^/?#@\s]+\/?$/, 'accepted form: http(s)://host[:port], without a path')
  .transform((text) => text.replace(/\/$/, ''))

const wireFamilies = ['openai-chat', 'anthropic', 'gemini', 'cohere', 'ollama', 'bedrock'] as const

const provider = z.strictObject({
  origin: origin.optional().describe('Where it answers: http(s)://host[:port].'),
  root: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~-]+)*$/, 'accepted form: /path, without a slash at the end')
    .optional()
    .describe('Path that takes the place of /v1.'),
  family: z.enum(wireFamilies).optional().describe('Wire family of its API; own providers only. Default openai-chat.'),
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

const exportDestination = z.strictObject({
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

/** One policy: its owner is found by its place in the file. */
const limitPolicy = z.string().superRefine((text, context) => {
  const { policies, fault } = parseLimitPolicies(text)
  if (fault !== null) context.addIssue(`at character ${fault.at}: ${fault.message} Accepted form: 100;w=60;u=request;s=user`)
  else if (policies.length !== 1) context.addIssue('one policy stands here; write each as an entry of its own')
})

const days = z.literal([1, 7, 14, 30, 60, 90, 180, 400, 20_000], 'accepted: 1, 7, 14, 30, 60, 90, 180, 400 or 20000 days')

const file = z.strictObject({
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
  ceilings: z
    .strictObject({
      body: size.default(256 * 1024 ** 2).describe('Longest request body that is read; over it 413.'),
      inFlight: z
        .number()
        .int()
        .positive()
        .nullable()
        .default(null)
        .describe('Calls at once; over it 503. null: by the limit of open files.'),
    })
    .prefault({}),
  timeouts: z
    .strictObject({
      connect: duration.default(10_000).describe('From the first try to an open connection, TLS included.'),
      ttft: duration.default(600_000).describe('To the first content of the answer.'),
      idle: duration.default(300_000).describe('Between two pieces of an answer.'),
      total: duration.default(1_800_000).describe('Of the whole call.'),
      uploadIdle: duration.default(30_000).describe('Between two pieces of a request body.'),
      slowReader: duration.default(120_000).describe('A client that takes nothing for this long is let go.'),
    })
    .prefault({}),
  bodies: z
    .strictObject({
      store: z.boolean().default(true).describe('Keep what was asked and answered; figures are kept anyway.'),
      limit: size.default(1024 ** 2).describe('Kept of each side: the first three quarters and the last quarter of it.'),
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
      limit: journalLimit
        .default({ percent: 10 })
        .describe('Of the disk (then 2 to 20 GiB), or a size. From 80 % on bodies are left out.'),
      full: z
        .enum(['forward', 'refuse'])
        .default('forward')
        .describe('A full journal: calls go on without a row (counted), or are refused with 503.'),
    })
    .prefault({}),
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
  allowedHosts: z.array(z.string()).default([]).describe('Host names, beside localhost, that may be used on a loopback bind.'),
})

type File = z.infer<typeof file>
type DeepReadonly<T> = T extends (infer U)[]
  ? readonly DeepReadonly<U>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T

export type ProviderConfig = DeepReadonly<z.infer<typeof provider>>
export type ExportDestination = DeepReadonly<z.infer<typeof exportDestination>>

/** Everything that can be configured, read once, frozen. Sizes are bytes, times are milliseconds. */
export type Config = DeepReadonly<File> & {
  /** Absolute. */
  readonly dataDir: string
  /** Path of the file that was read; `null` when there is none. */
  readonly file: string | null
  readonly host: string
  readonly proxyPort: number
  readonly webPort: number
  readonly sqlPort: number
  readonly proxies: number
  readonly adminSecret: string | null
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly clickhouseUrl: string | null
  readonly databaseUrl: string | null
  readonly redisUrl: string | null
  readonly serviceName: string
}

/** A configuration that cannot be used. The message is whole sentences for the operator, one fault a line. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost'])
/** True when only this machine can reach the address. */
export const isLoopback = (host: string): boolean => loopback.has(host) || /^127\.\d+\.\d+\.\d+$/.test(host)

type Env = Readonly<Record<string, string | undefined>>

const port = (env: Env, name: string, fallback: number): number => {
  const text = env[name]
  if (text === undefined || text === '') return fallback
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new ConfigError(`${name}: "${text}" is not a port. Accepted: 0 (a free one is picked) to 65535.`)
  return Number(text)
}

const oneOf = <T extends string>(env: Env, name: string, accepted: readonly T[], fallback: T): T => {
  const text = env[name]
  if (text === undefined || text === '') return fallback
  const found = accepted.find((word) => word === text)
  if (found === undefined) throw new ConfigError(`${name}: "${text}" is not known. Accepted: ${accepted.join(', ')}.`)
  return found
}

const secretName = /(key|secret|token|authorization|password)/i
const looksLikeKey = /^(Bearer\s+|Basic\s+)?(sk-|gsk_|xai-|AIza|AKIA|ghp_|pplx-)[A-Za-z0-9_-]{12,}/

interface Sourced {
  readonly path: string
  readonly text: string
}

const substitute = (value: unknown, env: Env, missing: string[], at: string): unknown => {
  if (typeof value === 'string')
    return value.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
      const found = env[name]
      if (found === undefined) missing.push(`${at}: the environment variable ${name} is not set.`)
      return found ?? ''
    })
  // A date that YAML 1.1 reads as one.
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map((item, i) => substitute(item, env, missing, `${at}.${i}`))
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, substitute(item, env, missing, at === '' ? key : `${at}.${key}`)]),
    )
  return value
}

const literalSecrets = (value: unknown, at: string, found: string[]): void => {
  if (typeof value === 'string') {
    const name = at.split('.').at(-1) ?? ''
    if (looksLikeKey.test(value) || (secretName.test(name) && /^(Bearer|Basic)\s+[A-Za-z0-9+/=_-]{16,}$/.test(value)))
      found.push(at)
  } else if (Array.isArray(value)) value.forEach((item, i) => literalSecrets(item, `${at}.${i}`, found))
  else if (value !== null && typeof value === 'object')
    for (const [key, item] of Object.entries(value)) literalSecrets(item, at === '' ? key : `${at}.${key}`, found)
}

const knownKeysAt = (path: readonly PropertyKey[]): readonly string[] => {
  let schema: unknown = file
  for (const step of path) {
    schema = unwrap(schema)
    if (schema instanceof z.ZodObject) schema = (schema.shape as Record<PropertyKey, unknown>)[step]
    else if (schema instanceof z.ZodRecord) schema = schema.valueType
    else if (schema instanceof z.ZodArray) schema = schema.element
    else return []
  }
  schema = unwrap(schema)
  if (schema instanceof z.ZodRecord && schema.keyType instanceof z.ZodEnum) return schema.keyType.options.map(String)
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}
const unwrap = (schema: unknown): unknown => {
  let inner = schema
  while (
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodPrefault ||
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodNullable
  )
    inner = inner.unwrap()
  return inner
}

/**
 * Checks the text of a weir.yaml.
 *
 * @throws ConfigError naming file, line, column, the fault and what is accepted, for every fault found.
 */
export const parseConfigFile = ({ path, text }: Sourced, env: Env): File => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  const faults: string[] = []
  const where = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${path}:${line}:${col}`
  }
  for (const error of document.errors) faults.push(`${where(error.pos[0])}: ${error.message}`)
  if (faults.length > 0) throw new ConfigError(faults.join('\n'))
  const offsetOf = (steps: readonly PropertyKey[], lastKey?: string): number => {
    for (let n = steps.length; n >= 0; n--) {
      const node = n === 0 ? document.contents : document.getIn(steps.slice(0, n), true)
      if (node !== null && typeof node === 'object' && 'range' in node) {
        if (n === steps.length && lastKey !== undefined && 'items' in node) {
          const pair = (node.items as { key?: { value?: unknown; range?: [number, number, number] } }[]).find(
            (item) => item.key?.value === lastKey,
          )
          if (pair?.key?.range) return pair.key.range[0]
        }
        return (node.range as [number, number, number] | undefined)?.[0] ?? 0
      }
    }
    return 0
  }
  const raw: unknown = document.toJS() ?? {}
  const secrets: string[] = []
  literalSecrets(raw, '', secrets)
  for (const at of secrets)
    faults.push(
      `${where(offsetOf(at.split('.')))}: ${at} holds a secret in clear. Put it into the environment and write \${NAME} here.`,
    )
  const missing: string[] = []
  const checked = file.safeParse(substitute(raw, env, missing, ''))
  for (const fault of missing) faults.push(`${where(offsetOf((fault.split(':')[0] ?? '').split('.')))}: ${fault}`)
  if (!checked.success)
    for (const issue of checked.error.issues) {
      if (issue.code === 'unrecognized_keys') {
        for (const key of issue.keys) {
          const known = knownKeysAt(issue.path)
          const near = nearest(key, known)
          const label = [...issue.path, key].join('.')
          faults.push(
            `${where(offsetOf(issue.path, key))}: unknown ${issue.path[2] === 'prices' ? 'unit' : 'key'} "${label}". ` +
              (near === null ? `Known here: ${known.join(', ')}.` : `Did you mean "${near}"? Known here: ${known.join(', ')}.`),
          )
        }
      } else faults.push(`${where(offsetOf(issue.path))}: ${issue.path.join('.')}: ${issue.message}`)
    }
  if (checked.success) {
    const names = new Set<string>()
    for (const [i, { name }] of checked.data.exports.entries()) {
      if (names.has(name)) faults.push(`${where(offsetOf(['exports', i]))}: exports: the name "${name}" is used twice.`)
      names.add(name)
    }
    for (const { first, second, reason } of overlapsOf(checked.data.prices))
      faults.push(
        `${where(offsetOf(['prices', second]))}: prices.${second} overlaps prices.${first} ` +
          `(line ${lines.linePos(offsetOf(['prices', first])).line}): ${reason}. Let one end (until) where the other begins (from).`,
      )
  }
  if (faults.length > 0 || !checked.success) throw new ConfigError(faults.join('\n'))
  return checked.data
}

const deepFreeze = <T>(value: T): T => {
  if (value !== null && typeof value === 'object' && !Object.isFrozen(value)) {
    Object.freeze(value)
    Object.values(value).forEach(deepFreeze)
  }
  return value
}

const otelDestination = (env: Env): z.input<typeof exportDestination> | null => {
  const own = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
  const base = env.OTEL_EXPORTER_OTLP_ENDPOINT
  if (!own && !base) return null
  const headers: Record<string, string> = {}
  for (const pair of (env.OTEL_EXPORTER_OTLP_TRACES_HEADERS ?? env.OTEL_EXPORTER_OTLP_HEADERS ?? '').split(',')) {
    const cut = pair.indexOf('=')
    if (cut > 0) headers[pair.slice(0, cut).trim()] = decodeURIComponent(pair.slice(cut + 1).trim())
  }
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? env.OTEL_EXPORTER_OTLP_PROTOCOL ?? 'http/protobuf'
  if (protocol !== 'http/protobuf' && protocol !== 'http/json')
    throw new ConfigError(`OTEL_EXPORTER_OTLP_PROTOCOL: "${protocol}" is not spoken. Accepted: http/protobuf, http/json.`)
  return {
    name: 'otel',
    endpoint: own ?? `${(base ?? '').replace(/\/$/, '')}/v1/traces`,
    protocol: protocol === 'http/json' ? 'json' : 'protobuf',
    headers,
  }
}

/**
 * Reads the environment and weir.yaml (`WEIR_CONFIG`, else `./weir.yaml` if it is there). Environment variables win.
 *
 * @throws ConfigError when anything is wrong: nothing starts half-configured.
 */
export const loadConfig = (env: Env, cwd: string): Config => {
  const named = env.WEIR_CONFIG
  const path = resolve(cwd, named !== undefined && named !== '' ? named : 'weir.yaml')
  let text: string | null = null
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (named !== undefined && named !== '') throw new ConfigError(`WEIR_CONFIG: ${path} cannot be read (${code ?? 'unknown'}).`)
    if (code !== 'ENOENT') throw new ConfigError(`${path} cannot be read (${code ?? 'unknown'}).`)
  }
  const fromFile = parseConfigFile({ path, text: text ?? '' }, env)
  const otel = otelDestination(env)
  let exports = fromFile.exports
  if (otel !== null) {
    const checked = exportDestination.safeParse(otel)
    if (!checked.success)
      throw new ConfigError(`OTEL_EXPORTER_OTLP_ENDPOINT: "${otel.endpoint}" is not a URL. Accepted: http(s)://host:port.`)
    exports = [...exports.filter((destination) => destination.name !== 'otel'), checked.data]
  }
  const host = env.WEIR_HOST || '127.0.0.1'
  const adminSecret = env.WEIR_ADMIN_SECRET || null
  if (adminSecret !== null && adminSecret.length < 32)
    throw new ConfigError('WEIR_ADMIN_SECRET is too short. Accepted: at least 32 characters, as from `openssl rand -hex 32`.')
  if (!isLoopback(host) && adminSecret === null)
    throw new ConfigError(
      `WEIR_HOST: binding ${host} opens Weir to the network, so WEIR_ADMIN_SECRET (at least 32 characters) must be set, or bind 127.0.0.1.`,
    )
  const proxies = Number(env.WEIR_PROXIES || '1')
  if (!Number.isInteger(proxies) || proxies < 1 || proxies > 64)
    throw new ConfigError(`WEIR_PROXIES: "${env.WEIR_PROXIES ?? ''}" is not a number of processes. Accepted: 1 to 64.`)
  if (proxies > 1)
    throw new ConfigError(
      env.REDIS_URL
        ? 'WEIR_PROXIES: this version starts one proxy process. Start more of them with `weir proxy`, each on a port of its own, all with this REDIS_URL.'
        : 'WEIR_PROXIES: more than one proxy process needs REDIS_URL, because limits and budgets must stay exact.',
    )
  const redisUrl = env.REDIS_URL || null
  if (redisUrl !== null && !/^rediss?:\/\/[^/\s]/.test(redisUrl))
    throw new ConfigError(
      'REDIS_URL is not the URL of a Redis. Accepted: redis://[user:password@]host:port[/db], or rediss:// for TLS.',
    )
  for (const [name, issue] of [['KAFKA_BROKERS', 'The journal is read directly']] as const)
    if (env[name]) throw new ConfigError(`${name} is set, but this version does not use it yet. ${issue}; unset it to start.`)
  return deepFreeze({
    ...fromFile,
    exports,
    dataDir: resolve(cwd, env.WEIR_DATA || '.weir'),
    file: text === null ? null : path,
    host,
    proxyPort: port(env, 'WEIR_PROXY_PORT', 8787),
    webPort: port(env, 'WEIR_WEB_PORT', 8788),
    sqlPort: port(env, 'WEIR_SQL_PORT', 8123),
    proxies,
    adminSecret,
    logLevel: oneOf(env, 'WEIR_LOG_LEVEL', ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const, 'info'),
    clickhouseUrl: env.CLICKHOUSE_URL || null,
    databaseUrl: env.DATABASE_URL || null,
    redisUrl,
    serviceName: env.OTEL_SERVICE_NAME || 'weir',
  })
}

/** JSON Schema of weir.yaml, for editors. */
export const configJsonSchema = (): unknown => z.toJSONSchema(file, { io: 'input' })
