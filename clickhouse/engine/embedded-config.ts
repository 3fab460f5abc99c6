import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const MiB = 1024 ** 2

/**
 * What the engine may hold. On top come its library (250 MB) and Node's own heap, so that the hub stays below 900 MB. By default
 * the engine takes 90 % of the machine, and its caches alone 5 GB each.
 */
export const engineMemoryBytes = 448 * MiB
/** What one question may hold; larger sorts and groupings go to disk half-way. */
export const questionMemoryBytes = 160 * MiB

const server = {
  max_server_memory_usage: engineMemoryBytes,
  mark_cache_size: 32 * MiB,
  primary_index_cache_size: 16 * MiB,
  index_mark_cache_size: 16 * MiB,
  uncompressed_cache_size: 0,
  query_condition_cache_size: 4 * MiB,
  text_index_tokens_cache_size: 8 * MiB,
  text_index_header_cache_size: 8 * MiB,
  text_index_postings_cache_size: 16 * MiB,
  compiled_expression_cache_size: 8 * MiB,
  // A thread at rest holds a stack and three descriptors; the engine keeps 1,000 of them by itself.
  max_thread_pool_free_size: 16,
  merge_tree: {
    // `requests` has some 150 streams; with buffers of a fixed 2 MiB each one merge took 625 MB, now 106 (decisions/0030).
    min_columns_to_activate_adaptive_write_buffer: 1,
    vertical_merge_algorithm_min_rows_to_activate: 1,
    // A merge reads a granule of each part at once.
    max_parts_to_merge_at_once: 20,
  },
}

const session = {
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
  // Days are days in UTC, in `today()` as in the roll-ups.
  session_timezone: 'UTC',
  // Else a mistyped statement is read as the expression of a SELECT.
  implicit_select: 0,
}

// No source (FILE, URL, REMOTE, S3 ...): table functions that read elsewhere fail even where read-only mode was talked out of it.
const grants = 'GRANT SELECT, INSERT, ALTER, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, TRUNCATE, OPTIMIZE, SHOW ON *.*'

type Tree = { readonly [name: string]: string | number | Tree }

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const xml = (tree: Tree): string =>
  Object.entries(tree)
    .map(([name, value]) => `<${name}>${typeof value === 'object' ? xml(value) : escaped(String(value))}</${name}>`)
    .join('\n')

/**
 * Writes the engine's configuration into its folder: what is about the server and its users cannot be set in SQL.
 *
 * @returns The arguments every session on this folder is opened with.
 */
export const writeEngineConfig = async (dir: string): Promise<readonly string[]> => {
  const users = join(dir, 'weir-users.xml')
  const config = join(dir, 'weir-engine.xml')
  const user = { password: '', networks: { ip: '::/0' }, profile: 'default', quota: 'default', grants: { query: grants } }
  const access = { profiles: { default: session }, quotas: { default: '' }, users: { default: user } }
  await writeFile(users, xml({ clickhouse: access }), { mode: 0o600 })
  await writeFile(config, xml({ clickhouse: { ...server, users_config: users } }), { mode: 0o600 })
  return [`--config-file=${config}`]
}
