import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chat } from '../contract/testing-house.js'

interface Answer {
  readonly headers?: OutgoingHttpHeaders
  readonly body: Buffer | string
}

export interface Upstream {
  readonly origin: string
  /** SHA-256 of the bodies that came whole, in their order. */
  readonly bodies: readonly string[]
  /** What the next calls get. */
  answer(answer: Answer): void
  /** The next calls get their answer once it is resolved. */
  wait(until: Promise<void>): void
  close(): Promise<void>
}

/** A chat's answer of so many bytes. */
export const chatAnswer = (bytes = 0): string => {
  const of = (text: string): string =>
    JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      model: 'gpt-5-mini',
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    })
  return of('x'.repeat(Math.max(0, bytes - of('').length)))
}

/** A chat of so many bytes, unlike every other. */
export const chatOf = (bytes: number): string => {
  const bare = chat({ user: '' })
  return bare.replace('"user":""', `"user":"${'x'.repeat(bytes - bare.length)}"`)
}

/** An upstream that says what it is told to. */
export const startUpstream = async (): Promise<Upstream> => {
  const bodies: string[] = []
  let told: Answer = { body: chatAnswer() }
  let waiting: Promise<void> = Promise.resolve()
  const server = createServer({ maxHeaderSize: 1024 ** 2 }, (req: IncomingMessage, res) => {
    const hash = createHash('sha256')
    req.on('data', (chunk: Buffer) => hash.update(chunk))
    req.on('error', () => undefined)
    req.on('end', () => {
      bodies.push(hash.digest('hex'))
      const { headers = {}, body } = told
      void waiting.then(() => {
        res.writeHead(200, { 'content-type': 'application/json', ...headers })
        res.end(body)
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    answer: (next) => {
      told = next
    },
    wait: (until) => {
      waiting = until
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
