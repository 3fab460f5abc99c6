import { createHash } from 'node:crypto'
import { createServer, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { openHouse, type RunningHouse } from './support/house.js'
import { jsonHeaders, send, type Answer } from './support/send.js'

// Acceptance cases of routing.md §11 that need a whole house, or two tenants, or a store that is away. The others stand beside the code.

const digest = (key: string): string => createHash('sha256').update(key).digest('hex')
const keys = { acme: 'sk-weir-acme-0123456789abcdefghijklmnop', zeta: 'sk-weir-zeta-0123456789abcdefghijklmnop' }

const chat = (model: string, more: object = {}): string =>
  JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello?' }], ...more })
const ask = (
  house: RunningHouse,
  { path = '/openai/v1/chat/completions', body, headers = {} }: { path?: string; body: string; headers?: Record<string, string> },
): Promise<Answer> =>
  send(house.proxy + path, { headers: { ...jsonHeaders, authorization: 'Bearer provider-key', ...headers }, body })
const errorCode = (answer: Answer): string => answer.json<{ error: { code: string } }>().error.code

describe('a house without Weir keys', () => {
  let a: FakeProvider
  let house: RunningHouse
  beforeAll(async () => {
    a = await startFakeProvider()
    house = await openHouse({
      yaml: `providers:
  openai: { origin: "${a.origin}" }
  anthropic: { origin: "${a.origin}" }
  gemini: { origin: "${a.origin}" }
  bedrock: { origin: "${a.origin}" }
`,
    })
  })
  afterAll(async () => {
    await house?.stop()
    await a?.close()
  })

  test('case 12: on the unified path a key of another provider goes nowhere', async () => {
    const before = a.total()
    const answer = await ask(house, {
      path: '/v1/chat/completions',
      body: chat('anthropic/claude-haiku-4-5'),
      headers: { authorization: 'Bearer sk-proj-mine' },
    })
    expect([answer.status, errorCode(answer), a.total() - before]).toEqual([401, 'credential_mismatch', 0])
    expect(answer.bytes.toString()).not.toContain('sk-proj-mine')
    expect(await house.row(answer.id)).toMatchObject({
      outcome: 'refused',
      status: 401,
      errorCode: 'credential_mismatch',
      cost: '0',
    })
  })

  test('case 13: a list with two providers, one of them ruled out: the echo has one target', async () => {
    const before = a.total()
    const answer = await ask(house, {
      path: '/weir/test/v1/chat/completions',
      body: chat('m1/anthropic, openai/m2, !openai'),
    })
    expect(answer.status).toBe(200)
    const echo = answer.json<{ targets: readonly { readonly provider: string; readonly model: string }[] }>()
    expect(echo.targets.map(({ provider, model }) => [provider, model])).toEqual([['anthropic', 'm1']])
    expect(a.total()).toBe(before)
    await house.caughtUp()
    expect(await house.rows(`r.endpoint LIKE '%/weir/test%'`)).toEqual([])
  })

  test('case 14: provider/model: the value of model is replaced in place, and every other byte stays', async () => {
    const body =
      '{ "seed":12345678901234567890,"model" :  "openai/gpt-5-mini" ,"messages":[{"role":"user","content":"\\u00e9é"}], "x": 1.0 }'
    const answer = await ask(house, { path: '/v1/chat/completions', body })
    expect(answer.status).toBe(200)
    expect(a.seen.at(-1)?.body).toBe(body.replace('openai/gpt-5-mini', 'gpt-5-mini'))
    expect(await house.row(answer.id)).toMatchObject({ provider: 'openai', requestModel: 'gpt-5-mini' })
  })

  test('case 8: the same Request-Id twice: two rows, two ids of ours, one of the caller’s', async () => {
    const headers = { 'Helicone-Request-Id': '11111111-2222-4333-8444-555555555555' }
    const answers = [
      await ask(house, { body: chat('gpt-5-mini'), headers }),
      await ask(house, { body: chat('gpt-5-mini'), headers }),
    ]
    expect(new Set(answers.map(({ id }) => id)).size).toBe(2)
    for (const answer of answers) {
      expect(answer.headers['helicone-id']).toBe('11111111-2222-4333-8444-555555555555')
      expect(await house.row(answer.id)).toMatchObject({ outcome: 'complete' })
    }
  })

  test('case 58: a stream that does not ask for its usage: no extra chunk at the client, the usage on the row from the wire', async () => {
    const answer = await ask(house, {
      body: chat('gpt-5-mini', { stream: true }),
      headers: { 'x-fake': 'input=1234;output=56' },
    })
    expect(a.seen.at(-1)?.body).toContain('"include_usage":true')
    const chunks = answer.bytes
      .toString()
      .split('\n\n')
      .flatMap((event) => (event.startsWith('data: {') ? [JSON.parse(event.slice(6)) as { choices: unknown[] }] : []))
    expect(chunks.length).toBeGreaterThan(4)
    expect(chunks.filter(({ choices }) => choices.length === 0)).toEqual([])
    expect(answer.bytes.toString()).toMatch(/data: \[DONE\]\n\n$/)
    expect(await house.row(answer.id)).toMatchObject({
      inputTokens: 1234,
      outputTokens: 56,
      usageSource: 'wire',
      altered: ['include_usage'],
    })
  })

  /** Where the first `count` events of a whole stream end. */
  const textEnd =
    (end: string) =>
    (bytes: Buffer, count: number): number => {
      let at = 0
      for (let i = 0; i < count; i++) at = bytes.indexOf(end, at) + end.length
      return at
    }
  const framesEnd = (bytes: Buffer, count: number): number => {
    let at = 0
    for (let i = 0; i < count; i++) at += bytes.readUInt32BE(at)
    return at
  }

  test.each([
    [
      'Responses: the next sequence number',
      '/openai/v1/responses',
      JSON.stringify({ model: 'gpt-5-mini', input: 'Hello?', stream: true }),
      textEnd('\n\n'),
      (tail: Buffer, whole: Buffer) => {
        const [, data = ''] = /^event: error\ndata: (.*)\n\n$/.exec(tail.toString()) ?? []
        expect(JSON.parse(data)).toMatchObject({ type: 'error', code: 'upstream_reset', sequence_number: 4 })
        expect(whole.toString()).toContain('"sequence_number":4}')
      },
    ],
    [
      'Bedrock: an exception’s frame',
      '/bedrock/us-east-1/model/anthropic.claude-haiku-4-5/converse-stream',
      JSON.stringify({ messages: [{ role: 'user', content: [{ text: 'Hello?' }] }] }),
      framesEnd,
      (tail: Buffer) => {
        expect(tail.length).toBe(tail.readUInt32BE(0))
        expect(tail.toString('latin1')).toMatch(/:exception-type\x07..internalServerException.*"code":"upstream_reset"/s)
      },
    ],
    [
      'Gemini’s array: one more element, and its end',
      '/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent',
      JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'Hello?' }] }] }),
      textEnd('\n}\n'),
      (tail: Buffer) => expect(JSON.parse(`[{}${tail.toString()}`)).toMatchObject([{}, { error: { status: 'INTERNAL' } }]),
    ],
  ])('case 29: %s', async (_, path, body, endOf, check) => {
    const call = (fault: string): Promise<Answer> => ask(house, { path, body, headers: { 'x-fake': `id=same${fault}` } })
    const whole = await call('')
    const at = endOf(whole.bytes, 4)
    const cut = await call(`;fin=${at}`)
    expect({ status: cut.status, end: cut.end }).toEqual({ status: 200, end: 'clean' })
    expect(cut.bytes.subarray(0, at).equals(whole.bytes.subarray(0, at))).toBe(true)
    check(cut.bytes.subarray(at), whole.bytes)
    expect(await house.row(cut.id)).toMatchObject({ outcome: 'upstream_abort', errorCode: 'upstream_reset', status: 200 })
    // Inside of an event nothing can be added.
    expect((await call(`;fin=${at + 9}`)).end).toBe('broken')
  })

  test('case 47: fifty at once in a process of their own: one call upstream, 49 hits', async () => {
    const before = a.total()
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        ask(house, {
          body: chat('gpt-5-mini', { stream: true }),
          headers: { 'weir-cache-enabled': 'true', 'weir-user-id': 'fifty', 'x-fake': 'gap=30' },
        }),
      ),
    )
    expect(a.total() - before).toBe(1)
    expect(new Set(answers.map(({ sha256 }) => sha256)).size).toBe(1)
    expect(answers.map(({ status, end }) => `${status} ${end}`)).toEqual(answers.map(() => '200 clean'))
    const caches = answers.map(({ headers }) => headers['weir-cache'])
    expect([caches.filter((cache) => cache === 'MISS').length, caches.filter((cache) => cache === 'HIT').length]).toEqual([1, 49])
    await house.caughtUp()
    const rows = await house.rows(`r.user_id = 'fifty'`)
    expect(rows).toHaveLength(50)
    expect(rows.filter(({ cost }) => cost === '0')).toHaveLength(49)
  })

  test('cases 52, 55 in one: what passes by the cache takes from the limit, a hit does not', async () => {
    const limited = (control: string | null): Promise<Answer> =>
      ask(house, {
        body: chat('gpt-5-mini', { seed: 55 }),
        headers: {
          'weir-cache-enabled': 'true',
          'weir-user-id': 'one-after-the-other',
          'weir-ratelimit-policy': '3;w=86400;s=user',
          ...(control === null ? {} : { 'weir-cache-control': control }),
        },
      })
    const seen: unknown[] = []
    for (const control of ['no-store', 'no-store', 'no-cache', null, null, 'no-store']) {
      const { status, headers } = await limited(control)
      seen.push([status, headers['weir-cache']])
    }
    expect(seen).toEqual([
      [200, 'BYPASS'],
      [200, 'BYPASS'],
      [200, 'BYPASS'],
      // The third kept its answer, which is free from now on; a fourth send is not.
      [200, 'HIT'],
      [200, 'HIT'],
      [429, 'BYPASS'],
    ])
  })
})

