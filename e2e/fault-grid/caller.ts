import { Agent, request, type IncomingHttpHeaders } from 'node:http'

/** How much of an answer a client has, for whoever must not go on before it has it. */
export class Progress {
  #bytes = 0
  readonly #waiting = new Set<{ readonly bytes: number; readonly go: () => void }>()

  /** Another call begins. */
  restart(): void {
    this.#bytes = 0
  }

  add(bytes: number): void {
    this.#bytes += bytes
    for (const each of this.#waiting) if (this.#bytes >= each.bytes) each.go()
  }

  /** Gives up after ten seconds: what is missing is for the test to find. */
  reached(bytes: number): Promise<void> {
    if (this.#bytes >= bytes) return Promise.resolve()
    return new Promise((resolve) => {
      const waiting = {
        bytes,
        go: () => {
          clearTimeout(timer)
          this.#waiting.delete(waiting)
          resolve()
        },
      }
      const timer = setTimeout(waiting.go, 10_000)
      this.#waiting.add(waiting)
    })
  }
}

/** What a client sees of an answer. */
export interface Received {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  /** `clean`: the HTTP message was whole. `broken`: the connection was cut inside it. */
  readonly end: 'clean' | 'broken'
  readonly id: string
  /** Heads that came before the answer's own. */
  readonly interim: number
}

const oneShot = new Agent({ keepAlive: false, maxSockets: Infinity })

/** Far longer than any time-out of a call. */
const silentMs = 30_000

interface Calling {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly progress: Progress
}

/** @throws The socket's error when no head came. */
export const callOnce = (url: string, { headers, body, progress }: Calling): Promise<Received> =>
  new Promise((resolve, reject) => {
    progress.restart()
    const req = request(url, { method: 'POST', agent: oneShot, headers: { 'content-type': 'application/json', ...headers } })
    let interim = 0
    req.on('information', () => interim++)
    req.on('error', reject)
    req.setTimeout(silentMs, () => req.destroy(new Error(`Nothing came for ${silentMs} ms.`)))
    req.on('response', (res) => {
      const chunks: Buffer[] = []
      const settle = (end: Received['end']): void =>
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          bytes: Buffer.concat(chunks),
          end,
          id: String(res.headers['weir-id'] ?? ''),
          interim,
        })
      res.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        progress.add(chunk.length)
      })
      res.once('end', () => settle('clean'))
      res.once('aborted', () => settle('broken'))
      res.on('error', () => settle('broken'))
    })
    req.end(body)
  })
