/** How the tables of a server are spread. The embedded engine and a single server have none of it. */
export interface Layout {
  /** Cluster on which tables are made; `null` = the one server alone. */
  readonly cluster: string | null
  /** Tables are kept by several replicas. */
  readonly replicated: boolean
  /** Rows are spread over the shards of the cluster. */
  readonly sharded: boolean
}

export const oneServer: Layout = { cluster: null, replicated: false, sharded: false }

/** Replicas void a batch that comes again within a week; by default they forget it after an hour. */
const windowSeconds = 604_800

/** Which shard a row goes to. What is looked up or joined by the id of a call lies on the shard of that call. */
const shardingKeys: Readonly<Record<string, string>> = {
  requests: 'cityHash64(request_id)',
  request_bodies: 'cityHash64(request_id)',
  request_costs: 'cityHash64(request_id)',
  cost_adjustments: 'cityHash64(request_id)',
  repriced: 'cityHash64(request_id)',
  scores: 'cityHash64(request_id)',
  r_model_1h: 'cityHash64(tenant_id)',
  r_attempt_1h: 'cityHash64(tenant_id)',
  r_user_1d: 'cityHash64(tenant_id)',
  r_session_1d: 'cityHash64(tenant_id)',
  r_prop_1d: 'cityHash64(tenant_id)',
  log_gaps: 'cityHash64(tenant_id)',
  model_prices: 'cityHash64(price_id)',
  rollup_checks: 'toUnixTimestamp(at)',
  ingest_pauses: 'cityHash64(owner)',
  schema_migrations: 'id',
}

interface Form {
  readonly pattern: RegExp
  readonly make: (match: RegExpExecArray, on: (name: string) => string) => string
}

// `on` gives a name and the cluster behind it.
const forms: readonly Form[] = [
  {
    pattern: /^CREATE TABLE IF NOT EXISTS (\w+)( AS (\w+))?(?=\s)/,
    make: ([, name = '', , other], on) =>
      `CREATE TABLE IF NOT EXISTS ${on(name)}${other === undefined ? '' : ` AS ${on(other).split(' ', 1)[0] ?? other}`}`,
  },
  {
    pattern: /^CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+) AS(?=\s)/,
    make: ([, name = '', target = ''], on) =>
      `CREATE MATERIALIZED VIEW IF NOT EXISTS ${on(name)} TO ${on(target).split(' ', 1)[0] ?? target} AS`,
  },
  {
    pattern: /^CREATE VIEW IF NOT EXISTS (\w+) AS(?=\s)/,
    make: ([, name = ''], on) => `CREATE VIEW IF NOT EXISTS ${on(name)} AS`,
  },
  { pattern: /^ALTER TABLE (\w+)(?=\s)/, make: ([, name = ''], on) => `ALTER TABLE ${on(name)}` },
  { pattern: /^DROP TABLE IF EXISTS (\w+)$/, make: ([, name = ''], on) => `DROP TABLE IF EXISTS ${on(name)} SYNC` },
]

const withReplicas = (statement: string): string => {
  if (!/\bENGINE = \w*MergeTree\b/.test(statement)) return statement
  const swapped = statement.replace(/\bENGINE = (\w*MergeTree)\b/, 'ENGINE = Replicated$1')
  const windowed = swapped.replace(
    /\bnon_replicated_deduplication_window = (\d+)/,
    `replicated_deduplication_window = $1, replicated_deduplication_window_seconds = ${windowSeconds}`,
  )
  if (windowed !== swapped) return windowed
  // No window was wanted, and the one replicas have by default would void what is built again.
  return /\bSETTINGS\b/.test(swapped)
    ? swapped.replace(/\bSETTINGS /, 'SETTINGS replicated_deduplication_window = 0, ')
    : `${swapped} SETTINGS replicated_deduplication_window = 0`
}

const readsLocal = (statement: string): string =>
  statement.replace(/(\bFROM|(?<!\bARRAY )\bJOIN)\s+([a-z]\w*)\b(?!\()/g, '$1 $2_local')

/**
 * What a statement of the migrations becomes under a layout: replicated engines with windows of their own kind, ON CLUSTER, and with
 * shards a table `x_local` on each under a Distributed `x`, so that whoever asks need not know.
 *
 * @param database Where the tables are; Distributed tables name it.
 * @throws Error for a form, or with shards a table, that was not thought of.
 */
export const laidOut = (statement: string, layout: Layout, database: string): readonly string[] => {
  const { cluster, replicated, sharded } = layout
  const form = forms.find(({ pattern }) => pattern.test(statement))
  const match = form?.pattern.exec(statement)
  if (form === undefined || match === undefined || match === null) {
    if (/^(CREATE|ALTER|DROP|RENAME|EXCHANGE)\b/i.test(statement) && (cluster !== null || replicated))
      throw new Error(`A statement of this form cannot be laid out on a cluster: ${statement.slice(0, 80)}`)
    return [statement]
  }
  if (cluster === null && !replicated) return [statement]
  const onCluster = cluster === null ? '' : ` ON CLUSTER \`${cluster}\``
  const [head, name = ''] = match
  const rest = statement.slice(head.length)
  const local = form.make(match, (table) => `${table}${sharded ? '_local' : ''}${onCluster}`) + rest
  const laid = replicated ? withReplicas(local) : local
  if (!sharded) return [laid]
  const shard = readsLocal(laid)
  const everywhere = `${name}${onCluster}`
  if (statement.startsWith('DROP')) return [`DROP TABLE IF EXISTS ${everywhere} SYNC`, shard]
  if (statement.startsWith('ALTER')) return /\bINDEX\b/.test(rest) ? [shard] : [shard, `ALTER TABLE ${everywhere}${rest}`]
  if (statement.startsWith('CREATE MATERIALIZED')) return [shard]
  const key = shardingKeys[name.replace(/_twin$/, '')]
  if (key === undefined) throw new Error(`By what is ${name} spread over shards? layout.ts does not say.`)
  return [
    shard,
    `CREATE TABLE IF NOT EXISTS ${everywhere} AS ${name}_local ENGINE = Distributed('${cluster ?? ''}', '${database}', '${name}_local', ${key})`,
  ]
}
