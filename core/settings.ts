import { readFileSync } from 'node:fs'
import { isNode, LineCounter, parseDocument } from 'yaml'
import type { Config } from './config.js'

/** One value of the effective configuration, for people. */
export interface Setting {
  /** `journal.limit`, `providers.openai.origin`, `exports.jaeger.endpoint`. */
  readonly key: string
  /** JSON; a secret is masked. */
  readonly value: string
  readonly source: 'environment' | 'file' | 'default'
  /** The variable, or `line 12`; `null` for a default. */
  readonly name: string | null
}

const variables: Partial<Record<keyof Config, string>> = {
  dataDir: 'WEIR_DATA',
  file: 'WEIR_CONFIG',
  host: 'WEIR_HOST',
  proxyPort: 'WEIR_PROXY_PORT',
  webPort: 'WEIR_WEB_PORT',
  ingestPort: 'WEIR_INGEST_PORT',
  sqlPort: 'WEIR_SQL_PORT',
  proxies: 'WEIR_PROXIES',
  proxiesUrls: 'WEIR_PROXIES_URLS',
  ingestUrl: 'WEIR_INGEST_URL',
  adminSecret: 'WEIR_ADMIN_SECRET',
  logLevel: 'WEIR_LOG_LEVEL',
  clickhouseUrl: 'CLICKHOUSE_URL',
  databaseUrl: 'DATABASE_URL',
  redisUrl: 'REDIS_URL',
  kafkaBrokers: 'KAFKA_BROKERS',
  serviceName: 'OTEL_SERVICE_NAME',
}
const otelVariables = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT']

const mask = '••••••'
/** Names whose value is a secret whatever it looks like; header values are, because people put credentials into any of them. */
const secret = /(key|secret|token|sha256|authorization|password|cookie)$|(^|\.)headers\./i

const withoutSecrets = (key: string, value: unknown): unknown => {
  if (typeof value !== 'string' || value === '') return value
  if (secret.test(key)) return mask
  return value.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@\s]+@/i, `$1${mask}@`).replace(/\?.*$/s, `?${mask}`)
}

type Path = readonly (string | number)[]
interface Leaf {
  readonly path: Path
  readonly key: string
  readonly value: unknown
}

/** Objects are opened, lists of named things too; other lists stay whole. */
const leaves = (value: unknown, path: Path, key: string): Leaf[] => {
  const join = (step: string): string => (key === '' ? step : `${key}.${step}`)
  if (Array.isArray(value)) {
    const named = value.length > 0 && value.every((item: unknown) => typeof item === 'object' && item !== null && 'name' in item)
    if (!named) return [{ path, key, value }]
    return (value as { name: string }[]).flatMap(({ name, ...rest }, i) => leaves(rest, [...path, i], join(name)))
  }
  if (value === null || typeof value !== 'object') return [{ path, key, value }]
  const entries = Object.entries(value)
  if (entries.length === 0 && path.length > 0) return [{ path, key, value }]
  return entries.flatMap(([step, inner]) => leaves(inner, [...path, step], join(step)))
}

const masked = ({ key, value }: Leaf): unknown => {
  if (Array.isArray(value)) return value.map((item: unknown) => withoutSecrets(key, item))
  return withoutSecrets(key, value)
}

type Lines = (path: Path) => number | null

/** Which line of the file sets a value; `null` when none does. The file may be gone by now. */
const linesOf = (file: string | null): Lines => {
  if (file === null) return () => null
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return () => null
  }
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter })
  return (path) => {
    const node = document.getIn(path, true)
    return isNode(node) && node.range ? counter.linePos(node.range[0]).line : null
  }
}

/**
 * The configuration as it is in force, each value with where it came from. Secrets are masked: the list may be shown to whoever
 * may see the pages.
 *
 * @param env The environment the configuration was read from.
 */
export const effectiveSettings = (config: Config, env: Readonly<Record<string, string | undefined>>): readonly Setting[] => {
  const lineOf = linesOf(config.file)
  const sourceOf = ({ path }: Leaf): Pick<Setting, 'source' | 'name'> => {
    const variable = variables[path[0] as keyof Config]
    if (variable !== undefined)
      return env[variable] ? { source: 'environment', name: variable } : { source: 'default', name: null }
    const line = lineOf(path)
    if (line !== null) return { source: 'file', name: `line ${String(line)}` }
    const otel = path[0] === 'exports' && path.length > 1 ? otelVariables.find((name) => env[name]) : undefined
    // A destination in the file has its line; values it leaves out are defaults.
    if (otel !== undefined && lineOf(path.slice(0, 2)) === null) return { source: 'environment', name: otel }
    return { source: 'default', name: null }
  }
  // Of no use to anybody but the processes of one start.
  const { channelToken: _, ...told } = config
  return leaves(told, [], '')
    .map((leaf) => ({ key: leaf.key, value: JSON.stringify(masked(leaf)), ...sourceOf(leaf) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
}
