import { z } from 'zod'

/** How the server of CLICKHOUSE_URL is laid out; nothing of it concerns the embedded engine. */
export const clickhouse = z
  .strictObject({
    cluster: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/, 'accepted form: a letter or _, then letters, digits, _ and -, at most 64')
      .nullable()
      .default(null)
      .describe('Cluster of the server on which tables are made, as remote_servers names it; null: on the one server alone.'),
    replicated: z
      .boolean()
      .default(false)
      .describe('Tables with replicas, kept by Keeper. Without cluster: the database is one of engine Replicated.'),
    sharded: z
      .boolean()
      .default(false)
      .describe(
        'Calls are spread over the shards of the cluster by their id, and read from all. Roll-ups are then not compared.',
      ),
  })
  .refine(({ cluster, sharded }) => !sharded || cluster !== null, {
    message: 'sharded needs the name of the cluster: clickhouse.cluster',
    path: ['sharded'],
  })
