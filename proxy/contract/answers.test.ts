import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import { agreedAnswers } from './testing.js'
import { chat, startHouse, type Got, type House } from './testing-house.js'

let fake: FakeProvider
let house: House
/** Names of ours that were seen, on all answers of this file. */
const seen = new Set<string>()

beforeAll(async () => {
  fake = await startFakeProvider()
  house = await startHouse(fake.origin, 'compat: { twins: auto }\n')
})
afterAll(async () => {
  await house.close()
  await fake.close()
})

const noted = (got: Got): Got => {
  for (const name of [...Object.keys(got.headers), ...Object.keys(got.trailers)])
    if (name.startsWith('weir-')) seen.add(name.slice(5))
  return got
}
const call = async (headers: Record<string, string> = {}, path?: string): Promise<Got> => noted(await house.call(headers, path))
const ask = async (headers: Record<string, string>, body: string, path = '/openai/v1/chat/completions'): Promise<Got> =>
  noted(await house.ask({ headers: Object.entries(headers), body, path }))

/** Makes a caller one of Helicone's dialect, without asking for anything. */
const dialect = { 'Helicone-Omit-Request': 'false' }
const twinsOf = ({ headers }: Got): string[] => Object.keys(headers).filter((name) => name.includes('helicone'))

describe('on every answer', () => {
  test('Id: a UUIDv7, that of the row; its twin is the caller’s own', async () => {
    const { headers, id } = await call()
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect((await house.end(id)).id).toBe(id)
    expect(headers['helicone-id']).toBeUndefined()
    const own = '0192e4a0-0000-7000-8000-00000000000a'
    expect((await call({ 'Weir-Request-Id': own.toUpperCase() })).headers['helicone-id']).toBe(own)
    const twin = await call(dialect)
    expect(twin.headers['helicone-id']).toBe(twin.id)
  })

  test('Provider, Model, Status, and Gateway-Mode on /v1 alone', async () => {
    const plain = await call(dialect)
    expect(plain.headers).toMatchObject({
      'weir-provider': 'openai',
      'weir-model': 'gpt-5-mini',
      'helicone-provider': 'openai',
      'helicone-model': 'gpt-5-mini',
      'helicone-status': 'success',
    })
    expect(plain.headers['helicone-gateway-mode']).toBeUndefined()
    const unified = await ask(dialect, chat({ model: 'openai/gpt-5-mini' }), '/v1/chat/completions')
    expect(unified.headers).toMatchObject({
      'weir-model': 'gpt-5-mini',
      'helicone-gateway-mode': 'BYOK',
      'helicone-model': 'gpt-5-mini',
    })
  })

  test('a model that is not ASCII is percent-encoded', async () => {
    expect((await ask({}, chat({ model: 'modèle 1' }))).headers['weir-model']).toBe('mod%C3%A8le%201')
  })

  test('who was asked stands on our own error, too, and on no refusal', async () => {
    const failed = await call({ 'x-fake': 'close', ...dialect })
    expect([failed.status, failed.headers['weir-provider'], failed.headers['helicone-provider']]).toEqual([
      502,
      'openai',
      'openai',
    ])
    const refused = await call({ 'Weir-Retry-Num': 'x' })
    expect([refused.headers['weir-provider'], refused.headers['weir-attempts']]).toEqual([undefined, undefined])
  })
})

describe('twins', () => {
  test('to those who speak the dialect: a header, a key, /v1/gateway', async () => {
    expect(twinsOf(await call())).toEqual([])
    for (const got of [
      await call(dialect),
      await call({ authorization: 'Bearer sk-one, Bearer sk-helicone-abc' }),
      await call({}, '/sk-helicone-abc/openai/v1/chat/completions'),
      await call({}, '/v1/gateway/oai/v1/chat/completions'),
    ])
      expect(twinsOf(got).sort()).toEqual(['helicone-id', 'helicone-model', 'helicone-provider', 'helicone-status'])
  })

  test('compat.twins: on, off', async () => {
    house.reload('compat: { twins: on }\n')
    expect(twinsOf(await call()).length).toBe(4)
    house.reload('compat: { twins: off }\n')
    expect(twinsOf(await call(dialect))).toEqual([])
    house.reload('')
  })
})

