import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import type { PromptCache } from './anthropic.js'
import * as anthropic from './anthropic.js'
import { converse } from './bedrock.js'
import type { Sent } from './deliver.js'
import { deliver, send } from './deliver.js'
import type { Dialect } from './errors.js'
import { providerError } from './errors.js'
import { amount, parseFake } from './faults.js'
import { files } from './files.js'
import * as gemini from './gemini.js'
import { chatCompletions, completions } from './openai-chat.js'
import * as other from './openai-other.js'
import { responses } from './openai-responses.js'
import { realtime } from './realtime.js'
import type { Asked, Reply } from './reply.js'
import { idsFrom, record } from './reply.js'

/** One request as it arrived, filled in while it is answered. */
export interface Seen {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** So far; whole once the answer began, unless `early` was asked for. */
  readonly bodyBytes: number
  readonly bodySha256: string
  /** The first 64 KiB, as text. */
  readonly body: string
  /** When it came, by `performance.now()`. */
  readonly at: number
  /** The client went away before the answer was whole. */
  readonly aborted: boolean
  /** What was written as the answer's body; `null` while it runs, and when there was no head. */
  readonly sent: Sent | null
}
type Writable<T> = { -readonly [K in keyof T]: T[K] }

export interface FakeProvider {
  readonly origin: string
  readonly port: number
  /** The last 1,000 requests, oldest first. */
  readonly seen: readonly Seen[]
  /** Requests since the start. */
  total(): number
  /** Faults, as of `x-fake`, for the next requests, one each and in their order; an empty one is none. Without a plan `x-fake` decides. */
  plan(...faults: readonly string[]): void
  openSockets(): number
  /** Closes every socket at once. */
  close(): Promise<void>
}

const keptBytes = 65_536
const keptRequests = 1000

const dialectOf = (path: string, headers: IncomingMessage['headers']): Dialect =>
  /\/model\/[^/]+\/(?:converse|invoke)/.test(path)
    ? 'bedrock'
    : /\/v1beta\/(?!openai)/.test(path) || /:(stream)?[gG]enerateContent$/.test(path)
      ? 'gemini'
      : /\/messages(\/|$)/.test(path) || headers['anthropic-version'] !== undefined
        ? 'anthropic'
        : 'openai'

const hasKey = ({ headers, query }: Asked): boolean =>
  ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key'].some((name) => headers[name] !== undefined) || query.has('key')

type Routed = Reply | { readonly content: Iterable<Buffer>; readonly bytes: number }

/** Paths are told by their ending, so every OpenAI-shaped provider's root works. */
const route = (asked: Asked, dialect: Dialect, cache: PromptCache): Routed => {
  const { method, path } = asked
  const asksError = amount(asked.fake, 'status') ?? (asked.fake.has('html') ? 502 : null)
  if (asksError !== null) return providerError(dialect, asked, asksError)
  if (asked.fake.has('need-key') && !hasKey(asked))
    return dialect === 'gemini'
      ? providerError(dialect, asked, 400, 'API key not valid. Please pass a valid API key.')
      : providerError(dialect, asked, 401, dialect === 'anthropic' ? 'x-api-key header is required' : undefined)
  if (method === 'POST') {
    if (path.endsWith('/chat/completions')) return chatCompletions(asked)
    if (path.endsWith('/completions')) return completions(asked)
    if (path.endsWith('/responses')) return responses(asked)
    if (path.endsWith('/embeddings')) return other.embeddings(asked)
    if (/\/converse(?:-stream)?$/.test(path)) return converse(asked, path.endsWith('-stream'))
    if (path.endsWith('/messages')) return anthropic.messages(asked, cache)
    if (path.endsWith('/messages/count_tokens')) return anthropic.countTokens(asked)
    if (path.endsWith('/audio/speech')) return other.speech(asked)
    if (/\/audio\/(transcriptions|translations)$/.test(path)) return other.transcription(asked)
    if (/\/images\/(generations|edits)$/.test(path)) return other.images(asked)
    if (path.endsWith('/moderations')) return other.moderations(asked)
    const [, model = '', verb] = /\/models\/([^/]+):(\w+)$/.exec(path) ?? []
    if (verb === 'generateContent' || verb === 'streamGenerateContent')
      return gemini.generateContent(asked, model, verb === 'streamGenerateContent')
    if (verb === 'countTokens') return gemini.countTokens(asked)
    if (verb === 'embedContent' || verb === 'batchEmbedContents') return gemini.embedContent(asked, verb === 'batchEmbedContents')
  }
  const inFiles = /\/files(\/.*)?$/.exec(path)
  if (inFiles !== null) return files(asked, inFiles[1] ?? '')
  const inBatches = /\/batches(\/.*)?$/.exec(path)
  if (inBatches !== null) return other.batches(asked, inBatches[1] ?? '')
  if (method === 'GET' && path.endsWith('/models'))
    return dialect === 'gemini' ? gemini.listModels() : dialect === 'anthropic' ? anthropic.listModels() : other.models()
  const named = /\/models\/([^/:]+)$/.exec(path)
  if (method === 'GET' && named !== null) return other.model(named[1] ?? '')
  return providerError(dialect, asked, 404, `Unknown request URL: ${method} ${path}.`)
}

const isJson = (req: IncomingMessage): boolean => {
  const type = req.headers['content-type']
  return type === undefined || type.includes('json')
}

