import { createServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { post, startTestProxy } from '../cache/testing.js'
import { fakeNetwork, listenAt, publicAddress, type FakeNetwork, type Listener } from './testing.js'

const body = '{"model":"m","messages":[]}'
const path = '/gateway/v1/chat/completions'
const lanes = [path, '/gateway/v1/files']

interface Opened {
  /** What is taken for public. */
  readonly open: Listener
  /** What is private, on the same port. */
  readonly hidden: Listener
  readonly network: FakeNetwork
  readonly port: number
  readonly records: Awaited<ReturnType<typeof startTestProxy>>['records']
  ask(url: string, headers?: Record<string, string>, path?: string): ReturnType<typeof post>
}

const start = async (names: Readonly<Record<string, readonly (readonly string[])[]>>): Promise<Opened> => {
  const open = await listenAt(publicAddress)
  const hidden = await listenAt('127.0.0.3', open.port)
  const network = fakeNetwork(names)
  const listed = `targetAllow: ["http://*.example:${open.port}", "https://*.example:${open.port}"]\n`
  const proxy = await startTestProxy('http://127.0.0.1:9', {
    yaml: listed,
    network,
  })
  return {
    open,
    hidden,
    network,
    port: proxy.port,
    records: proxy.records,
    ask: (url, headers = {}, at = path) =>
      post(proxy.port, {
        path: at,
        headers: { 'Weir-Target-URL': url.replace('%port', String(open.port)), ...headers },
        body,
      }),
  }
}

test.each(lanes)('case 57: a name that is public, then private: only the checked address is connected to: %s', async (at) => {
  const { ask, open, hidden, network } = await start({ 'flips.example': [[publicAddress], ['127.0.0.3'], [publicAddress]] })
  const first = await ask('http://flips.example:%port', {}, at)
  expect([first.status, network.asked.length, open.connections(), hidden.connections()]).toEqual([200, 1, 1, 0])
  const second = await ask('http://flips.example:%port', {}, at)
  expect([second.status, second.headers['weir-error']]).toEqual([403, 'target_denied'])
  const third = await ask('http://flips.example:%port', {}, at)
  expect([third.status, network.asked.length, open.connections(), hidden.connections()]).toEqual([200, 3, 2, 0])
})

test.each(lanes)('a name with one public and one private address is refused: %s', async (at) => {
  const { ask, open, hidden } = await start({
    'mixed.example': [[publicAddress, '127.0.0.3']],
    'mixed6.example': [[publicAddress, '::ffff:a9fe:a9fe']],
  })
  for (const name of ['mixed', 'mixed6']) {
    const got = await ask(`http://${name}.example:%port`, {}, at)
    expect([got.status, got.headers['weir-error']]).toEqual([403, 'target_denied'])
    expect(got.bytes.toString()).not.toMatch(/127\.|mixed/)
  }
  expect([open.connections(), hidden.connections()]).toEqual([0, 0])
})

test('the row of a refused address says who asked for it', async () => {
  const { ask, records } = await start({ 'hidden.example': [['10.0.0.1']] })
  const early = await ask('http://10.0.0.1', { 'Weir-User-Id': 'ada' })
  const late = await ask('http://hidden.example:%port', { 'Weir-User-Id': 'ada' })
  expect([early.status, late.status]).toEqual([403, 403])
  for (const { id } of [early, late]) {
    await expect.poll(() => records.filter(({ type, exchange }) => type === 'end' && exchange.id === id).length).toBe(1)
    const end = records.find(({ type, exchange }) => type === 'end' && exchange.id === id)?.exchange
    expect(end).toMatchObject({ outcome: 'refused', status: 403, error: { kind: 'policy', code: 'target_denied' } })
    expect(end?.identity.userId).toBe('ada')
  }
})

test.each(['http', 'https'])('a connection that ends up elsewhere is cut before its first byte: %s', async (scheme) => {
  let bytes = 0
  let closed = 0
  const server = createServer((socket) => {
    socket.on('data', (chunk) => (bytes += chunk.length))
    socket.on('error', () => undefined)
    socket.on('close', () => closed++)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.4', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  // The name leads to 127.0.0.4, which is public when it is looked up, and no more when it is connected to.
  let looks = 0
  const listed = await startTestProxy('http://127.0.0.1:9', {
    yaml: `targetAllow: ["${scheme}://moves.example:${port}"]\n`,
    network: {
      ...fakeNetwork({ 'moves.example': [['127.0.0.4']] }),
      isPublic: (address) => address === '127.0.0.4' && looks++ % 2 === 0,
    },
  })
  for (const at of lanes) {
    const got = await post(listed.port, { path: at, headers: { 'Weir-Target-URL': `${scheme}://moves.example:${port}` }, body })
    expect([got.status, got.headers['weir-error']]).toEqual([403, 'target_denied'])
  }
  await expect.poll(() => closed).toBe(2)
  expect(bytes).toBe(0)
})

test('a name of a provider that leads into a private network says what weir.yaml must say', async () => {
  const yaml = (mark: string): string => `  vllm-own: { origin: "http://vllm.test:%port", auth: none${mark} }\n`
  for (const at of ['/vllm-own/v1/chat/completions', '/vllm-own/v1/files']) {
    const open = await listenAt(publicAddress)
    const hidden = await listenAt('127.0.0.3', open.port)
    const asked = async (mark: string): Promise<Awaited<ReturnType<typeof post>>> => {
      const { port } = await startTestProxy('http://127.0.0.1:9', {
        yaml: yaml(mark).replace('%port', String(open.port)),
        network: fakeNetwork({ 'vllm.test': [['127.0.0.3']] }),
      })
      return await post(port, { path: at, body })
    }
    const refused = await asked('')
    expect([refused.status, refused.headers['weir-error'], hidden.connections()]).toEqual([502, 'upstream_unreachable', 0])
    expect(refused.bytes.toString()).toContain('private: true')
    expect([(await asked(', private: true')).status, hidden.connections()]).toEqual([200, 1])
  }
})

test('an unasked second answer reaches nobody, and sockets are shared with nobody', async () => {
  const sockets: number[] = []
  const rogue = createServer((socket) => {
    const answer = (text: string): string =>
      `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${text.length}\r\n\r\n${text}`
    sockets.push(0)
    const at = sockets.length - 1
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      if (!chunk.includes('HTTP/1.1')) return
      sockets[at] = (sockets[at] ?? 0) + 1
      socket.write(answer('asked') + answer('evil!'))
    })
  })
  await new Promise<void>((resolve) => rogue.listen(0, publicAddress, resolve))
  onTestFinished(() => void rogue.close())
  const { port } = rogue.address() as AddressInfo
  const proxy = await startTestProxy('http://127.0.0.1:9', {
    // The same place is that of a provider, too.
    yaml: `  mine: { origin: "http://mine.example:${port}", auth: none }\ntargetAllow: ["http://rogue.example:${port}"]\n`,
    network: fakeNetwork({ 'rogue.example': [[publicAddress]], 'mine.example': [[publicAddress]] }),
  })
  const texts: string[] = []
  for (let i = 0; i < 4; i++)
    for (const at of lanes)
      for (const name of ['rogue', 'mine']) {
        const got = await post(proxy.port, { path: at, headers: { 'Weir-Target-URL': `http://${name}.example:${port}` }, body })
        texts.push(got.bytes.toString())
      }
  expect(texts).toEqual(texts.map(() => 'asked'))
  expect(sockets).toEqual(texts.map(() => 1))
})

test('a redirect is passed on, not followed', async () => {
  const hidden = await listenAt('127.0.0.3')
  const moved = await listenAt(publicAddress, 0, [307, { location: `http://127.0.0.3:${hidden.port}/` }])
  const proxy = await startTestProxy('http://127.0.0.1:9', {
    yaml: `targetAllow: ["http://moved.example:${moved.port}"]\n`,
    network: fakeNetwork({ 'moved.example': [[publicAddress]] }),
  })
  for (const at of lanes) {
    const got = await post(proxy.port, { path: at, headers: { 'Weir-Target-URL': `http://moved.example:${moved.port}` }, body })
    expect([got.status, got.headers.location]).toEqual([307, `http://127.0.0.3:${hidden.port}/`])
  }
  expect([moved.connections(), hidden.connections()]).toEqual([2, 0])
})

test('a fallback goes to an address with its own key alone, and is refused as any other', async () => {
  const { port, open, hidden, network } = await start({
    'other.example': [[publicAddress]],
    'turns.example': [['127.0.0.3']],
  })
  const ask = (entries: readonly object[]): ReturnType<typeof post> =>
    post(port, {
      path: '/openai/v1/chat/completions',
      headers: { 'Weir-Fallbacks': JSON.stringify(entries), metadata: 'true' },
      body,
    })
  const at = (name: string): string => `http://${name}.example:${open.port}`
  const headers = { authorization: 'Bearer sk-other' }
  // OpenAI is nowhere in this network: the next one is tried.
  const got = await ask([{ target: 'openai' }, { 'target-url': `${at('other')}/b`, headers }])
  expect([got.status, got.headers['weir-provider'], got.headers['weir-fallback-index']]).toEqual([
    200,
    `other.example:${open.port}`,
    '1',
  ])
  expect(open.seen[0]).toMatchObject({
    path: '/b/v1/chat/completions',
    headers: { authorization: 'Bearer sk-other', 'weir-hop': '1' },
  })
  expect(open.seen[0]?.headers.metadata).toBeUndefined()
  const keyless = await ask([{ 'target-url': at('other') }])
  expect([keyless.status, keyless.headers['weir-error']]).toEqual([401, 'credential_missing'])
  for (const entries of [
    [{ 'target-url': at('turns'), headers }],
    [{ target: 'openai' }, { 'target-url': at('turns'), headers }],
    [
      { 'target-url': at('other'), headers },
      { 'target-url': 'http://10.0.0.1', headers },
    ],
  ]) {
    const refused = await ask(entries)
    expect([refused.status, refused.headers['weir-error']]).toEqual([403, 'target_denied'])
  }
  expect([open.seen.length, hidden.connections(), network.asked.filter((name) => name === 'turns.example').length]).toEqual([
    1, 0, 2,
  ])
})
