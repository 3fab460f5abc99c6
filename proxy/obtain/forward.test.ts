import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { post, startTestProxy, type TestProxy } from './cache/testing.js'

// One send on its connection: what undici makes of it, and what may not come of that.

const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello?' }] })
const answer = '{"object":"chat.completion","choices":[{"message":{"content":"Yes."},"finish_reason":"stop"}]}'
const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${answer.length}\r\n\r\n`

interface Upstream {
  readonly port: number
  /** Connections in the order in which they came. */
  readonly sockets: readonly Socket[]
  /** How many requests came. */
  requests(): number
}

/** @param answerTo Told the connection and the position of the request, from 0. */
const open = async (answerTo: (socket: Socket, n: number) => void): Promise<{ upstream: Upstream; proxy: TestProxy }> => {
  const sockets: Socket[] = []
  let requests = 0
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      if (chunk.includes('POST ')) answerTo(socket, requests++)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { upstream: { port, sockets, requests: () => requests }, proxy: await startTestProxy(`http://127.0.0.1:${port}`) }
}

/** Whoever comes now comes behind all who came because of what was before. */
const connectionsBefore = async ({ port, sockets }: Upstream): Promise<number> => {
  await expect.poll(() => sockets[0]?.destroyed).toBe(true)
  const own = connect(port, '127.0.0.1')
  onTestFinished(() => void own.destroy())
  await new Promise((resolve) => own.once('connect', resolve))
  await expect.poll(() => sockets.some(({ remotePort }) => remotePort === own.localPort)).toBe(true)
  return sockets.findIndex(({ remotePort }) => remotePort === own.localPort)
}

test('a send that is given up before its head opens no connection for another', async () => {
  const { upstream, proxy } = await open(() => undefined)
  const got = await post(proxy.port, { body, headers: { 'weir-timeout': 'ttft=100' } })
  expect(got.status).toBe(504)
  expect(await connectionsBefore(upstream)).toBe(1)
})

test('nor does one whose client leaves in the middle of the answer', async () => {
  const { upstream, proxy } = await open((socket) => socket.write(`${head}${answer.slice(0, 20)}`))
  await post(proxy.port, { body, leaveAfter: 10 }).catch(() => undefined)
  expect(await connectionsBefore(upstream)).toBe(1)
})

test('interim answers that nobody asked for are passed over', async () => {
  const { proxy } = await open((socket) =>
    socket.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${head}${answer}`),
  )
  const got = await post(proxy.port, { body })
  expect([got.status, got.bytes.toString()]).toEqual([200, answer])
  expect(await proxy.end(got.id)).toMatchObject({ outcome: 'complete', status: 200 })
})

test('an upgrade that nobody asked for is an answer: the call is not sent again', async () => {
  const { upstream, proxy } = await open((socket, n) =>
    socket.write(n === 0 ? head + answer : 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
  )
  expect((await post(proxy.port, { body })).status).toBe(200)
  const got = await post(proxy.port, { body })
  expect([got.status, got.headers['weir-error'], upstream.requests()]).toEqual([502, 'upstream_bad_response', 2])
  expect((await proxy.end(got.id)).warnings).not.toContain('replayed')
})