/** Hashes the body as it passes; keeps it whole only when it is JSON, else its beginning. */
const readBody = async (req: IncomingMessage, seen: Writable<Seen>): Promise<Buffer> => {
  const hash = createHash('sha256')
  const whole = isJson(req)
  const kept: Buffer[] = []
  let keptLength = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    hash.update(chunk)
    seen.bodyBytes += chunk.length
    if (whole || keptLength < keptBytes) {
      kept.push(chunk)
      keptLength += chunk.length
    }
  }
  seen.bodySha256 = hash.digest('hex')
  const body = Buffer.concat(kept)
  seen.body = body.subarray(0, keptBytes).toString()
  return whole ? body : body.subarray(0, keptBytes)
}

const parsed = (body: Buffer): { readonly body: Asked['body']; readonly malformed: boolean } => {
  if (body.length === 0) return { body: {}, malformed: false }
  try {
    return { body: record(JSON.parse(body.toString())), malformed: false }
  } catch {
    return { body: {}, malformed: true }
  }
}

/** Is this the model that faults were asked for? */
const isFor = (model: string | undefined, path: string, body: Asked['body']): boolean =>
  model === undefined || body.model === model || path.includes(`/${model}:`) || path.includes(`/${model}/`)

/**
 * A provider for tests, benches and the demo: OpenAI, Anthropic, Gemini and Bedrock's Converse on one port, and Realtime over WebSocket.
 * Answers are made from the request alone; tokens are bytes / 4 (tokens.ts); `x-fake` asks for figures and faults (faults.ts).
 *
 * @param port 0 picks a free one.
 */
export const startFakeProvider = async ({ port = 0, host = '127.0.0.1' } = {}): Promise<FakeProvider> => {
  const seen: Writable<Seen>[] = []
  const sockets = new Set<Socket>()
  const cache: PromptCache = new Set()
  let total = 0
  const planned: string[] = []

  const note = (req: IncomingMessage): Writable<Seen> => {
    const entry: Writable<Seen> = {
      method: req.method ?? '',
      path: req.url ?? '',
      headers: req.headers,
      bodyBytes: 0,
      bodySha256: '',
      body: '',
      at: performance.now(),
      aborted: false,
      sent: null,
    }
    seen.push(entry)
    if (seen.length > keptRequests) seen.shift()
    total++
    return entry
  }

  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const entry = note(req)
    const url = new URL(req.url ?? '/', 'http://fake')
    const wanted = parseFake(planned.shift() ?? (req.headers['x-fake'] as string | undefined) ?? url.searchParams.get('x-fake'))
    const seed = wanted.get('id') ?? String(total)
    let ownEnd = false
    res.once('close', () => {
      if (!res.writableFinished && !ownEnd) entry.aborted = true
    })
    const reading = readBody(req, entry)
    if (wanted.has('early')) reading.catch(() => {})
    const head = wanted.has('early') ? Buffer.alloc(0) : await reading
    const { body, malformed } = isJson(req) ? parsed(head) : { body: {}, malformed: false }
    const fake = isFor(wanted.get('for'), url.pathname, body) ? wanted : parseFake('')
    const asked: Asked = {
      method: entry.method,
      path: url.pathname,
      query: url.searchParams,
      headers: req.headers,
      body,
      malformed,
      bodyBytes: entry.bodyBytes,
      bodySha256: entry.bodySha256,
      head: head.subarray(0, keptBytes),
      fake,
      id: idsFrom(seed),
    }
    const reply = route(asked, dialectOf(url.pathname, req.headers), cache)
    if ('content' in reply) {
      const hash = createHash('sha256')
      res.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': reply.bytes })
      await send(res, reply.content, amount(fake, 'gap'), (piece) => hash.update(piece))
      res.end()
      entry.sent = { status: 200, bytes: reply.bytes, sha256: hash.digest('hex') }
      return
    }
    ownEnd = ['cut', 'fin', 'reset', 'close', 'bad-http', 'two-lengths', 'wrong-length'].some((name) => fake.has(name))
    entry.sent = await deliver(res, reply, fake)
  }

  const server = createServer({ maxHeaderSize: 131_072, keepAliveTimeout: 75_000, requestTimeout: 0 }, (req, res) => {
    answer(req, res).catch(() => res.destroy())
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })

  const upgrades = new WebSocketServer({ noServer: true })
  server.on('upgrade', (req, socket, head) => {
    const entry = note(req)
    const url = new URL(req.url ?? '/', 'http://fake')
    const fake = parseFake((req.headers['x-fake'] as string | undefined) ?? url.searchParams.get('x-fake'))
    const status = amount(fake, 'status')
    if (!url.pathname.endsWith('/realtime') || status !== null) {
      const body = JSON.stringify({
        error: { message: 'The upgrade is refused.', type: 'invalid_request_error', param: null, code: null },
      })
      socket.end(
        `HTTP/1.1 ${status ?? 404} Refused\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
      )
      return
    }
    const seed = fake.get('id') ?? String(total)
    upgrades.handleUpgrade(req, socket, head, (client) => {
      client.on('error', () => {})
      client.once('close', (code) => {
        entry.aborted = code === 1006
      })
      realtime(client, url.searchParams.get('model') ?? 'gpt-realtime', seed, fake)
    })
  })

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve())
  })
  const bound = (server.address() as AddressInfo).port
  return {
    origin: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    port: bound,
    seen,
    total: () => total,
    plan: (...faults) => {
      planned.length = 0
      planned.push(...faults)
    },
    openSockets: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const client of upgrades.clients) client.terminate()
        for (const socket of sockets) socket.destroy()
      }),
  }
}
