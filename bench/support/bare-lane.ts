import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'
import type { Dispatcher } from 'undici'

/** The least a TypeScript gateway can do: `node:http` in front, `Pool.dispatch` behind, nothing read, nothing recorded. */
const hop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'host', 'content-length'])
const pool = new Pool(process.env.BENCH_UPSTREAM ?? '', { connections: null, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 })

const server = createServer({ keepAliveTimeout: 75_000, noDelay: true }, (req, res) => {
  const pieces: Buffer[] = []
  req.on('data', (piece: Buffer) => pieces.push(piece))
  req.on('end', () => {
    const headers: string[] = []
    for (let i = 0; i < req.rawHeaders.length; i += 2)
      if (!hop.has((req.rawHeaders[i] as string).toLowerCase()))
        headers.push(req.rawHeaders[i] as string, req.rawHeaders[i + 1] as string)
    let resume: () => void = () => undefined
    res.on('close', () => undefined)
    const handler = {
      onConnect: () => undefined,
      onHeaders: (status: number, raw: Buffer[], resumeUpstream: () => void) => {
        resume = resumeUpstream
        const out: string[] = []
        for (let i = 0; i < raw.length; i += 2) {
          const name = (raw[i] as Buffer).toString('latin1')
          if (!hop.has(name.toLowerCase()) || name.toLowerCase() === 'content-length')
            out.push(name, (raw[i + 1] as Buffer).toString('latin1'))
        }
        res.writeHead(status, out)
        return true
      },
      onData: (piece: Buffer) => {
        if (res.write(piece)) return true
        res.once('drain', () => resume())
        return false
      },
      onComplete: () => void res.end(),
      onError: () => void res.destroy(),
    }
    pool.dispatch(
      {
        path: (req.url ?? '').replace(/^\/openai/, ''),
        method: 'POST',
        headers,
        body: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces),
      },
      handler as unknown as Dispatcher.DispatchHandler,
    )
  })
})
server.listen(0, '127.0.0.1', 4096, () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit(0))
