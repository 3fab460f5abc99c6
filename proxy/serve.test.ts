import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WeirError } from '../core/errors.js'
import type { CallRecord } from './record.js'
import { serveBy, type House } from './serve.js'

test('a refusal that cannot be put into words ends its own connection, and nothing else', async () => {
  const fault = new URIError('URI malformed')
  const record = {
    target: null,
    attempts: null,
    call: null,
    cache: null,
    end: (_ending: unknown, then: (failure: null) => void) => void setImmediate(then, null),
    attemptsSaid: () => {
      throw fault
    },
  }
  const failures: unknown[] = []
  let closed = 0
  const house = {
    open: () => record as unknown as CallRecord,
    identify: () => {
      throw new WeirError('bad_header', 'M')
    },
    failed: (cause: unknown) => void failures.push(cause),
    closed: () => void closed++,
  }
  const serve = serveBy(house as unknown as House)
  const server = createServer((req, res) => void serve(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  await expect(fetch(`http://127.0.0.1:${port}/openai/v1/models`)).rejects.toThrow('fetch failed')
  expect([failures, closed]).toEqual([[fault], 1])
})
