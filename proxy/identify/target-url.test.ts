import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { post, startTestProxy, testDataDir, type Got, type TestProxy } from '../obtain/cache/testing.js'
import { fakeNetwork, listenAt, publicAddress, type FakeNetwork, type Listener } from '../obtain/guard/testing.js'
import { addressIn } from './target-url.js'

const body = '{"model":"m","messages":[]}'

interface Opened {
  readonly proxy: TestProxy
  readonly network: FakeNetwork
  /** At `http://h.example:%port`. */
  readonly there: Listener
  ask(path: string, headers?: Record<string, string>): Promise<Got>
}

const start = async (
  yaml = 'targetAllow: ["http://h.example:%port"]\n',
  names: Readonly<Record<string, readonly string[]>> = {},
): Promise<Opened> => {
  const there = await listenAt(publicAddress)
  const filled = (text: string): string => text.replaceAll('%port', String(there.port))
  const network = fakeNetwork({
    'h.example': [[publicAddress]],
    ...Object.fromEntries(Object.entries(names).map(([name, addresses]) => [name, [addresses]])),
  })
  const proxy = await startTestProxy('http://127.0.0.1:9', { yaml: filled(yaml), network })
  return {
    proxy,
    network,
    there,
    ask: (path, headers = {}) =>
      post(proxy.port, {
        path,
        body,
        headers: Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, filled(value).replaceAll('%own', String(proxy.port))]),
        ),
      }),
  }
}

const errorOf = (got: Got): readonly unknown[] => [got.status, got.headers['weir-error']]

describe('the URL', () => {
  test.each([
    ['https://h', 'https://h', ''],
    ['https://h/', 'https://h', ''],
    ['https://h/b', 'https://h', '/b'],
    ['https://h/b/c//', 'https://h', '/b/c'],
    ['HTTPS://H.Example:443/B', 'https://h.example', '/B'],
    ['http://h:443', 'http://h:443', ''],
    ['http://h.example.', 'http://h.example', ''],
    ['https://bücher.example', 'https://xn--bcher-kva.example', ''],
    ['https://h/a/../b', 'https://h', '/b'],
  ])('%s', (text, origin, base) => expect(addressIn(text)).toEqual({ origin, base }))
})

test('case 9: the path of the address stands before that of the call; Helicone drops it', async () => {
  const { ask, there } = await start()
  const ours = await ask('/gateway/v1/x?a=1&a=2?', { 'Weir-Target-URL': 'http://h.example:%port/b' })
  expect([ours.status, there.seen[0]?.path, ours.headers['weir-warning']]).toEqual([200, '/b/v1/x?a=1&a=2?', undefined])
  for (const name of ['Helicone-Target-URL', 'Helicone-OpenAI-Api-Base']) {
    const theirs = await ask('/gateway/v1/x', { [name]: 'http://h.example:%port/b' })
    expect([theirs.status, there.seen.at(-1)?.path]).toEqual([200, '/v1/x'])
    expect(theirs.headers['weir-warning']).toBe(`path-dropped;h="${name.toLowerCase()}"`)
  }
})

