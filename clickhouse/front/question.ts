import { createGunzip, createInflate } from 'node:zlib'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'

/** What a ClickHouse client asked over HTTP. */
export interface Question {
  readonly sql: string
  /** Of the answer, unless the SQL ends in a FORMAT clause of its own. */
  readonly format: string
  /** `param_*`, escaped as they came. */
  readonly wireParams: Readonly<Record<string, string>>
  readonly queryId: string | null
  /** Of the native protocol; 0 when the client names none. */
  readonly protocolVersion: number
  /** The client asked for a compressed answer (`enable_http_compression=1`). */
  readonly compressed: boolean
}

/** A request that cannot be read; `code` is ClickHouse's. */
export class BadQuestion extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.name = 'BadQuestion'
    this.code = code
  }
}

/** A query of 1 MiB is a generated one gone wrong; ClickHouse's own limit (max_query_size) is 256 KiB. */
const bodyLimitBytes = 1024 ** 2

const decoded = (req: IncomingMessage): Readable => {
  const coding = (req.headers['content-encoding'] ?? 'identity').toLowerCase()
  if (coding === 'identity') return req
  if (coding === 'gzip') return req.pipe(createGunzip())
  if (coding === 'deflate') return req.pipe(createInflate())
  throw new BadQuestion(48, `Content-Encoding ${coding} is not supported here. Send gzip, deflate or no coding.`)
}

const bodyOf = async (req: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of decoded(req) as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > bodyLimitBytes) throw new BadQuestion(62, 'The query is longer than 1 MiB.')
      chunks.push(chunk)
    }
  } catch (cause) {
    if (cause instanceof BadQuestion) throw cause
    throw new BadQuestion(354, `The body cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const refuseUnsupported = (req: IncomingMessage, params: URLSearchParams): void => {
  for (const name of ['compress', 'decompress'])
    if ((params.get(name) ?? '0') !== '0')
      throw new BadQuestion(
        48,
        `${name}=1 (ClickHouse's own LZ4 framing) is not supported here. Set ${name}=0; HTTP compression (enable_http_compression=1, gzip) works.`,
      )
  if (/^multipart\//i.test(req.headers['content-type'] ?? ''))
    throw new BadQuestion(
      48,
      'multipart/form-data (external tables) is not supported here. Send the query as the body, parameters as param_name in the URL.',
    )
  const database = params.get('database') ?? req.headers['x-clickhouse-database'] ?? ''
  if (database !== '' && database !== 'default')
    throw new BadQuestion(81, `Database ${String(database)} does not exist. (UNKNOWN_DATABASE) Weir's tables are in "default".`)
}

/**
 * Reads a request of the ClickHouse HTTP interface. The query is the `query` parameter, the body, or the first followed by
 * the second. `session_id` and settings are left aside: the front has settings of its own.
 *
 * @throws BadQuestion
 */
export const readQuestion = async (req: IncomingMessage, params: URLSearchParams): Promise<Question> => {
  refuseUnsupported(req, params)
  const body = req.method === 'POST' ? await bodyOf(req) : ''
  const wireParams: Record<string, string> = {}
  for (const [name, value] of params) if (name.startsWith('param_')) wireParams[name.slice('param_'.length)] = value
  return {
    sql: [params.get('query') ?? '', body].filter((part) => part.trim() !== '').join('\n'),
    format: String(params.get('default_format') ?? req.headers['x-clickhouse-format'] ?? 'TabSeparated'),
    wireParams,
    queryId: params.get('query_id'),
    protocolVersion: Number(params.get('client_protocol_version') ?? 0) || 0,
    compressed: params.get('enable_http_compression') === '1',
  }
}
