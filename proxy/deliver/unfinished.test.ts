import { createServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { gzipSync } from 'node:zlib'
import { post, startTestProxy, type Got } from '../obtain/cache/testing.js'
import type { Exchange } from '../../core/exchange.js'

// Answers whose HTTP says that they are whole, and which are not.

const messages = [{ role: 'user', content: 'Hello?' }]
const plain = JSON.stringify({ model: 'gpt-4o-mini', messages })
const stream = JSON.stringify({ model: 'gpt-4o-mini', messages, stream: true, stream_options: { include_usage: true } })
const json = '{"id":"x","object":"chat.completion","choices":[{"message":{"content":"Half of it is he'
const event = 'data: {"id":"x","choices":[{"index":0,"delta":{"content":"Half"},"finish_reason":null}]}\n\n'

/** One call to an upstream that sends these bytes behind a head of 200, and closes. */
const ask = async (body: string, headers: readonly string[], sent: string | Buffer): Promise<{ got: Got; end: Exchange }> => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\n${headers.join('\r\n')}\r\n\r\n`)
      socket.end(sent)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const proxy = await startTestProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const got = await post(proxy.port, { body })
  return { got, end: await proxy.end(got.id) }
}
const cut = { outcome: 'upstream_abort', status: 200, error: { kind: 'network', code: 'upstream_reset' } }

test('JSON that ends with its connection is broken off for the client, too', async () => {
  const { got, end } = await ask(plain, ['content-type: application/json', 'connection: close'], json)
  expect([got.status, got.bytes.toString(), got.end]).toEqual([200, json, 'cut'])
  expect(end).toMatchObject({ ...cut, responseId: 'x', notes: ['unfinished'] })
  expect(end.counts.contentChars).toBe('Half of it is he'.length)
})

test('what it tells of its usage does not count: more may have been to come', async () => {
  const told = json.slice(0, json.indexOf('"choices"'))
  const { end } = await ask(plain, ['content-type: application/json', 'connection: close'], `${told}"usage":{"prompt_tokens":3}`)
  expect(end).toMatchObject({ ...cut, responseId: 'x', usageRaw: [] })
})

test('so is JSON whose chunks say that they are all', async () => {
  const chunks = `${json.length.toString(16)}\r\n${json}\r\n0\r\n\r\n`
  const { got, end } = await ask(plain, ['content-type: application/json', 'transfer-encoding: chunked'], chunks)
  expect([got.bytes.toString(), got.end]).toEqual([json, 'cut'])
  expect(end).toMatchObject(cut)
})

test.each([
  ['JSON', plain, 'application/json', json, null],
  ['a stream', stream, 'text/event-stream', event, null],
  ['packed JSON', plain, 'application/json', gzipSync(json).subarray(0, -9), 'gzip'],
])('%s of the length that was told goes out as it came; the row tells', async (_, body, type, sent, coding) => {
  const headers = [`content-type: ${type}`, `content-length: ${sent.length}`]
  const { got, end } = await ask(body, coding === null ? headers : [...headers, `content-encoding: ${coding}`], sent)
  expect([got.bytes.equals(Buffer.from(sent)), got.end]).toEqual([true, 'whole'])
  expect(end).toMatchObject(cut)
})

test.each([
  ['whole', '{"choices":[{"message":{"content":"Yes."}}]}'],
  ['whole as far as its brackets go', '{"choices":[{"message":{"content":"Yes."}}],}'],
])('JSON that is %s is complete', async (_, sent) => {
  const { got, end } = await ask(plain, ['content-type: application/json', 'connection: close'], sent)
  expect([got.bytes.toString(), got.end, end.outcome]).toEqual([sent, 'whole', 'complete'])
})