describe('every row of the paths', () => {
  test.each([
    // A path of a provider: as it is there.
    ['/openai/v1/chat/completions', '/b/v1/chat/completions', 'openai-chat'],
    ['/groq/v1/chat/completions', '/b/openai/v1/chat/completions', 'openai-chat'],
    [
      '/azure/acme/openai/deployments/d/chat/completions?api-version=1',
      '/b/openai/deployments/d/chat/completions?api-version=1',
      'openai-chat',
    ],
    ['/anthropic/v1/messages', '/b/v1/messages', 'anthropic'],
    ['/cohere/v2/chat', '/b/v2/chat', 'cohere'],
    ['/v1/gateway/oai/v1/chat/completions', '/b/v1/chat/completions', 'openai-chat'],
    ['/v1/gateway/anthropic/v1/messages', '/b/v1/messages', 'anthropic'],
    // The unified path stays, whatever stands in the body; its other spelling is the same.
    ['/v1/chat/completions', '/b/v1/chat/completions', 'openai-chat'],
    ['/ai/chat/completions', '/b/v1/chat/completions', 'openai-chat'],
    ['/ai/v1/messages', '/b/v1/messages', 'anthropic'],
    ['/v1/files', '/b/v1/files', 'openai-chat'],
    ['/v1/anything/else', '/b/v1/anything/else', 'openai-chat'],
    ['/gateway/v1/chat/completions', '/b/v1/chat/completions', 'openai-chat'],
    ['/gateway/api/v3/responses', '/b/api/v3/responses', 'openai-responses'],
    ['/gateway/v1/messages?beta=true', '/b/v1/messages?beta=true', 'anthropic'],
    ['/gateway/v1beta/models/g:generateContent', '/b/v1beta/models/g:generateContent', 'gemini'],
    ['/gateway/model/a.b/converse', '/b/model/a.b/converse', 'bedrock'],
    ['/gateway/api/chat', '/b/api/chat', 'ollama'],
    ['/gateway/v2/chat', '/b/v2/chat', 'cohere'],
    ['/gateway', '/b/', 'openai-chat'],
    ['/gateway//h2.example/chat/completions', '/b//h2.example/chat/completions', 'openai-chat'],
    ['/sk-weir-k/gateway/v1/x', '/b/v1/x', 'openai-chat'],
  ])('%s', async (path, at) => {
    const { ask, there, proxy } = await start()
    const got = await ask(path, { 'Weir-Target-URL': 'http://h.example:%port/b' })
    expect([got.status, there.seen.map((seen) => seen.path)]).toEqual([200, [at]])
    expect(there.seen[0]?.headers).toMatchObject({
      host: `h.example:${there.port}`,
      authorization: 'Bearer sk-one',
      'weir-hop': '1',
      via: '1.1 weir',
    })
    const end = await proxy.end(got.id)
    expect(end).toMatchObject({
      provider: `h.example:${there.port}`,
      serverAddress: `h.example:${there.port}`,
      outcome: 'complete',
    })
    expect(end.requestModel).toBe(end.api === '' ? null : path.includes('/model/') ? 'a.b' : 'm')
  })

  test('the family is told by the provider of the path, else by the path', async () => {
    const { ask } = await start('targetAllow: ["http://h.example:%port"]\n', { 'h.example': ['10.0.0.1'] })
    const shape = async (path: string): Promise<readonly string[]> =>
      Object.keys(JSON.parse((await ask(path, { 'Weir-Target-URL': 'http://h.example:%port' })).bytes.toString()) as object)
    expect(await shape('/gateway/v1/messages')).toEqual(['type', 'error', 'request_id'])
    expect(await shape('/gateway/v2/chat')).toEqual(['id', 'message', 'code'])
    expect(await shape('/cohere/v1/chat')).toEqual(['id', 'message', 'code'])
    expect(await shape('/gateway/api/chat')).toEqual(['error', 'code'])
    expect(await shape('/openai/v1/chat/completions')).toEqual(['error'])
  })

  test('an address of a known provider is that provider', async () => {
    const { ask, there, proxy } = await start('  mine: { origin: "http://mine.example:%port", root: /api }\n', {
      'mine.example': [publicAddress],
    })
    const got = await ask('/gateway/api/chat/completions', { 'Weir-Target-URL': 'http://mine.example:%port' })
    expect([got.status, got.headers['weir-provider'], there.seen[0]?.path]).toEqual([200, 'mine', '/api/chat/completions'])
    expect(await proxy.end(got.id)).toMatchObject({ provider: 'mine', api: 'chat' })
  })

  test('case 2, and paths that lead nowhere, with an address or without', async () => {
    const { ask, there, proxy } = await start()
    const to = { 'Weir-Target-URL': 'http://h.example:%port' }
    for (const headers of [{}, to]) {
      expect(errorOf(await ask('/v1/gateway/v1/log', headers))).toEqual([404, 'unknown_path'])
      expect(errorOf(await ask('/v1/gateway/google/v1/x', headers))).toEqual([404, 'unknown_path'])
      expect(errorOf(await ask('/openai/elsewhere', headers))).toEqual([404, 'unknown_path'])
    }
    const rows = proxy.records.length
    for (const headers of [{}, to]) {
      for (const path of [
        '/',
        '/foo',
        '/gatewayx/v1/x',
        '/v2/chat',
        '/gateway/../openai/v1/x',
        '/gateway/%2e%2e/x',
        '/gateway/v1/..%2f..%2fx',
        '/gateway/v1\\..\\x',
        'http://h.example/x',
        '*',
      ])
        expect(errorOf(await ask(path, headers))).toEqual([404, 'unknown_path'])
    }
    expect([there.connections(), proxy.records.length]).toEqual([0, rows])
    expect(errorOf(await ask('/gateway/v1/x'))).toEqual([400, 'target_missing'])
    expect(errorOf(await ask('/v1/anything'))).toEqual([404, 'unknown_path'])
  })
})

