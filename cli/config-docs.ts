import { configJsonSchema, loadConfig } from '../core/config.js'

interface Schema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly pattern?: string
  readonly format?: string
  readonly required?: readonly string[]
}

const times: readonly (readonly [unit: string, ms: number])[] = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]
const sizes: readonly (readonly [unit: string, bytes: number])[] = [
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['B', 1],
]
const inUnits = (value: number, units: readonly (readonly [string, number])[]): string => {
  const [unit, size] = units.find(([, each]) => value >= each && value % each === 0) ?? ['s', 1]
  return `${value / size}${unit}`
}

const isTime = ({ pattern }: Schema): boolean => pattern?.includes('ms|s|m|h|d') === true
const isSize = ({ pattern }: Schema): boolean => pattern?.includes('KiB|MiB|GiB') === true

/** What may stand there, in words. */
const accepted = (schema: Schema): string => {
  if (schema.anyOf !== undefined) return schema.anyOf.map(accepted).join(' or ')
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(' ')
  if (schema.const !== undefined) return `\`${String(schema.const)}\``
  if (isTime(schema)) return 'time, as `500ms` `30s` `10m` `1h`'
  if (isSize(schema)) return 'size, as `512KiB` `256MiB` `2GiB`'
  if (schema.pattern?.includes('%') === true) return 'percentage, as `10%`'
  if (schema.format === 'uri') return 'URL'
  if (schema.type === 'array') return schema.items?.type === 'object' ? 'list' : 'list of texts'
  if (schema.type === 'object')
    return typeof schema.additionalProperties === 'object' && schema.additionalProperties.type === 'object'
      ? 'entries by name'
      : 'texts by name'
  return (typeof schema.type === 'string' ? [schema.type] : (schema.type ?? []))
    .map((type) => ({ string: 'text', boolean: '`true` `false`', integer: 'whole number', null: '`null`' })[type] ?? type)
    .join(' or ')
}

