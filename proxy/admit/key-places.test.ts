import { request } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import { nobody } from '../../core/exchange.js'
import { tenantId } from '../../core/tenant.js'
import { keyDigest } from '../../core/weir-keys.js'
import { inFlight, post, startTestProxy, type Got, type Sent, type TestProxy } from '../obtain/cache/testing.js'
import { keyPlaces } from './key-places.js'

const of = (tenant: string, keyId: string, weirKey: string | null = 'k') => ({
  tenant: tenantId(tenant),
  weirKey,
  identity: { ...nobody, keyId },
})

describe('places', () => {
  test('a key has so many, its namesake of another tenant has its own', () => {
    const places = keyPlaces()
    const first = places.take(of('acme', 'app'), 2)
    places.take(of('acme', 'app'), 2)
    expect(() => places.take(of('acme', 'app'), 2)).toThrow(
      expect.objectContaining({
        code: 'too_many_in_flight',
        retryAfterS: 1,
        message: '2 calls of this Weir key are under way; at most 2 may be at once (ceilings.inFlightPerKey in weir.yaml).',
      }),
    )
    expect(places.take(of('beta', 'app'), 2)).not.toBeNull()
    expect(places.take(of('acme', 'other'), 2)).not.toBeNull()
    first?.leave()
    expect(places.take(of('acme', 'app'), 2)).not.toBeNull()
    expect(() => places.take(of('acme', 'app'), 2)).toThrow()
  })

  test('a lowered ceiling holds for who comes next', () => {
    const places = keyPlaces()
    const taken = Array.from({ length: 5 }, () => places.take(of('acme', 'app'), 5))
    expect(() => places.take(of('acme', 'app'), 1)).toThrow()
    for (const place of taken.slice(1)) place?.leave()
    expect(() => places.take(of('acme', 'app'), 1)).toThrow()
    taken[0]?.leave()
    expect(places.take(of('acme', 'app'), 1)).not.toBeNull()
  })

  test('without a Weir key nothing is counted', () => {
    const places = keyPlaces()
    for (let i = 0; i < 5; i++) expect(places.take(of('default', 'f0', null), 1)).toBeNull()
  })
})

const body = JSON.stringify({ model: 'gpt-5', messages: [{ role: 'user', content: 'Hi' }] })
const stream = JSON.stringify({ model: 'gpt-5', stream: true, messages: [{ role: 'user', content: 'Hi' }] })

interface Scene {
  readonly fake: FakeProvider
  readonly proxy: TestProxy
  ask(headers?: Record<string, string>, more?: Partial<Sent>): Promise<Got>
}

/** A call that is under way until it is let go. */
const hold = async ({ ask, fake }: Scene): Promise<() => Promise<Got>> => {
  const before = fake.total()
  let letGo = (): void => undefined
  const leave = new Promise<void>((resolve) => (letGo = resolve))
  const held = ask({ 'x-fake': 'hang' }, { leave })
  await expect.poll(() => fake.total()).toBe(before + 1)
  return () => {
    letGo()
    return held
  }
}

/** One place for each key. */
const open = async (most = 1): Promise<Scene> => {
  const fake = await startFakeProvider()
  onTestFinished(() => fake.close())
  const proxy = await startTestProxy(fake.origin, {
    random: () => 0,
    yaml: `ceilings: { inFlightPerKey: ${most}, body: 1KiB }
keys: [{ name: app, sha256: ${keyDigest('k-app')}, tenant: acme }, { name: app2, sha256: ${keyDigest('k-app2')}, tenant: beta }]
`,
  })
  return {
    fake,
    proxy,
    ask: (headers = {}, more = {}) => post(proxy.port, { body, ...more, headers: { 'Weir-Auth': 'Bearer k-app', ...headers } }),
  }
}

test('one over: 429 too_many_in_flight, Retry-After 1, its row; other keys and calls without one go on', async () => {
  const scene = await open()
  const { proxy, ask } = scene
  const letGo = await hold(scene)
  const over = await ask({ 'Helicone-User-Id': 'ada' })
  expect([over.status, JSON.parse(over.bytes.toString())]).toEqual([
    429,
    {
      error: {
        message: '1 calls of this Weir key are under way; at most 1 may be at once (ceilings.inFlightPerKey in weir.yaml).',
        type: 'rate_limit_error',
        param: null,
        code: 'too_many_in_flight',
      },
    },
  ])
  const { 'retry-after': after, 'x-should-retry': again, 'weir-error': code, 'x-helicone-error': twin } = over.headers
  expect([after, again, code, twin]).toEqual(['1', 'true', 'too_many_in_flight', 'rate_limited'])
  const row = await proxy.end(over.id)
  expect([row.tenant, row.identity.keyId, row.outcome, row.status, row.error?.kind]).toEqual([
    'acme',
    'app',
    'refused',
    429,
    'rate_limit',
  ])
  expect((await ask({ 'Weir-Auth': 'Bearer k-app2' })).status).toBe(200)
  expect((await ask({ 'Weir-Auth': '' })).status).toBe(200)
  expect((await ask({}, { path: '/openai/v1/files' })).status).toBe(429)
  await letGo()
  await expect.poll(async () => (await ask()).status).toBe(200)
})

/** All have left: the one place of the key is free, and there is one. */
const isFree = async (scene: Scene): Promise<void> => {
  await expect.poll(() => inFlight(scene.proxy.port)).toBe(0)
  const letGo = await hold(scene)
  expect((await scene.ask()).status).toBe(429)
  await letGo()
}

const leaves = (leaveAfter: number, headers: Record<string, string>) => async (scene: Scene) =>
  void (await scene.ask(headers, { body: stream, leaveAfter }))

