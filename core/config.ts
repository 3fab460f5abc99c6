import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import type { DeepReadonly } from './config/deep-readonly.js'
import { exportDestination } from './config/export-destination.js'
import { ConfigError, parseConfigFile, type Env } from './config/parse.js'
import { roleUrlsIn, type RoleUrls } from './config/role-urls.js'
import { file, type File } from './config/schema.js'
import type { weirKey } from './config/weir-key.js'

export type WeirKeyConfig = DeepReadonly<z.infer<typeof weirKey>>
export type ExportDestination = DeepReadonly<z.infer<typeof exportDestination>>

/** Everything that can be configured, read once, frozen. Sizes are bytes, times are milliseconds. */
export type Config = DeepReadonly<Omit<File, 'auth' | 'targetUrl'>> &
  RoleUrls & {
    readonly auth: 'open' | 'required'
    readonly targetUrl: 'off' | 'allowlist' | 'public'
    /** Absolute. */
    readonly dataDir: string
    /** Path of the file that was read; `null` when there is none. */
    readonly file: string | null
    readonly host: string
    readonly proxyPort: number
    readonly webPort: number
    /** Health, metrics and the internal channel of an ingest that runs alone. */
    readonly ingestPort: number
    readonly sqlPort: number
    readonly proxies: number
    readonly adminSecret: string | null
    /** Made by the supervisor at its start, for the processes under it: they read the same file, and know each other by it. */
    readonly channelToken: string | null
    readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
    readonly clickhouseUrl: string | null
    readonly databaseUrl: string | null
    readonly redisUrl: string | null
    /** `host:port` each; `null` = the journal is read directly. */
    readonly kafkaBrokers: readonly string[] | null
    readonly serviceName: string
  }

const loopback = new Set(['127.0.0.1', '::1', 'localhost'])
/** True when only this machine can reach the address. */
export const isLoopback = (host: string): boolean => loopback.has(host) || /^127\.\d+\.\d+\.\d+$/.test(host)

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

/** The messages of those that are none do not repeat them: a password may be in there. */
const isUrl = (text: string, form: RegExp): boolean => form.test(text) && URL.canParse(text)

const brokersIn = (env: Env): readonly string[] | null => {
  const text = env.KAFKA_BROKERS?.trim() ?? ''
  if (text === '') return null
  const brokers = text.split(',').map((broker) => broker.trim())
  const bad = brokers.find((broker) => {
    const [, port] = /^(?:\[[0-9a-f:]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/i.exec(broker) ?? []
    return port === undefined || Number(port) === 0 || Number(port) > 65_535
  })
  if (bad !== undefined)
    throw new ConfigError(
      `KAFKA_BROKERS: "${bad.replace(/^.*@/, '...@').slice(0, 100)}" is not a broker. Accepted: host:port, several with commas between.`,
    )
  return brokers
}

/**
 * What holds once the environment has had its say over a file that was checked.
 *
 * @param path Of the file; `null` when there is none.
 * @throws ConfigError when anything is wrong.
 */
export const effectiveConfig = (fromFile: File, path: string | null, env: Env, cwd: string): Config => {
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
  const isLocal = isLoopback(host)
  if (fromFile.auth === 'open' && !isLocal)
    throw new ConfigError(
      `auth: open lets anyone call who reaches ${host}. Set auth: required and add keys (weir key new NAME), or bind 127.0.0.1.`,
    )
  const proxies = Number(env.WEIR_PROXIES || '1')
  if (!Number.isInteger(proxies) || proxies < 1 || proxies > 64)
    throw new ConfigError(`WEIR_PROXIES: "${env.WEIR_PROXIES ?? ''}" is not a number of processes. Accepted: 1 to 64.`)
  if (proxies > 1 && !env.REDIS_URL)
    throw new ConfigError(
      'WEIR_PROXIES: more than one proxy process needs REDIS_URL, because limits and budgets must stay exact.',
    )
  const redisUrl = env.REDIS_URL || null
  if (redisUrl !== null && !isUrl(redisUrl, /^rediss?:\/\/[^/\s]/))
    throw new ConfigError(
      'REDIS_URL is not the URL of a Redis. Accepted: redis://[user:password@]host:port[/db], or rediss:// for TLS.',
    )
  const clickhouseUrl = env.CLICKHOUSE_URL || null
  if (clickhouseUrl !== null && !isUrl(clickhouseUrl, /^https?:\/\/[^/\s]/))
    throw new ConfigError(
      'CLICKHOUSE_URL is not the URL of a ClickHouse server. Accepted: http(s)://[user:password@]host:port[/database], the HTTP port (8123, TLS 8443).',
    )
  const databaseUrl = env.DATABASE_URL || null
  if (databaseUrl !== null && !isUrl(databaseUrl, /^postgres(ql)?:\/\/\S/))
    throw new ConfigError(
      'DATABASE_URL is not the URL of a Postgres. Accepted: postgres://[user:password@]host:port/database, ?sslmode=verify-full for TLS.',
    )
  const kafkaBrokers = brokersIn(env)
  return deepFreeze({
    ...fromFile,
    auth: fromFile.auth ?? (isLocal ? 'open' : 'required'),
    targetUrl: fromFile.targetUrl ?? (isLocal ? 'public' : 'allowlist'),
    exports,
    dataDir: resolve(cwd, env.WEIR_DATA || '.weir'),
    file: path,
    host,
    proxyPort: port(env, 'WEIR_PROXY_PORT', 8787),
    webPort: port(env, 'WEIR_WEB_PORT', 8788),
    ingestPort: port(env, 'WEIR_INGEST_PORT', 8789),
    sqlPort: port(env, 'WEIR_SQL_PORT', 8123),
    proxies,
    adminSecret,
    channelToken: env.WEIR_CHANNEL_TOKEN || null,
    ...roleUrlsIn(env, adminSecret),
    logLevel: oneOf(env, 'WEIR_LOG_LEVEL', ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const, 'info'),
    clickhouseUrl,
    databaseUrl,
    redisUrl,
    kafkaBrokers,
    serviceName: env.OTEL_SERVICE_NAME || 'weir',
  })
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
  return effectiveConfig(parseConfigFile({ path, text: text ?? '' }, env), text === null ? null : path, env, cwd)
}

/** JSON Schema of weir.yaml, for editors. */
export const configJsonSchema = (): unknown => z.toJSONSchema(file, { io: 'input' })
