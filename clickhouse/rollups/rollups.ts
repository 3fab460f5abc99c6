import type { Db } from '../db.js'

/** One way rows reach a roll-up: what a materialized view reads, and the columns it fills. */
export interface Feed {
  readonly from: 'requests' | 'repriced'
  readonly columns: readonly string[]
  /** The view's SELECT, as the store keeps it. */
  readonly select: string
}

/** Where tables lie that are spread over shards: `x` is a Distributed table over `x_local` on each of them. */
export interface Shards {
  readonly cluster: string
  readonly count: number
}

/** A roll-up as it stands in the store. */
export interface Rollup {
  readonly name: string
  /** `null` = its rows lie on the server that is asked. */
  readonly shards: Shards | null
  /** The column of time, by whose month it is partitioned, and how much of it one row covers. */
  readonly at: 'hour' | 'day'
  readonly columns: readonly string[]
  /** Columns that are sums: what is compared. */
  readonly sums: readonly string[]
  readonly feeds: readonly Feed[]
}

interface Table {
  readonly name: string
  readonly engine: string
  readonly select: string
  readonly statement: string
  readonly partitionKey: string
  readonly engineFull: string
}

interface Column {
  readonly table: string
  readonly name: string
  readonly type: string
}

/** Takes the place of a roll-up's partition when it was rebuilt. */
export const twinOf = ({ name }: Pick<Rollup, 'name'>): string => `${name}_twin`

/** The table that holds the rows of `name`, as a statement that changes it for all shards has it. */
export const heldBy = (name: string, { shards }: Pick<Rollup, 'shards'>): string =>
  shards === null ? name : `${name}_local ON CLUSTER \`${shards.cluster}\``

const local = /_local$/
const source = /\bFROM\s+(?:`?\w+`?\.)?`?(requests|repriced)(?:_local)?`?(?=\s|$)/g
const target = (statement: string): string | undefined => /\bTO\s+(?:`?\w+`?\.)?`?(\w+)`?/.exec(statement)?.[1]

const feedOf = (view: Table, columns: readonly string[]): Feed => {
  const [found, ...more] = [...view.select.matchAll(source)]
  if (found === undefined || more.length > 0)
    throw new Error(`The view ${view.name} does not read requests or repriced, and once: its roll-up cannot be rebuilt.`)
  return { from: found[1] as Feed['from'], columns, select: view.select }
}

/** The feed's SELECT over rows of our choice instead of its table. */
export const selectOver = ({ select }: Feed, rows: string): string => select.replace(source, () => `FROM (${rows})`)

const shardsOf = async (db: Pick<Db, 'rows'>, tables: readonly Table[]): Promise<Shards | null> => {
  const spread = tables.find(({ name, engine }) => name === 'requests' && engine === 'Distributed')
  const cluster = /^Distributed\('([^']+)'/.exec(spread?.engineFull ?? '')?.[1]
  if (cluster === undefined) return null
  const [found] = await db.rows<{ count: number }>(
    'shards',
    'SELECT toUInt32(max(shard_num)) AS count FROM system.clusters WHERE cluster = {cluster:String}',
    { cluster },
  )
  return { cluster, count: found?.count ?? 0 }
}

/** Which roll-ups are there, and what feeds them? Told by the store itself, so that it holds for every schema. */
export const rollupsOf = async (db: Pick<Db, 'rows'>): Promise<readonly Rollup[]> => {
  const tables = await db.rows<Table>(
    'rollup-tables',
    `SELECT name, engine, as_select AS select, create_table_query AS statement, partition_key AS partitionKey, engine_full AS engineFull
     FROM system.tables WHERE database = currentDatabase() ORDER BY name`,
  )
  const all = await db.rows<Column>(
    'rollup-columns',
    'SELECT table, name, type FROM system.columns WHERE database = currentDatabase() ORDER BY table, position',
  )
  const columnsOf = (table: string): readonly Column[] => all.filter((column) => column.table === table)
  const names = (columns: readonly Column[]): readonly string[] => columns.map(({ name }) => name)
  const views = tables.filter(({ engine }) => engine === 'MaterializedView')
  const shards = await shardsOf(db, tables)
  return tables
    .filter(({ name, engine }) => engine.endsWith('AggregatingMergeTree') && !name.replace(local, '').endsWith('_twin'))
    .map(({ name, partitionKey }) => {
      const columns = columnsOf(name)
      return {
        name: shards === null ? name : name.replace(local, ''),
        shards,
        at: partitionKey === 'toYYYYMM(hour)' ? 'hour' : 'day',
        columns: names(columns),
        sums: names(columns.filter(({ type }) => type.startsWith('SimpleAggregateFunction(sum,'))),
        feeds: views
          .filter(({ statement }) => target(statement) === name)
          .map((view) => feedOf(view, names(columnsOf(view.name)))),
      }
    })
}
