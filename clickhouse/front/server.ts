import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Access } from '../../core/access.js'
import { DbError, type Db } from '../db.js'
import { strayed, unauthorised, type Door } from './admit.js'
import { contentTypeOf, formatOf, statusOf, summaryOf } from './answer.js'
import { framedForProtocol } from './native.js'
import { BadQuestion, readQuestion, type Question } from './question.js'

export interface SqlFrontOptions {
  readonly db: Db
  /** Who may ask now. */
  readonly access: () => Access
  /** Host names, beside localhost, that may be used on a loopback bind. */
  readonly allowedHosts: readonly string[]
}

/** Questions wait for one another (the engine answers users one at a time); more than this many is no queue but an attack. */
const waitingLimit = 64

const compress = promisify(gzip)

const exception = (code: number, message: string): string =>
  message.startsWith('Code: ') ? `${message}\n` : `Code: ${code}. DB::Exception: ${message}\n`

const refuse = (res: ServerResponse, code: number, message: string, status = statusOf(code)): void => {
  if (status === 401) res.setHeader('WWW-Authenticate', 'Basic realm="Weir SQL"')
  res.writeHead(status, { 'Content-Type': 'text/plain; charset=UTF-8', 'X-ClickHouse-Exception-Code': String(code) })
  res.end(exception(code, message))
}

const failed = (res: ServerResponse, cause: unknown): void => {
  if (cause instanceof DbError || cause instanceof BadQuestion) refuse(res, cause.code, cause.message)
  else refuse(res, 1002, cause instanceof Error ? cause.message : String(cause))
}

const plain = (res: ServerResponse, status: number, text: string): void => {
  res.writeHead(status, { 'Content-Type': 'text/html; charset=UTF-8' })
  res.end(text)
}

const acceptsGzip = (req: IncomingMessage): boolean => /\bgzip\b/.test(String(req.headers['accept-encoding'] ?? ''))

/**
 * The ClickHouse HTTP interface over the store, read-only, so that any ClickHouse client can ask it. It shows every tenant.
 *
 * @returns A server that does not listen yet. `close()` it before the store.
 */
export const createSqlFront = ({ db, access, allowedHosts }: SqlFrontOptions): Server => {
  let waiting = 0

  const answer = async (req: IncomingMessage, res: ServerResponse, question: Question): Promise<void> => {
    const { sql, wireParams, queryId, protocolVersion, compressed } = question
    const format = formatOf(sql, question.format)
    res.setHeader('X-ClickHouse-Query-Id', /^[\w-]{1,64}$/.test(queryId ?? '') ? String(queryId) : randomUUID())
    const result = await db.raw(sql, { format: question.format, params: {}, wireParams })
    const bytes = format === 'Native' ? framedForProtocol(result.bytes, protocolVersion) : result.bytes
    res.setHeader('X-ClickHouse-Format', format)
    res.setHeader('X-ClickHouse-Summary', summaryOf(result))
    res.setHeader('Content-Type', contentTypeOf(format))
    if (compressed && acceptsGzip(req)) {
      res.setHeader('Content-Encoding', 'gzip')
      res.end(await compress(bytes))
    } else res.end(bytes)
  }

  const ask = async (req: IncomingMessage, res: ServerResponse, params: URLSearchParams): Promise<void> => {
    if (waiting >= waitingLimit) return refuse(res, 202, `Too many simultaneous queries: ${waitingLimit} are waiting.`)
    waiting++
    try {
      const question = await readQuestion(req, params)
      if (question.sql === '') {
        if (req.method === 'POST') refuse(res, 62, 'Empty query. (SYNTAX_ERROR)')
        else plain(res, 200, 'Ok.\n')
      } else await answer(req, res, question)
    } catch (cause) {
      failed(res, cause)
    } finally {
      waiting--
    }
  }

  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://front')
    res.setHeader('X-ClickHouse-Server-Display-Name', 'weir')
    res.setHeader('X-ClickHouse-Timezone', 'UTC')
    const bound = server.address()
    const door: Door = {
      address: typeof bound === 'object' && bound !== null ? bound.address : '',
      access: access(),
      allowedHosts,
    }
    const stray = strayed(req, door)
    if (stray !== null) return refuse(res, stray.code, stray.message, stray.status)
    // A health check carries no secret and learns nothing.
    if (pathname === '/ping') return plain(res, 200, 'Ok.\n')
    const away = unauthorised(req, searchParams, door)
    if (away !== null) return refuse(res, away.code, away.message, away.status)
    if (pathname !== '/')
      return plain(res, 404, `There is no handle ${pathname}\n\nUse / for queries and /ping for health checks.\n`)
    if (req.method !== 'GET' && req.method !== 'POST' && req.method !== 'HEAD') {
      res.setHeader('Allow', 'GET, HEAD, POST')
      return plain(res, 405, 'Use GET or POST.\n')
    }
    await ask(req, res, searchParams)
  }

  const server = createServer({ keepAliveTimeout: 65_000 }, (req, res) => {
    // A body left unread after an early answer would keep the connection from its next request.
    res.on('finish', () => req.resume())
    serve(req, res).catch(() => res.destroy())
  })
  return server
}