describe('attempts', () => {
  test('Attempts and Fallback-Index', async () => {
    const got = await ask(
      { 'x-fake': 'status=429;for=gpt-5-mini', 'Weir-Fallback': 'groq/llama, openai/gpt-5', ...dialect },
      chat(),
    )
    expect(got.status).toBe(200)
    expect(String(got.headers['weir-attempts']).replaceAll(/ms=\d+/g, 'ms=n')).toBe(
      '"groq/llama";skipped=no_credential, "openai/gpt-5-mini";status=429;kind=rate_limit;ms=n, "openai/gpt-5";status=200;ms=n',
    )
    expect(got.headers).toMatchObject({ 'weir-fallback-index': '2', 'helicone-fallback-index': '2', 'weir-model': 'gpt-5' })
    expect((await call()).headers['weir-fallback-index']).toBeUndefined()
  })
})

describe('the cache', () => {
  test('Cache, Cache-Id, Cache-Bucket-Idx, Cache-Latency, Cache-Saved, Age, Cost', async () => {
    const on = { 'Helicone-Cache-Enabled': 'true' }
    const body = chat()
    const [miss, hit] = [await ask(on, body), await ask(on, body)]
    expect([miss.headers['weir-cache'], miss.headers['helicone-cache'], miss.headers.age]).toEqual(['MISS', 'MISS', undefined])
    expect(hit.headers).toMatchObject({
      'weir-cache': 'HIT',
      'helicone-cache': 'HIT',
      'weir-cache-id': miss.id,
      'weir-cache-bucket-idx': '0',
      'helicone-cache-bucket-idx': '0',
      age: '0',
      'weir-cost': '0',
      'weir-cost-source': 'usage',
    })
    expect(hit.headers['weir-cache-latency']).toMatch(/^\d+$/)
    expect(hit.headers['helicone-cache-latency']).toBe(hit.headers['weir-cache-latency'])
    expect(hit.headers['weir-cache-saved']).toMatch(/^0\.\d+$/)
    expect(hit.headers['weir-attempts']).toBeUndefined()
    const past = await ask({ ...on, 'Weir-Cache-Control': 'no-store' }, body)
    expect([past.headers['weir-cache'], past.headers['helicone-cache']]).toEqual(['BYPASS', undefined])
    expect((await ask(dialect, body)).headers['weir-cache']).toBeUndefined()
  })
})

describe('limits', () => {
  test('RateLimit-Limit, -Remaining, -Reset, -Policy, in all three spellings; the refusal', async () => {
    const headers = { 'Helicone-RateLimit-Policy': '2;w=60;s=user', 'Weir-User-Id': 'lim' }
    const first = await call(headers)
    for (const prefix of ['weir', 'helicone'])
      expect(first.headers).toMatchObject({
        [`${prefix}-ratelimit-limit`]: '2',
        [`${prefix}-ratelimit-remaining`]: '1',
        [`${prefix}-ratelimit-reset`]: '30',
        [`${prefix}-ratelimit-policy`]: expect.stringMatching(/^2;w=60/) as string,
      })
    expect(first.headers).toMatchObject({ ratelimit: '"policy-1";r=1;t=30', 'ratelimit-policy': '"policy-1";q=2;w=60' })
    await call(headers)
    const refused = await call(headers)
    expect([refused.status, refused.headers['weir-error'], refused.headers['x-helicone-error']]).toEqual([
      429,
      'rate_limited',
      'rate_limited',
    ])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.headers).toMatchObject({ 'weir-ratelimit-remaining': '0', 'weir-cost': '0', 'helicone-status': 'failed' })
  })

  test('RateLimit-Error: a limit that was not enforced', async () => {
    const invalid = await call({ 'Helicone-RateLimit-Policy': 'ten' })
    expect([invalid.status, invalid.headers['weir-ratelimit-error'], invalid.headers['helicone-ratelimit-error']]).toEqual([
      200,
      'invalid_policy',
      'invalid_policy',
    ])
    const missing = await call({ 'Helicone-RateLimit-Policy': '2;w=60;s=user' })
    expect([missing.headers['weir-ratelimit-error'], missing.headers['weir-warning']]).toEqual([
      'segment_missing',
      'segment-missing;h="helicone-ratelimit-policy"',
    ])
  })
})

