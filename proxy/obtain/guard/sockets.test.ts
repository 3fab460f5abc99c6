import { request } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../../../core/config.js'
import { providersFrom } from '../../../core/providers/registry.js'
import { openPools } from '../pools.js'
import { guardedAgents } from './agents.js'
import { guardBy } from './guard.js'
import { thisNetwork } from './network.js'
import { listenAt } from './testing.js'

const config = loadConfig({}, '/nonexistent')

/** What a socket is refused with, however the address came so far: nobody has looked at it before. */
test.each(['pool', 'resend', 'agent'] as const)('an address is judged where its socket would be opened: %s', async (way) => {
  const { port, connections } = await listenAt('127.0.0.1')
  const mine = await listenAt('127.0.0.1')
  const guard = guardBy({ config, providers: providersFrom(config), network: thisNetwork, ownPorts: new Set([mine.port]) })
  const pools = openPools({ connectMs: 1000, headerBytes: 65_536, guard })
  const agents = guardedAgents({ guard, headerBytes: 65_536 })
  onTestFinished(async () => {
    agents.close()
    await pools.close()
  })
  const codeOf = (host: string, at: number, byCaller: boolean): Promise<unknown> => {
    const origin = `http://${host}:${at}`
    if (way !== 'agent')
      return (way === 'pool' ? pools.of({ origin, byCaller }) : pools.unshared({ origin, byCaller }))
        .request({ path: '/', method: 'GET' })
        .then(
          ({ statusCode }) => statusCode,
          (cause: { code?: unknown }) => cause.code,
        )
    return new Promise((resolve) => {
      const agent = agents.for(origin, guard.reachOf(origin, byCaller), byCaller)
      const sent = request({ host: host.replace(/^\[|\]$/g, ''), port: at, agent }, (res) => {
        res.resume()
        resolve(res.statusCode)
      })
      sent.on('error', (cause: { code?: unknown }) => resolve(cause.code))
      sent.end()
    })
  }
  for (const host of ['127.0.0.1', '[::1]', '[::ffff:7f00:1]', 'localhost']) {
    expect([host, await codeOf(host, port, true)]).toEqual([host, 'target_denied'])
    // Of a provider, and of nobody that weir.yaml has: it leads to us.
    expect([host, await codeOf(host, mine.port, false)]).toEqual([host, 'loop_detected'])
  }
  // Built in at an address of this machine: such a place is the operator's. One that nobody has named is not.
  expect(guard.reachOf('http://127.0.0.1:11434', false)).toBe('operator')
  expect(await codeOf('127.0.0.1', port, false)).toBe('upstream_unreachable')
  expect([connections(), mine.connections()]).toEqual([0, 0])
})

test("pools for addresses of callers are few, and nobody else's", async () => {
  const guard = guardBy({ config, providers: providersFrom(config), network: thisNetwork, ownPorts: new Set() })
  const pools = openPools({ connectMs: 1000, headerBytes: 65_536, guard })
  onTestFinished(() => pools.close())
  const first = { origin: 'https://api.openai.com', byCaller: true }
  const ofProvider = pools.of({ origin: first.origin })
  const pool = pools.of(first)
  expect([pools.of(first) === pool, pools.unshared(first) === pool, pool === ofProvider]).toEqual([true, true, false])
  for (let i = 0; i < 128; i++) pools.of({ origin: `https://h${i}.example`, byCaller: true })
  expect([pool.closed, ofProvider.closed]).toEqual([true, false])
  expect(pools.of({ origin: first.origin })).toBe(ofProvider)
})