describe('a place is given back, once, however a call ends', () => {
  const cached = { 'Weir-Cache-Enabled': 'true' }
  const endings: Record<string, (scene: Scene) => Promise<void>> = {
    complete: async ({ ask }) => void (await ask()),
    'a stream': async ({ ask }) => void (await ask({}, { body: stream })),
    'a bad header': async ({ ask }) => void (await ask({ 'Weir-Retry-Num': 'x' })),
    'a bad body': async ({ ask }) => void (await ask({}, { path: '/v1/chat/completions', body: '{}' })),
    'a body that is too long': async ({ ask }) => void (await ask({}, { body: Buffer.alloc(2000) })),
    'a rate limit': async ({ ask }) => {
      const asked = { 'Weir-RateLimit-Policy': '1;w=3600' }
      expect([(await ask(asked)).status, (await ask(asked)).status]).toEqual([200, 429])
    },
    'an error of the upstream': async ({ ask }) => void (await ask({ 'x-fake': 'status=500' })),
    'a reset': async ({ ask }) => void (await ask({ 'x-fake': 'reset' })),
    'a stream that is cut': async ({ ask }) => void (await ask({ 'x-fake': 'cut=100' }, { body: stream })),
    'a time-out': async ({ ask }) => void (await ask({ 'x-fake': 'delay=1000', 'Weir-Timeout': 'total=100' })),
    'retries that fail': async ({ ask }) =>
      void (await ask({
        'x-fake': 'status=500',
        'Weir-Retry-Enabled': 'true',
        'Weir-Retry-Num': '2',
        'Weir-Retry-Min-Timeout': '1',
      })),
    'a hit': async ({ ask, proxy }) => {
      await proxy.end((await ask(cached)).id)
      expect((await ask(cached)).headers['weir-cache']).toBe('HIT')
    },
    'a client that leaves at once': leaves(0, { 'x-fake': 'delay=300' }),
    'a client that leaves in mid-stream': leaves(10, { 'x-fake': 'gap=50;chunks=20' }),
    'a client that leaves, and the answer is read to its end': leaves(10, {
      'x-fake': 'gap=20;chunks=20',
      'Weir-Disconnect': 'drain',
    }),
    'a client that leaves in a back-off': leaves(0, { 'x-fake': 'status=500', 'Weir-Retry-Enabled': 'true' }),
    'a relayed call': async ({ ask }) => void (await ask({}, { path: '/openai/v1/files' })),
    'a relayed call whose upstream breaks': async ({ ask }) =>
      void (await ask({ 'x-fake': 'reset' }, { path: '/openai/v1/files' })),
    'a relayed call whose client leaves': async ({ ask }) =>
      void (await ask({ 'x-fake': 'delay=300' }, { path: '/openai/v1/files', leaveAfter: 0 })),
  }
  test.each(Object.entries(endings))('%s', async (_, ends) => {
    const scene = await open()
    await ends(scene)
    await isFree(scene)
  })

  test('an upload that its client breaks off', async () => {
    const scene = await open()
    await new Promise<void>((resolve) => {
      const req = request({
        port: scene.proxy.port,
        method: 'POST',
        path: '/openai/v1/chat/completions',
        headers: { 'content-length': '1000', 'Weir-Auth': 'Bearer k-app' },
      })
      req.on('error', () => resolve())
      req.write('{', () => void setTimeout(() => req.destroy(new Error('left')), 50))
    })
    await isFree(scene)
  })

  test('a WebSocket holds it as long as it is open', async () => {
    const scene = await open()
    const headers = { 'Weir-Auth': 'Bearer k-app' }
    const url = `ws://127.0.0.1:${scene.proxy.port}/openai/v1/realtime?model=gpt-realtime`
    const socket = new WebSocket(url, { headers })
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    expect((await scene.ask()).status).toBe(429)
    const second = await new Promise<number | undefined>((resolve) => {
      const refused = new WebSocket(url, { headers })
      refused.on('error', () => undefined)
      refused.on('unexpected-response', (_req, res) => {
        resolve(res.statusCode)
        res.destroy()
      })
    })
    expect(second).toBe(429)
    socket.close()
    await isFree(scene)
  })

  test('an upgrade that the upstream refuses', async () => {
    const scene = await open()
    const url = `ws://127.0.0.1:${scene.proxy.port}/openai/v1/nothing?x-fake=status=500`
    await new Promise<void>((resolve) => {
      const socket = new WebSocket(url, { headers: { 'Weir-Auth': 'Bearer k-app' } })
      socket.on('error', () => resolve())
    })
    await isFree(scene)
  })
})

test('fifty at once, ten places: ten go through, the others are told so; a second round finds ten again', async () => {
  const { ask, proxy, fake } = await open(10)
  for (let round = 1; round <= 2; round++) {
    let refused = 0
    let letGo = (): void => undefined
    const leave = new Promise<void>((resolve) => (letGo = resolve))
    const answers = Array.from({ length: 50 }, async () => {
      const { status } = await ask({ 'x-fake': 'hang' }, { leave })
      if (status === 429) refused++
      return status
    })
    await expect.poll(() => [fake.total(), refused]).toEqual([10 * round, 40])
    letGo()
    expect((await Promise.all(answers)).filter((status) => status === 429)).toHaveLength(40)
    await expect.poll(() => inFlight(proxy.port)).toBe(0)
  }
})

test('places are the same after a reload', async () => {
  const scene = await open()
  const letGo = await hold(scene)
  scene.proxy.reload(`ceilings: { inFlightPerKey: 1 }\nkeys: [{ name: app, sha256: ${keyDigest('k-app')}, tenant: acme }]\n`)
  expect((await scene.ask()).status).toBe(429)
  await letGo()
  await isFree(scene)
})