describe('a house of two tenants', () => {
  let a: FakeProvider
  let house: RunningHouse
  beforeAll(async () => {
    a = await startFakeProvider()
    house = await openHouse({
      yaml: `auth: required
keys:
  - { name: acme-app, sha256: "${digest(keys.acme)}", tenant: acme }
  - { name: zeta-app, sha256: "${digest(keys.zeta)}", tenant: zeta }
providers:
  openai: { origin: "${a.origin}" }
cache: { shared: true }
`,
      env: { WEIR_ADMIN_SECRET: 'an-admin-secret-of-more-than-32-characters' },
    })
  })
  afterAll(async () => {
    await house?.stop()
    await a?.close()
  })

  test.each(['credential', 'tenant'])(
    'case 43: another tenant shares nothing, whatever the scope (%s), with the same provider key',
    async (scope) => {
      const cached = (key: string): Promise<Answer> =>
        ask(house, {
          body: chat('gpt-5-mini', { seed: scope.length }),
          headers: { 'weir-auth': `Bearer ${key}`, 'weir-cache-enabled': 'true', 'weir-cache-scope': scope },
        })
      const seen: unknown[] = []
      for (const key of [keys.acme, keys.acme, keys.zeta, keys.zeta]) seen.push((await cached(key)).headers['weir-cache'])
      expect(seen).toEqual(['MISS', 'HIT', 'MISS', 'HIT'])
    },
  )

  test('a limit of the whole tenant is that tenant’s', async () => {
    const limited = async (key: string): Promise<number> =>
      (
        await ask(house, {
          body: chat('gpt-5-mini'),
          headers: { 'weir-auth': `Bearer ${key}`, 'weir-ratelimit-policy': '1;w=86400' },
        })
      ).status
    expect([await limited(keys.acme), await limited(keys.acme), await limited(keys.zeta)]).toEqual([200, 429, 200])
  })

  test('without a key, or with one that is not listed, nothing is sent', async () => {
    const before = a.total()
    const nobody = await ask(house, { body: chat('gpt-5-mini') })
    expect([nobody.status, errorCode(nobody)]).toEqual([401, 'auth_missing'])
    const stranger = await ask(house, { body: chat('gpt-5-mini'), headers: { 'weir-auth': 'Bearer sk-weir-stranger' } })
    expect([stranger.status, errorCode(stranger)]).toEqual([401, 'auth_invalid'])
    expect(a.total()).toBe(before)
  })
})

