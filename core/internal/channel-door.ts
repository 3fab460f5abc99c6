import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'

export interface ChannelAnswer {
  readonly status: number
  /** Goes as JSON. */
  readonly body: unknown
}

/** By method and path, as `GET /internal/facts`. The body is what the JSON of the request says; `undefined` without one. */
export type ChannelRoutes = Readonly<Record<string, (body: unknown) => ChannelAnswer | Promise<ChannelAnswer>>>

interface Options {
  /** Any of them opens it; without one nobody gets in. */
  readonly tokens: readonly (string | null)[]
  readonly routes: ChannelRoutes
  /** Told of what a route threw; the other side learns nothing of it. */
  readonly failed: (cause: unknown) => void
}

/** What a snapshot with thousands of keys takes, several times over. */
const mostBytes = 16 * 1024 * 1024

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()

class BodyTooLarge extends Error {}

const jsonOf = async (req: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > mostBytes) throw new BodyTooLarge()
    chunks.push(chunk)
  }
  return bytes === 0 ? undefined : (JSON.parse(Buffer.concat(chunks).toString()) as unknown)
}

const faultOf = (cause: unknown): ChannelAnswer | null => {
  if (cause instanceof BodyTooLarge) return { status: 413, body: { error: 'The body is larger than 16 MiB.' } }
  if (cause instanceof SyntaxError) return { status: 400, body: { error: 'The body is no JSON.' } }
  if (cause instanceof z.ZodError) {
    const [issue] = cause.issues
    return { status: 422, body: { error: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'does not fit'}` } }
  }
  return null
}

/**
 * Answers roles of this house on `/internal/*`, and nobody else: whoever comes without the token, or from a web page, is not even told
 * that there is something.
 *
 * @returns Takes a request, or says that it is none of its own: then it is to be answered like any other of its path.
 */
export const channelDoor = ({ tokens, routes, failed }: Options): ((req: IncomingMessage, res: ServerResponse) => boolean) => {
  const known = tokens.filter((token) => token !== null && token !== '').map((token) => digestOf(token ?? ''))
  const mayEnter = ({ headers }: IncomingMessage): boolean => {
    // No role sends these, every browser does.
    if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined) return false
    const given = digestOf(/^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? '')
    let fits = false
    for (const digest of known) fits = timingSafeEqual(digest, given) || fits
    return fits
  }
  const answer = (res: ServerResponse, { status, body }: ChannelAnswer): void => {
    const text = JSON.stringify(body)
    res.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      ...(status === 413 ? { connection: 'close' } : {}),
    })
    res.end(text)
  }
  return (req, res) => {
    const url = req.url ?? ''
    if (known.length === 0 || !url.startsWith('/internal/') || !mayEnter(req)) return false
    const route = routes[`${req.method ?? ''} ${url.split('?', 1)[0] ?? ''}`]
    if (route === undefined) return false
    jsonOf(req)
      .then(route)
      .then(
        (told) => answer(res, told),
        (cause: unknown) => {
          const fault = faultOf(cause)
          if (fault === null) failed(cause)
          if (res.headersSent) return res.destroy()
          return answer(res, fault ?? { status: 500, body: { error: 'It failed; the log of the role says why.' } })
        },
      )
    return true
  }
}
