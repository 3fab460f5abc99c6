import { expect, test } from 'vitest'
import { post, startTestProxy } from '../cache/testing.js'
import { forbidden, malformed } from './spellings.js'
import { fakeNetwork, listenAt, publicAddress, type Listener } from './testing.js'

// As bytes: a string would turn the head of the request into UTF-8 with it.
const body = Buffer.from('{"model":"m"}')
const latin1 = (text: string): string => Buffer.from(text).toString('latin1')
const message = (bytes: Buffer): string => (JSON.parse(bytes.toString()) as { error: { message: string } }).error.message

/** A listener on every address of the loopback, and a proxy whose `targetAllow` lists all there is: what is left is the addresses themselves. */
const open = async (): Promise<{
  port: number
  listeners: Listener[]
  ends: () => number
  asked: readonly string[]
  listened: number
}> => {
  const v4 = await listenAt('127.0.0.1')
  const listeners = [v4, await listenAt('127.0.0.3', v4.port), await listenAt(publicAddress, v4.port)]
  // Not every machine has IPv6.
  await listenAt('::1', v4.port).then(
    (v6) => listeners.push(v6),
    () => null,
  )
  const spelled = forbidden.map((url) => url.replace('%port', String(v4.port)))
  const origins = new Set(spelled.map((url) => new URL(url).origin.replace(/\.(?=:\d+$)/, '')))
  const network = fakeNetwork({
    'loopback.attacker.example': [['127.0.0.1']],
    'mapped.attacker.example': [['::ffff:127.0.0.1']],
    '127.0.0.1.attacker.example': [['127.0.0.1']],
    [new URL('http://lоcalhost.attacker.example').hostname]: [['::1']],
  })
  const proxy = await startTestProxy('http://127.0.0.1:9', {
    yaml: `targetAllow: ${JSON.stringify([...origins, `http://public.example:${v4.port}`])}\n`,
    network,
  })
  const ends = (): number => proxy.records.filter(({ type }) => type === 'end').length
  return { port: proxy.port, listeners, ends, asked: network.asked, listened: v4.port }
}

test('case 10: no spelling of a private address is connected to, in any lane', async () => {
  const { port, listeners, ends, asked, listened } = await open()
  expect(new Set([...forbidden, ...malformed]).size).toBeGreaterThanOrEqual(120)
  let calls = 0
  for (const spelling of forbidden) {
    const url = latin1(spelling.replace('%port', String(listened)))
    const tries = [
      { path: '/gateway/v1/chat/completions', headers: { 'Weir-Target-URL': url } },
      { path: '/openai/v1/chat/completions', headers: { 'Helicone-Target-URL': url } },
      // The pass-through lane.
      { path: '/gateway/v1/files', headers: { 'Weir-Target-URL': url } },
      {
        path: '/openai/v1/chat/completions',
        headers: { 'Weir-Fallbacks': JSON.stringify([{ 'target-url': url, headers: { authorization: 'Bearer k' } }]) },
      },
    ]
    for (const { path, headers } of tries) {
      const got = await post(port, { path, headers: headers as unknown as Record<string, string>, body })
      calls++
      expect([spelling, path, got.status, got.headers['weir-error']]).toEqual([spelling, path, 403, 'target_denied'])
      // What a name resolves to is not told.
      expect(message(got.bytes)).not.toMatch(/\d+\.\d+\.\d+|::|attacker/)
    }
  }
  for (const spelling of malformed) {
    const url = latin1(spelling.replace('%port', String(listened)))
    for (const name of ['Weir-Target-URL', 'Helicone-Target-URL', 'Helicone-OpenAI-Api-Base']) {
      const got = await post(port, { path: '/gateway/v1/chat/completions', headers: { [name]: url }, body })
      calls++
      expect([spelling, got.status, got.headers['weir-error']]).toEqual([spelling, 400, 'bad_header'])
      expect(message(got.bytes)).toMatch(new RegExp(`^${name}: accepted is an http`))
    }
  }
  expect(listeners.map(({ connections }) => connections())).toEqual(listeners.map(() => 0))
  expect(ends()).toBe(calls)
  // Four names were looked up, once by each call that was allowed to get so far.
  expect(new Set(asked).size).toBe(4)
}, 60_000)