describe('cost', () => {
  test('in the head where it is asked for, on refusals 0, behind a chunked answer as a trailer, else nowhere', async () => {
    const asked = await call({ 'Weir-Cost-Report': 'true', 'x-fake': 'input=1000;output=500' })
    expect([asked.headers['weir-cost'], asked.headers['weir-cost-source']]).toEqual(['0.00125', 'usage'])
    expect((await call({ 'Weir-Retry-Num': 'x' })).headers).toMatchObject({ 'weir-cost': '0', 'weir-cost-source': 'usage' })
    expect((await call()).headers['weir-cost']).toBeUndefined()
    const streamed = await ask(
      { te: 'trailers', connection: 'te, close', 'x-fake': 'input=1000;output=500' },
      chat({ stream: true }),
    )
    expect([streamed.headers['weir-cost'], streamed.trailers['weir-cost'], streamed.trailers['weir-cost-source']]).toEqual([
      undefined,
      '0.00125',
      'usage',
    ])
  })
})

describe('warnings and errors', () => {
  test('Warning: a list, on the answer and on the row', async () => {
    const got = await call({ 'Helicone-Retry-Num': 'x', 'Weir-Redact': 'card', 'Helicone-Nope': '1' })
    const warnings = ['ignored;h="weir-redact"', 'unknown-header;h="helicone-nope"', 'bad-value;h="helicone-retry-num"']
    expect(got.headers['weir-warning']).toBe(warnings.join(', '))
    expect((await house.end(got.id)).warnings).toEqual(warnings)
  })

  test('case 58: the usage is asked for, hidden from the client, and on the row', async () => {
    const stream = await ask({ 'x-fake': 'input=11;output=7' }, chat({ stream: true }))
    expect(stream.text).not.toContain('"usage":{')
    expect(JSON.parse(fake.seen.at(-1)?.body ?? '{}')).toMatchObject({ stream_options: { include_usage: true } })
    const { usageRaw } = await house.end(stream.id)
    expect(JSON.parse(usageRaw.find(({ source }) => source === 'usage')?.json ?? '{}')).toMatchObject({
      prompt_tokens: 11,
      completion_tokens: 7,
    })
    const passed = await ask({ 'x-fake': 'input=11;output=7', 'Weir-Stream-Usage': 'pass' }, chat({ stream: true }))
    expect(passed.text).toContain('"choices":[],"usage":{')
  })

  test('Error, and helicone-error on a fault of ours', async () => {
    const refused = await call({ 'Weir-Budget': '1', ...dialect })
    expect([refused.headers['weir-error'], refused.headers['helicone-error']]).toEqual(['reserved_header', undefined])
    const broken = await startHouse(fake.origin, '', {
      random: () => {
        throw new Error('out of luck')
      },
    })
    const failed = await broken.call({ 'x-fake': 'status=500', 'Helicone-Retry-Enabled': 'true' })
    expect([failed.status, failed.headers['weir-error'], failed.headers['helicone-error']]).toEqual([500, 'internal', 'true'])
    expect(failed.text).not.toContain('luck')
    expect(broken.failures.splice(0)).toHaveLength(1)
    await broken.close()
  })

  test('case 59: strict, and the journal cannot write: 503, and nobody is asked', async () => {
    const before = fake.total()
    house.breakJournal(true)
    const refused = await call({ 'Weir-Durability': 'strict' })
    const lenient = await call()
    house.breakJournal(false)
    expect([refused.status, refused.headers['weir-error'], refused.headers['retry-after']]).toEqual([
      503,
      'journal_unavailable',
      '1',
    ])
    expect([lenient.status, lenient.headers['weir-warning'], fake.total() - before]).toEqual([200, 'journal-full', 1])
  })
})

test('every answer header of the contract was seen, and no other', () => {
  const agreed = Object.keys(agreedAnswers).map((name) => name.toLowerCase())
  expect([...seen].sort()).toEqual(agreed.sort())
})