describe('what is allowed', () => {
  test('off, allowlist, public: nothing is looked up that is not allowed', async () => {
    const to = (url: string): Record<string, string> => ({ 'Weir-Target-URL': url })
    const off = await start('targetUrl: off\ntargetAllow: ["http://h.example:%port"]\n')
    for (const url of ['http://h.example:%port', 'https://api.openai.com', 'http://10.0.0.1']) {
      const got = await off.ask('/gateway/v1/x', to(url))
      expect(errorOf(got)).toEqual([403, 'target_denied'])
      expect(got.bytes.toString()).toContain('targetUrl: off')
    }
    expect(off.network.asked).toEqual([])
    const listed = await start(
      'targetUrl: allowlist\ntargetAllow: ["http://*.inference.example:%port", "http://one.example:%port"]\n',
      Object.fromEntries(['a.inference.example', 'a.b.inference.example', 'one.example'].map((name) => [name, [publicAddress]])),
    )
    for (const host of ['a.inference.example', 'A.B.Inference.Example', 'one.example', 'one.example.'])
      expect((await listed.ask('/gateway/v1/x', to(`http://${host}:%port`))).status, host).toBe(200)
    const before = listed.network.asked.length
    for (const url of [
      'http://inference.example:%port',
      'http://evilinference.example:%port',
      'http://a.inference.example.evil.example:%port',
      'http://a.one.example:%port',
      'https://one.example:%port',
      'http://one.example',
      'http://a.inference.example:1%port',
      'http://h.example:%port',
    ]) {
      const got = await listed.ask('/gateway/v1/x', to(url))
      if (url.includes(':1%')) expect([400, 403]).toContain(got.status)
      else expect([url, ...errorOf(got)]).toEqual([url, 403, 'target_denied'])
      if (got.status === 403) expect(got.bytes.toString()).toContain('targetAllow')
    }
    expect([listed.network.asked.length, listed.there.connections()]).toEqual([before, before])
    const open = await start('')
    const port = await open.ask('/gateway/v1/x', to('http://h.example:%port'))
    expect(errorOf(port)).toEqual([403, 'target_denied'])
    expect(port.bytes.toString()).toContain('ports 80 and 443')
    expect(open.network.asked).toEqual([])
    // Open ports are tried: nobody is there.
    expect(errorOf(await open.ask('/gateway/v1/x', to('https://nobody.example')))).toEqual([502, 'upstream_unreachable'])
    expect(open.network.asked).toEqual(['nobody.example'])
  })

  test('a private address is for a provider of weir.yaml, on its own paths', async () => {
    const hidden = await listenAt('127.0.0.3')
    const origin = `http://127.0.0.3:${hidden.port}`
    const { ask } = await start(
      `  mine: { origin: "${origin}", root: /llm, key: "\${NONE-}" }\n`.replace(', key: "${NONE-}"', ''),
    )
    expect(errorOf(await ask('/gateway/admin', { 'Weir-Target-URL': origin }))).toEqual([403, 'target_denied'])
    for (const builtIn of ['http://127.0.0.1:11434', 'http://127.0.0.1:8000'])
      expect(errorOf(await ask('/gateway/v1/chat/completions', { 'Weir-Target-URL': builtIn }))).toEqual([403, 'target_denied'])
    expect(errorOf(await ask('/gateway/x', { 'Weir-Target-URL': `${origin}/admin` }))).toEqual([403, 'target_denied'])
    expect(hidden.connections()).toBe(0)
    const got = await ask('/gateway/chat/completions', { 'Weir-Target-URL': `${origin}/llm` })
    expect([got.status, got.headers['weir-provider'], hidden.seen[0]?.path]).toEqual([200, 'mine', '/llm/chat/completions'])
  })

  test('no key of weir.yaml goes to an address of a caller, though it be that of its provider', async () => {
    const dataDir = testDataDir()
    const file = join(dataDir, 'key')
    writeFileSync(file, 'sk-mine-of-the-file', { mode: 0o600 })
    const { ask, there } = await start(`  mine: { origin: "http://h.example:%port", key: "file:${file}" }\n`)
    const to = { 'Weir-Target-URL': 'http://h.example:%port', authorization: '' }
    for (const path of ['/gateway/v1/chat/completions', '/gateway/v1/files', '/mine/v1/chat/completions']) await ask(path, to)
    expect(there.seen).toHaveLength(3)
    expect(JSON.stringify(there.seen)).not.toContain('of-the-file')
    const entry = JSON.stringify([{ 'target-url': `http://h.example:${there.port}`, headers: { 'x-own': 'none' } }])
    await ask('/openai/v1/chat/completions', { 'Weir-Fallbacks': entry })
    expect(JSON.stringify(there.seen)).not.toContain('of-the-file')
    // At its own path it does.
    await ask('/mine/v1/chat/completions', { authorization: '' })
    expect(there.seen.at(-1)?.headers.authorization).toBe('Bearer sk-mine-of-the-file')
  })

  test('what asks a cloud who we are is taken off', async () => {
    const headers = {
      Metadata: 'true',
      'Metadata-Flavor': 'Google',
      'X-aws-ec2-metadata-token': 't',
      'x-aws-ec2-metadata-token-ttl-seconds': '9',
    }
    const { ask, there } = await start()
    for (const path of ['/gateway/v1/chat/completions', '/gateway/v1/files'])
      expect((await ask(path, { ...headers, 'Weir-Target-URL': 'http://h.example:%port', 'X-Mine': 'kept' })).status).toBe(200)
    for (const { headers: seen } of there.seen) expect(Object.keys(seen).filter((name) => name.includes('metadata'))).toEqual([])
    expect(there.seen.map(({ headers: seen }) => seen['x-mine'])).toEqual(['kept', 'kept'])
  })
})

