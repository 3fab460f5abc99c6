import { expect, onTestFinished, test } from 'vitest'
import { startFakeProvider } from '../../../cli/fake-provider/server.js'
import { post, startTestProxy } from './testing.js'

/** The same numbers in every run. */
const numbers = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const routes = [
  {
    path: '/openai/v1/chat/completions',
    body: (stream: boolean) => ({ model: 'gpt-5', stream, messages: [{ role: 'user', content: 'Hi' }] }),
  },
  {
    path: '/v1/chat/completions',
    body: (stream: boolean) => ({ model: 'openai/gpt-5', stream, messages: [{ role: 'user', content: 'Hi' }] }),
  },
  {
    path: '/anthropic/v1/messages',
    body: (stream: boolean) => ({
      model: 'claude-sonnet-4-6',
      max_tokens: 9,
      stream,
      messages: [{ role: 'user', content: 'Hi' }],
    }),
  },
  { path: '/openai/v1/embeddings', body: () => ({ model: 'text-embedding-3-small', input: 'Hi' }) },
] as const

test('callers of different keys and users, on all routes, in all scopes, one after the other and at once: no answer crosses', async () => {
  const fake = await startFakeProvider()
  onTestFinished(() => fake.close())
  const proxy = await startTestProxy(fake.origin, { yaml: 'cache: { shared: true }\n' })
  const draw = numbers(42)
  const owners = new Map<string, string>()
  let hits = 0
  for (let round = 0; round < 40; round++) {
    const calls = Array.from({ length: 12 }, () => {
      const route = routes[draw(routes.length)] as (typeof routes)[number]
      const stream = draw(2) === 0
      const scope = (['credential', 'user', 'tenant'] as const)[draw(3)] ?? 'credential'
      const [key, weirKey, user] = [`sk-${draw(3)}`, draw(2) === 0 ? 'none' : `sk-weir-${draw(2)}`, `user-${draw(2)}`]
      const body = JSON.stringify(route.body(stream))
      // Unified and own path of one provider are one call.
      const call = [route.path.replace('/openai/v1', '/v1'), body.replace('openai/', '')]
      const owner = JSON.stringify(scope === 'tenant' ? [scope, call] : [scope, call, key, weirKey, scope === 'user' ? user : ''])
      const headers = {
        authorization: `Bearer ${key}`,
        'weir-cache-enabled': 'true',
        'weir-cache-scope': scope,
        'weir-user-id': user,
        ...(weirKey === 'none' ? {} : { 'weir-auth': `Bearer ${weirKey}` }),
      }
      return { owner, sent: { path: route.path, headers, body } }
    })
    const answers = await Promise.all(calls.map(({ sent }) => post(proxy.port, sent)))
    for (const [n, { id, headers, status }] of answers.entries()) {
      expect([status, ['MISS', 'HIT'].includes(String(headers['weir-cache']))]).toEqual([200, true])
      if (headers['weir-cache'] === 'MISS') owners.set(id, calls[n]?.owner ?? '')
    }
    for (const [n, { headers }] of answers.entries())
      if (headers['weir-cache'] === 'HIT') {
        hits++
        expect(owners.get(String(headers['weir-cache-id']))).toBe(calls[n]?.owner)
      }
  }
  expect(hits).toBeGreaterThan(100)
  expect(fake.total()).toBe(owners.size)
})
