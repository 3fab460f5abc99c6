import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { effectiveConfig } from '../../../core/config.js'
import { parseConfigFile } from '../../../core/config/parse.js'
import { decodeExchange, type Exchange } from '../../../core/exchange.js'
import type { JournalWriter } from '../../../journal/port.js'
import { startProxy, type ProxyDeps } from '../../main.js'

/** The proxy in this process, with a journal that keeps what it is given. */
export interface TestProxy {
  readonly port: number
  readonly dataDir: string
  readonly records: { readonly type: string; readonly exchange: Exchange }[]
  /** The end of a call, once it is there. */
  end(id: string): Promise<Exchange>
  /** Takes on more of a weir.yaml in the place of what it was started with. */
  reload(yaml: string): void
  drain(): Promise<void>
}

export const testDataDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-cache-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/**
 * @param origin Where OpenAI, Anthropic and Gemini answer.
 * @param yaml More of weir.yaml, behind its providers.
 * @param env Variables beside those of port and folder.
 * @param providers Lines of weir.yaml in the place of those three.
 */
export const startTestProxy = async (
  origin: string,
  {
    yaml = '',
    providers = ['openai', 'anthropic', 'gemini'].map((name) => `  ${name}: { origin: "${origin}" }\n`).join(''),
    dataDir = testDataDir(),
    env = {},
    ...more
  }: {
    readonly yaml?: string
    readonly providers?: string
    readonly dataDir?: string
    readonly env?: Readonly<Record<string, string>>
  } & Partial<Pick<ProxyDeps, 'now' | 'random' | 'breaker' | 'limitStore' | 'cacheStore' | 'network'>> = {},
): Promise<TestProxy> => {
  const records: TestProxy['records'] = []
  const journal: JournalWriter = {
    writer: '00000000-0000-7000-8000-000000000001',
    state: { bytes: 0, limitBytes: 1e9, shedsBodies: false, full: null, dropped: 0, tornBytes: 0 },
    append: (type, _id, _tenant, payload, _durability, done) => {
      records.push({ type, exchange: decodeExchange(Buffer.concat(payload)) })
      setImmediate(() => done(null))
    },
    close: () => Promise.resolve(),
  }
  const configOf = (more: string) =>
    effectiveConfig(
      parseConfigFile({ path: 'weir.yaml', text: `providers:\n${providers}${more}` }, {}),
      null,
      { WEIR_PROXY_PORT: '0', WEIR_DATA: dataDir, ...env },
      '/',
    )
  const failures: unknown[] = []
  const proxy = await startProxy({
    config: configOf(yaml),
    journal,
    ...more,
    log: {
      // Exceptions are faults of ours; what is told without one is a fault of something that a test took away.
      error: (fields: object) => {
        if ('err' in fields) failures.push(fields)
      },
      warn: () => undefined,
    },
  })
  let drained: Promise<void> | null = null
  const drain = (): Promise<void> => (drained ??= proxy.drain())
  onTestFinished(async () => {
    await drain()
    expect(failures).toEqual([])
  })
  return {
    port: proxy.port,
    dataDir,
    records,
    reload: (next) => proxy.reload(configOf(next)),
    drain,
    end: async (id) => {
      const ends = (): readonly Exchange[] =>
        records.filter(({ type, exchange }) => type === 'end' && exchange.id === id).map(({ exchange }) => exchange)
      await expect.poll(() => ends().length).toBe(1)
      return ends()[0] as Exchange
    },
  }
}

/** Calls that have come and not ended. */
export const inFlight = async (port: number): Promise<number> =>
  Number(/^weir_in_flight (\d+)$/m.exec(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text())?.[1])

export interface Sent {
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | Buffer
  /** Leaves once so many bytes of the answer have come; 0 = as soon as the request is out. */
  readonly leaveAfter?: number
  /** Leaves when it resolves. */
  readonly leave?: Promise<unknown>
  /** Told when the first bytes of the answer have come. */
  readonly begun?: () => void
}

export interface Got {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly bytes: Buffer
  /** How the answer ended: whole, cut, or left by us. */
  readonly end: 'whole' | 'cut' | 'left'
  readonly id: string
  /** When each piece came, in milliseconds after the request. */
  readonly arrivals: readonly number[]
}

/** Sends a POST on a connection of its own. */
export const post = (
  port: number,
  { path = '/openai/v1/chat/completions', headers = {}, body, leaveAfter, leave, begun }: Sent,
): Promise<Got> =>
  new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const pieces: Buffer[] = []
    const arrivals: number[] = []
    let length = 0
    const req = request(
      {
        port,
        host: '127.0.0.1',
        method: 'POST',
        path,
        agent: false,
        headers: { 'content-type': 'application/json', authorization: 'Bearer sk-one', ...headers },
      },
      (res) => {
        const got = (end: Got['end']): Got => ({
          status: res.statusCode ?? 0,
          headers: res.headers,
          bytes: Buffer.concat(pieces),
          end,
          id: String(res.headers['weir-id']),
          arrivals,
        })
        void leave?.then(() => resolve(got('left')))
        res.on('data', (piece: Buffer) => {
          if (length === 0) begun?.()
          pieces.push(piece)
          arrivals.push(performance.now() - startedAt)
          length += piece.length
          if (leaveAfter !== undefined && length >= leaveAfter) {
            req.destroy()
            resolve(got('left'))
          }
        })
        res.on('end', () => resolve(got('whole')))
        res.on('error', () => resolve(got('cut')))
      },
    )
    req.on('error', (cause) => {
      if (leaveAfter === undefined && leave === undefined) reject(cause)
    })
    const go = (): void => {
      req.destroy()
      resolve({ status: 0, headers: {}, bytes: Buffer.alloc(0), end: 'left', id: '', arrivals })
    }
    void leave?.then(() => {
      // Who has an answer tells of it.
      if (length === 0) go()
      else req.destroy()
    })
    req.end(body, () => {
      if (leaveAfter === 0) go()
    })
  })