describe('circles', () => {
  const others = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ scopeid }) => !scopeid)
    .map(({ address, family }) => (family === 'IPv6' ? `[${address}]` : address))

  test('case 10: our own port is 508, whatever it is called, before anything else is asked', async () => {
    const { ask, proxy, network } = await start('targetUrl: off\n')
    const hosts = [
      '127.0.0.1',
      'localhost',
      'LOCALHOST.',
      '2130706433',
      '0',
      '127.9.9.9',
      '[::1]',
      '[::]',
      '[::ffff:7f00:1]',
      ...others,
    ]
    for (const host of hosts)
      expect([host, ...errorOf(await ask('/gateway/v1/x', { 'Weir-Target-URL': `http://${host}:%own` }))]).toEqual([
        host,
        508,
        'loop_detected',
      ])
    expect(network.asked).toEqual([])
    const ends = proxy.records.filter(({ type }) => type === 'end')
    expect(ends.map(({ exchange }) => exchange.error?.kind)).toEqual(hosts.map(() => 'policy'))
  })

  test('case 10: who has come through three times is stopped; who has not is counted', async () => {
    const { ask, there } = await start()
    const to = { 'Weir-Target-URL': 'http://h.example:%port' }
    for (const hop of ['3', '4', '99999999999', '-5', 'x', ''])
      expect([hop, ...errorOf(await ask('/gateway/v1/x', { ...to, 'Weir-Hop': hop }))]).toEqual([hop, 508, 'loop_detected'])
    expect(there.connections()).toBe(0)
    for (const path of ['/gateway/v1/x', '/gateway/v1/chat/completions'])
      expect((await ask(path, { ...to, 'Weir-Hop': '2' })).status).toBe(200)
    expect(there.seen.map(({ headers }) => headers['weir-hop'])).toEqual(['3', '3'])
  })
})