/** A port that nobody listens on. */
const unusedPort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

const houseWith = async (yaml: string, env: Record<string, string> = {}): Promise<{ a: FakeProvider; house: RunningHouse }> => {
  const a = await startFakeProvider()
  onTestFinished(() => a.close())
  const house = await openHouse({ yaml: `providers: { openai: { origin: "${a.origin}" } }\n${yaml}`, env })
  onTestFinished(() => house.stop())
  return { a, house }
}

test.each(['open', 'closed'])(
  'case 53: a Redis that nobody answers at, %s: the house starts, and the mode says what calls get',
  async (mode) => {
    const { a, house } = await houseWith(`limits: { onStoreError: ${mode} }\n`, {
      REDIS_URL: `redis://127.0.0.1:${await unusedPort()}`,
    })
    const answer = await ask(house, { body: chat('gpt-5-mini'), headers: { 'weir-ratelimit-policy': '1;w=60' } })
    if (mode === 'open') {
      expect([answer.status, answer.headers['weir-ratelimit-error'], a.total()]).toEqual([200, 'store_unavailable', 1])
      expect((await house.row(answer.id)).warnings.join()).toContain('limit-store-down')
    } else {
      expect([answer.status, errorCode(answer), a.total()]).toEqual([503, 'limits_unavailable', 0])
      expect(await house.row(answer.id)).toMatchObject({ outcome: 'refused', status: 503 })
    }
    // The cache is only a cache: without its store every call is a miss.
    const cached = await ask(house, { body: chat('gpt-5-mini'), headers: { 'weir-cache-enabled': 'true' } })
    expect([cached.status, cached.headers['weir-cache']]).toEqual([200, 'MISS'])
  },
)

test('case 59: a journal that takes nothing: a strict call is refused before it is sent, any other goes on', async () => {
  // Smaller than any record: full from the first one on.
  const { a, house } = await houseWith('journal: { limit: 1B }\n')
  const before = a.total()
  const strict = await ask(house, { body: chat('gpt-5-mini'), headers: { 'weir-durability': 'strict' } })
  expect([strict.status, errorCode(strict), a.total() - before]).toEqual([503, 'journal_unavailable', 0])
  expect(strict.headers['retry-after']).toBeDefined()
  const other = await ask(house, { body: chat('gpt-5-mini') })
  expect([other.status, a.total() - before]).toEqual([200, 1])
})