const shown = (schema: Schema, value: unknown): string => {
  if (value === undefined) return ''
  if (typeof value === 'number' && isTime(schema)) return `\`${inUnits(value, times)}\``
  if (typeof value === 'number' && isSize(schema)) return `\`${inUnits(value, sizes)}\``
  if (value !== null && typeof value === 'object' && 'percent' in value) return `\`${String(value.percent)}%\``
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

type Row = readonly [key: string, accepted: string, fallback: string, meaning: string]

/** One row for each key; keys of lists and of named things are written `exports[].name` and `providers.<name>.origin`. */
const rows = (schema: Schema, path: string, defaults: unknown): readonly Row[] => {
  if (schema.type === 'object' && schema.properties !== undefined) {
    const values = (defaults ?? {}) as Readonly<Record<string, unknown>>
    return Object.entries(schema.properties).flatMap(([key, inner]) => {
      const fallback = values[key] ?? inner.default
      const needed = schema.required?.includes(key) === true
      return rows(inner, path === '' ? key : `${path}.${key}`, needed ? 'required' : fallback)
    })
  }
  const inner = schema.type === 'array' ? schema.items : schema.additionalProperties
  const nested =
    typeof inner === 'object' && inner.type === 'object'
      ? rows(inner, schema.type === 'array' ? `${path}[]` : `${path}.<name>`, {})
      : []
  const fallback = defaults === 'required' ? 'required' : shown(schema, defaults)
  return [[path, accepted(schema), fallback, schema.description ?? ''], ...nested]
}

const table = (head: readonly string[], body: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...body]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')

const variables: readonly (readonly [name: string, fallback: string, meaning: string])[] = [
  ['`WEIR_CONFIG`', '`./weir.yaml`', 'The file.'],
  ['`WEIR_DATA`', '`./.weir`', 'Everything on disk lies under it.'],
  ['`WEIR_HOST`', '`127.0.0.1`', 'Address to bind. Anything wider than loopback needs `WEIR_ADMIN_SECRET`.'],
  ['`WEIR_PROXY_PORT`', '`8787`', 'Where callers send their calls. 0 picks a free port, here and below.'],
  ['`WEIR_WEB_PORT`', '`8788`', 'Pages and API.'],
  ['`WEIR_INGEST_PORT`', '`8789`', 'Health, metrics and the internal channel of a `weir ingest` that runs alone.'],
  ['`WEIR_SQL_PORT`', '`8123`', 'ClickHouse-HTTP front of the embedded store; not used with `CLICKHOUSE_URL`.'],
  [
    '`WEIR_PROXIES`',
    '`1`',
    'Proxy processes of `weir start`, on the ports from `WEIR_PROXY_PORT` on, those of other roles left out; more than one needs `REDIS_URL`.',
  ],
  [
    '`WEIR_PROXIES_URLS`',
    '',
    'Proxies on other hosts, `https://host:port` with commas between: `weir web` and the hub tell them keys, limits, targets and prices, and ask how they are. Needs `WEIR_ADMIN_SECRET`, the same on all hosts.',
  ],
  [
    '`WEIR_INGEST_URL`',
    '',
    'Where `weir web` finds the `weir ingest` that runs elsewhere, `https://host:8789`; the same secret.',
  ],
  [
    '`WEIR_CHANNEL_HTTP`',
    '`loopback`',
    'Where those URLs may be `http://`, in clear: `loopback`, or `private` for a network that nobody else is on, as that of the Compose file.',
  ],
  ['`WEIR_ADMIN_SECRET`', '', 'At least 32 characters, as from `openssl rand -hex 32`. Opens everything.'],
  ['`WEIR_LOG_LEVEL`', '`info`', '`trace` `debug` `info` `warn` `error` `silent`; `debug` adds stacks.'],
  ['`CLICKHOUSE_URL`', '', 'Store calls in this ClickHouse server instead of the embedded engine.'],
  ['`DATABASE_URL`', '', 'Keep what the UI makes in this Postgres instead of the embedded one.'],
  ['`OTEL_EXPORTER_OTLP_ENDPOINT`', '', 'One trace destination without a file: base URL, `/v1/traces` is added.'],
  ['`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`', '', 'The same, the whole URL.'],
  ['`OTEL_EXPORTER_OTLP_HEADERS`', '', 'Its headers, as `name=value,name=value`; `_TRACES_HEADERS` wins.'],
  ['`OTEL_EXPORTER_OTLP_PROTOCOL`', '`http/protobuf`', 'Or `http/json`; `_TRACES_PROTOCOL` wins.'],
  ['`OTEL_SERVICE_NAME`', '`weir`', '`service.name` of the spans.'],
  [
    '`REDIS_URL`',
    '',
    'Keep levels of limits, answers of the cache and circuits of targets in this Redis (6 or newer), for any number of proxies, instead of in memory.',
  ],
  [
    '`KAFKA_BROKERS`',
    '',
    'Brokers of a Kafka, `host:port` with commas between: calls go from the journal to its topic, and ingest reads them there.',
  ],
]

/** docs/configuration.md, made from the schema that checks the file: `weir config --docs`. */
export const configurationPage = (): string => {
  const defaults = loadConfig({ WEIR_CONFIG: '/dev/null' }, '/')
  return `<!-- Made by \`weir config --docs\`; a test compares. -->

# Configuration

Everything is runtime configuration: environment variables, and \`weir.yaml\` (\`./weir.yaml\`, or the path in \`WEIR_CONFIG\`). Neither is needed to start. Variables win over the file.

## Environment

${table(['variable', 'default', 'meaning'], variables)}

## weir.yaml

Weir reads the file and never writes it. It is checked whole before anything starts: a fault is told with line and column, what is accepted there, and for a misspelt key the nearest known one. \`weir config --check\` does the same without starting; \`weir config --print\` shows what is in force and where it comes from; \`weir config --schema\` makes a JSON Schema for editors.

\`\${NAME}\` takes a value from the environment; a secret written in clear is refused. Sizes are in \`B KiB MiB GiB\`, times in \`ms s m h d\`.

A saved file (or SIGHUP) is applied within a second, whole or not at all: a bad one leaves everything as it was and is told in the log. \`journal\`, \`cache\`, \`allowedHosts\` on the pages' and SQL ports, and all that comes from variables hold after a restart; the log says so.

${table(
  ['key', 'accepted', 'default', 'meaning'],
  rows(configJsonSchema() as Schema, '', defaults).map(([key, ...rest]) => [`\`${key}\``, ...rest]),
)}

## Example

\`\`\`yaml
providers:
  openai: { origin: "http://127.0.0.1:9100" }            # a built-in provider at another origin
  my-vllm: { origin: "http://10.0.0.5:8000", family: openai-chat, auth: none, private: true }
models:
  - { match: "llama-*", provider: my-vllm }
exports:
  - { name: jaeger, profile: jaeger, endpoint: "http://localhost:4318/v1/traces" }
  - name: langfuse
    profile: langfuse
    endpoint: "https://langfuse.example.com/api/public/otel/v1/traces"
    headers: { authorization: "Basic \${LANGFUSE_AUTH}" }
retention: { rows: 400, bodies: 30 }
prices:
  - { provider: my-vllm, model: "*", free: true }
  - { provider: azure, model: "gpt-5*", from: 2026-07-01, until: 2027-01-01, discount: "0.15" }
  - { provider: openai, model: gpt-5, tier: priority, per: 1M, prices: { input: "2.00", cache_read: "0.20", output: "16.00" } }
\`\`\`
`
}
