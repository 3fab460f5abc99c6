import { expect, test } from 'vitest'
import { loadConfig } from '../../../core/config.js'
import { providersFrom } from '../../../core/providers/registry.js'
import { guardBy, type Guard, type Reach } from './guard.js'
import type { Network } from './network.js'
import { isPrivateAddress, isPublicAddress } from './public-address.js'
import { fakeNetwork } from './testing.js'

const config = {
  ...loadConfig({}, '/nonexistent'),
  providers: {
    'by-address': { origin: 'http://10.0.0.5:8000' },
    'by-name': { origin: 'http://vllm.corp.example:8000' },
    marked: { origin: 'http://marked.corp.example:8000', private: true },
    azure: { private: true },
  },
}
const names = {
  'us.example': ['127.0.0.1'],
  'us6.example': ['93.184.215.14', '::1'],
  'in.example': ['10.1.2.3'],
  'out.example': ['93.184.215.14'],
}
const network = fakeNetwork(Object.fromEntries(Object.entries(names).map(([name, found]) => [name, [found]])))
const guard = guardBy({ config, providers: providersFrom(config), network, ownPorts: new Set([8787]) })

const resolved = (of: Guard, host: string, port: number, reach: Reach, all = true): Promise<unknown> =>
  new Promise((resolve) => {
    of.watch(host, port, reach).lookup(host, { all }, (error, found) =>
      resolve(error === null ? found : ((error as { code?: unknown }).code ?? error.message)),
    )
  })

test.each(['caller', 'provider', 'operator'] as const)('a name that resolves to us leads back: %s', async (reach) => {
  expect(await resolved(guard, 'us.example', 8787, reach)).toBe('loop_detected')
  expect(await resolved(guard, 'us6.example', 8787, reach)).toBe('loop_detected')
  expect(guard.watch('127.0.0.1', 8787, reach).refusal?.code).toBe('loop_detected')
  expect(guard.watch('::1', 8787, reach).refusal?.code).toBe('loop_detected')
})

test('who may lead where', async () => {
  expect(await resolved(guard, 'in.example', 80, 'caller')).toBe('target_denied')
  expect(await resolved(guard, 'in.example', 80, 'provider')).toBe('upstream_unreachable')
  expect(await resolved(guard, 'in.example', 80, 'operator')).toEqual([{ address: '10.1.2.3', family: 4 }])
  expect(await resolved(guard, 'out.example', 80, 'caller')).toEqual([{ address: '93.184.215.14', family: 4 }])
  expect(await resolved(guard, 'out.example', 80, 'caller', false)).toBe('93.184.215.14')
  expect(await resolved(guard, 'none.example', 80, 'caller')).toBe('ENOTFOUND')
  expect(guard.watch('93.184.215.14', 80, 'caller').refusal).toBeNull()
})

test('names that callers choose are looked up two at a time, and hold up no other', async () => {
  const held: (() => void)[] = []
  const slow: Network = {
    ...network,
    lookup: (host, _options, done) =>
      void (host.startsWith('slow')
        ? held.push(() => done(null, [{ address: '93.184.215.14', family: 4 }]))
        : done(null, [{ address: '10.0.0.1', family: 4 }])),
  }
  const of = guardBy({ config, providers: providersFrom(config), network: slow, ownPorts: new Set() })
  const all = ['slow1', 'slow2', 'slow3', 'slow4'].map((name) => resolved(of, name, 80, 'caller'))
  expect(held).toHaveLength(2)
  expect(await resolved(of, 'other', 80, 'operator')).toEqual([{ address: '10.0.0.1', family: 4 }])
  for (let i = 0; i < 4; i++) held[i]?.()
  expect(held).toHaveLength(4)
  expect(await Promise.all(all)).toEqual(all.map(() => [{ address: '93.184.215.14', family: 4 }]))
})

test.each([
  ['http://10.0.0.5:8000', false, 'operator'],
  ['http://10.0.0.5:8000', true, 'operator'],
  ['http://10.0.0.5:8001', true, 'caller'],
  ['http://vllm.corp.example:8000', false, 'provider'],
  ['http://vllm.corp.example:8000', true, 'caller'],
  ['http://marked.corp.example:8000', false, 'operator'],
  ['http://marked.corp.example:8000', true, 'operator'],
  ['https://acme.openai.azure.com', false, 'operator'],
  ['https://acme.openai.azure.com', true, 'operator'],
  ['https://acme.openai.azure.com.evil.example', true, 'caller'],
  ['https://a.b.openai.azure.com', true, 'caller'],
  ['https://api.openai.com', false, 'provider'],
  ['https://api.openai.com', true, 'caller'],
  // Built in, at an address of this machine: for its own path alone.
  ['http://127.0.0.1:11434', false, 'operator'],
  ['http://127.0.0.1:11434', true, 'caller'],
] as const)('%s, by a caller: %s', (origin, byCaller, reach) => expect(guard.reachOf(origin, byCaller)).toBe(reach))

test.each([
  ['8.8.8.8', true, false],
  ['1.1.1.1', true, false],
  ['2606:4700::1111', true, false],
  ['2400:cb00::1', true, false],
  ['3ffe::1', true, false],
  // Nobody's on the Internet, and nobody's network: a proxy that hands out such names is no reason to stop a provider.
  ['198.18.0.1', false, false],
  ['64:ff9b::808:808', false, false],
  ['::ffff:8.8.8.8', false, false],
  ['10.0.0.1', false, true],
  ['::ffff:10.0.0.1', false, true],
  ['fd00::1', false, true],
  ['fe80::1%eth0', false, true],
  ['::', false, true],
  ['', false, true],
  ['x', false, true],
])('%s: public %s, private %s', (address, isPublic, isPrivate) =>
  expect([isPublicAddress(address), isPrivateAddress(address)]).toEqual([isPublic, isPrivate]),
)
