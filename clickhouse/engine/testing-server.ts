import { Session, drainPending } from 'chdb'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { sqlString } from './bound-params.js'

/**
 * A ClickHouse server for tests: the embedded engine behind HTTP, writes let through, nobody asked who they are.
 * No part of the product, whose front is read-only.
 */
export interface TestingServer {
  readonly url: string
  close(): Promise<void>
}

export interface TestingServerOptions {
  readonly port?: number
  /** The engine's configuration file. */
  readonly configFile?: string
  /** Takes ON CLUSTER out of what is asked: the engine has no queue of statements, and is the only node of its cluster. */
  readonly aloneInCluster?: boolean
  /** Hold for every insert, whatever it brings. */
  readonly insertSettings?: Readonly<Record<string, string | number>>
}

const notSettings = new Set([
  'query',
  'query_id',
  'database',
  'default_format',
  'session_id',
  'enable_http_compression',
  'log_comment',
  'wait_end_of_query',
])

const insertInto = /^\s*INSERT INTO (\w+) FORMAT (JSONEachRow)\s*$/i

const answer = async (
  openSession: () => Session,
  req: IncomingMessage,
  { aloneInCluster = false, insertSettings = {} }: TestingServerOptions,
): Promise<{ bytes: Uint8Array; rowsRead: number }> => {
  const params = new URL(req.url ?? '/', 'http://server').searchParams
  const body = await buffer(req)
  const inUrl = params.get('query') ?? ''
  const statement = (text: string): string => (aloneInCluster ? text.replaceAll(/ ON CLUSTER `\w+`/g, '') : text)
  const settings = [...params].filter(([name]) => !notSettings.has(name))
  const session = openSession()
  try {
    const [, table, format] = insertInto.exec(inUrl) ?? []
    if (table !== undefined && format === 'JSONEachRow') {
      await session.insert({ table, values: body, format, settings: { ...Object.fromEntries(settings), ...insertSettings } })
      return { bytes: new Uint8Array(), rowsRead: 0 }
    }
    if (settings.length > 0)
      await session.queryAsync(
        `SET ${settings.map(([name, value]) => `${name}=${name === 'readonly' ? value : sqlString(value)}`).join(', ')}`,
      )
    const result = await session.queryAsync(statement(`${inUrl}\n${body.toString()}`), {
      format: params.get('default_format') ?? 'TabSeparated',
    })
    return { bytes: result.bytes(), rowsRead: result.rowsRead }
  } finally {
    session.close()
  }
}

/** Starts the server on a free port of loopback. One engine folder a process: it and an embedded store cannot both be open. */
export const startTestingServer = async (dir: string, options: TestingServerOptions = {}): Promise<TestingServer> => {
  const { port = 0, configFile } = options
  const connectionArgs = ['--implicit_select=0', ...(configFile === undefined ? [] : [`--config-file=${configFile}`])]
  const openSession = (): Session => new Session(dir, { connectionArgs })
  const kept = openSession()
  // Parameters travel in the URL, which may be 1 MiB long (http_max_uri_size).
  const server: Server = createServer({ maxHeaderSize: 1024 ** 2 }, (req, res) => {
    if (req.url === '/ping') return res.end('Ok.\n')
    answer(openSession, req, options).then(
      ({ bytes, rowsRead }) => res.setHeader('X-ClickHouse-Summary', JSON.stringify({ read_rows: String(rowsRead) })).end(bytes),
      (cause: { message: string; clickhouseCode?: number }) => {
        res.writeHead(500, { 'X-ClickHouse-Exception-Code': String(cause.clickhouseCode ?? 0) })
        res.end(cause.message.replace(/^(Code: \d+\. DB::Exception: )\1/, '$1'))
      },
    )
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      kept.close()
      await drainPending()
    },
  }
}