test('a WebSocket goes to an address, and not to a forbidden one', async () => {
  const { proxy, there } = await start()
  const upgrade = (url: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const req = request({
        port: proxy.port,
        path: '/openai/v1/realtime?model=m',
        headers: {
          Connection: 'Upgrade',
          Upgrade: 'websocket',
          'Sec-WebSocket-Version': '13',
          'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
          Metadata: 'true',
          'Weir-Target-URL': url.replace('%port', String(there.port)).replace('%own', String(proxy.port)),
        },
      })
      req.on('upgrade', (res, socket) => {
        socket.destroy()
        resolve(res.statusCode)
      })
      req.on('response', (res) => {
        res.resume()
        resolve(res.statusCode)
      })
      req.on('error', reject)
      req.end()
    })
  expect(await upgrade('http://h.example:%port')).toBe(101)
  expect(there.seen[0]).toMatchObject({ method: 'UPGRADE', path: '/v1/realtime?model=m' })
  expect(there.seen[0]?.headers.metadata).toBeUndefined()
  expect(await upgrade('http://127.0.0.3')).toBe(403)
  expect(await upgrade('http://localhost:%own')).toBe(508)
  expect(there.connections()).toBe(1)
})

describe('hosts of hostRouting', () => {
  const yaml = [
    '  mine: { origin: "http://127.0.0.2:%port", root: /api, auth: none }',
    '  groq: { origin: "http://127.0.0.2:%port" }',
    'hostRouting: [llm.test]',
    'models: [{ match: "m", provider: mine }]',
    'targetAllow: ["http://h.example:%port"]',
    '',
  ].join('\n')
  const to = { 'Weir-Target-URL': 'http://h.example:%port/b' }
  test.each([
    ['mine.llm.test', '/api/chat/completions', {}, '/api/chat/completions'],
    ['MINE.LLM.test:8787', '/api/files?x=1', {}, '/api/files?x=1'],
    ['groq.llm.test', '/openai/v1/chat/completions', {}, '/openai/v1/chat/completions'],
    ['ai-gateway.llm.test', '/v1/chat/completions', {}, '/api/chat/completions'],
    ['ai-gateway.llm.test', '/ai/chat/completions', to, '/b/v1/chat/completions'],
    ['gateway.llm.test', '/v1/x?y', to, '/b/v1/x?y'],
    ['mine.llm.test', '/api/x', to, '/b/api/x'],
    ['mine.llm.test', '/sk-weir-k/api/x', {}, '/api/x'],
    // Who is called otherwise has the paths of every other host.
    ['other.llm.test', '/groq/v1/chat/completions', {}, '/openai/v1/chat/completions'],
  ])('%s%s', async (host, path, headers, at) => {
    const { ask, there } = await start(yaml)
    const got = await ask(path, { Host: host, ...headers })
    expect([got.status, there.seen.map((seen) => seen.path)]).toEqual([200, [at]])
  })

  test.each([
    ['mine.llm.test', '/v1/chat/completions', 404, 'unknown_path'],
    ['groq.llm.test', '/v1/chat/completions', 404, 'unknown_path'],
    ['gateway.llm.test', '/v1/x', 400, 'target_missing'],
    ['ai-gateway.llm.test', '/x', 404, 'unknown_path'],
    ['ai-gateway.llm.test', '/v1/gateway/v1/log', 404, 'unknown_path'],
    ['other.llm.test', '/x', 404, 'unknown_path'],
    ['a.mine.llm.test', '/api/x', 404, 'unknown_path'],
    ['mine.llm.test.evil', '/api/x', 403, 'policy_denied'],
    ['minellm.test', '/api/x', 403, 'policy_denied'],
    ['llm.test', '/api/x', 403, 'policy_denied'],
  ])('%s%s: %i', async (host, path, status, code) => {
    const { ask, there } = await start(yaml)
    expect([...errorOf(await ask(path, { Host: host })), there.connections()]).toEqual([status, code, 0])
  })

  test('the same path under two hosts leads to two places', async () => {
    const { ask, there } = await start(yaml)
    for (let i = 0; i < 2; i++) {
      expect((await ask('/openai/v1/models', { Host: 'groq.llm.test' })).headers['weir-provider']).toBe('groq')
      expect(errorOf(await ask('/openai/v1/models', { Host: 'mine.llm.test' }))).toEqual([404, 'unknown_path'])
    }
    expect(there.seen).toHaveLength(2)
  })
})
