import { mkdtempSync, rmSync } from 'node:fs'
import { request, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { effectiveConfig } from '../../core/config.js'
import { parseConfigFile } from '../../core/config/parse.js'
import { decodeExchange, type Exchange } from '../../core/exchange.js'
import type { JournalWriter } from '../../journal/port.js'
import { startProxy, type ProxyDeps } from '../main.js'

export interface Got {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string>
  readonly bytes: Buffer
  readonly text: string
  /** `null` = no JSON. */
  readonly body: unknown
  readonly id: string
}

interface Asked {
  readonly path?: string
  readonly method?: string
  readonly headers?: readonly (readonly [string, string])[]
  /** Instead of a chat of its own. */
  readonly body?: string
}

/** A proxy for many calls of one test file. */
export interface House {
  /** A chat unlike every other, with these headers. */
  call(headers: Readonly<Record<string, string>>, path?: string): Promise<Got>
  ask(asked: Asked): Promise<Got>
  /** The row of a call. */
  end(id: string): Promise<Exchange>
  rows(): number
  /** Takes another weir.yaml. */
  reload(yaml: string): void
  /** The journal takes nothing, or takes all again. */
  breakJournal(broken: boolean): void
  readonly port: number
  /** Everything of it on disk. */
  readonly dataDir: string
  /** The text of /metrics. */
  metrics(): Promise<string>
  /** What the log told of; must be empty at the end. */
  readonly failures: unknown[]
  close(): Promise<void>
}

let chats = 0
export const chat = (more: object = {}): string =>
  JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: `Hello ${++chats}` }], ...more })

const send = (port: number, { path = '/openai/v1/chat/completions', method = 'POST', headers = [], body }: Asked): Promise<Got> =>
  new Promise((resolve, reject) => {
    const text = body ?? chat()
    const fixed = { host: `127.0.0.1:${port}`, 'content-type': 'application/json', authorization: 'Bearer sk-one' }
    const given = new Set(headers.map(([name]) => name.toLowerCase()))
    const flat = [
      ...Object.entries(fixed).filter(([name]) => !given.has(name)),
      ...(method === 'GET' ? [] : [['content-length', String(Buffer.byteLength(text))] as const]),
      ...headers,
    ].flat()
    const req = request({ port, host: '127.0.0.1', method, path, agent: false, headers: flat as string[] }, (res) => {
      const pieces: Buffer[] = []
      res.on('data', (piece: Buffer) => void pieces.push(piece))
      res.on('error', reject)
      res.on('end', () => {
        const bytes = Buffer.concat(pieces)
        let json: unknown = null
        try {
          json = JSON.parse(bytes.toString())
        } catch {
          // No JSON then.
        }
        const { statusCode: status = 0, trailers } = res
        resolve({
          status,
          headers: res.headers,
          trailers,
          bytes,
          text: bytes.toString(),
          body: json,
          id: String(res.headers['weir-id']),
        })
      })
    })
    req.on('error', reject)
    // As bytes: with a string Node would write the head as UTF-8, too.
    req.end(method === 'GET' ? undefined : Buffer.from(text))
  })

/**
 * @param origin Where OpenAI, Anthropic and Gemini answer.
 * @param yaml More of weir.yaml.
 */
export const startHouse = async (
  origin: string,
  yaml = '',
  more: Partial<Pick<ProxyDeps, 'random' | 'pressure'>> = {},
): Promise<House> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'weir-contract-'))
  const ends = new Map<string, Exchange>()
  let rows = 0
  let broken = false
  const journal: JournalWriter = {
    writer: '00000000-0000-7000-8000-000000000001',
    state: { bytes: 0, limitBytes: 1e9, shedsBodies: false, full: null, dropped: 0, tornBytes: 0 },
    append: (type, id, _tenant, payload, _durability, done) => {
      if (broken) return void setImmediate(() => done(new Error('no space left')))
      if (type === 'end') {
        rows++
        ends.set(id, decodeExchange(Buffer.concat(payload)))
      }
      setImmediate(() => done(null))
    },
    close: () => Promise.resolve(),
  }
  const configOf = (text: string) => {
    const providers = ['openai', 'anthropic', 'gemini'].map((name) => `  ${name}: { origin: "${origin}" }\n`).join('')
    const file = parseConfigFile({ path: 'weir.yaml', text: `providers:\n${providers}${text}` }, {})
    return effectiveConfig(file, null, { WEIR_PROXY_PORT: '0', WEIR_DATA: dataDir }, '/')
  }
  const failures: unknown[] = []
  const proxy = await startProxy({
    config: configOf(yaml),
    journal,
    ...more,
    log: { error: (fields: object) => void failures.push(fields), warn: () => undefined },
  })
  const ask = (asked: Asked): Promise<Got> => send(proxy.port, asked)
  return {
    port: proxy.port,
    dataDir,
    metrics: async () => (await ask({ path: '/metrics', method: 'GET' })).text,
    failures,
    ask,
    call: (headers, path) => ask({ headers: Object.entries(headers), ...(path === undefined ? {} : { path }) }),
    end: async (id) => {
      await expect.poll(() => ends.has(id)).toBe(true)
      return ends.get(id) as Exchange
    },
    rows: () => rows,
    reload: (text) => proxy.reload(configOf(text)),
    breakJournal: (is) => {
      broken = is
    },
    close: async () => {
      await proxy.drain()
      await proxy.stop()
      rmSync(dataDir, { recursive: true, force: true })
      expect(failures).toEqual([])
    },
  }
}
