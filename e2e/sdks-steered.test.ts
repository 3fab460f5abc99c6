import Anthropic from '@anthropic-ai/sdk'
import { ApiError, GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { openHouse, providersAt, type Row, type RunningHouse } from './support/house.js'
import { until } from './support/wait.js'

// The real SDKs with their own retries on, steered by headers. What counts is how often an upstream was called, and what the SDK makes of
// the answer. A answers for OpenAI, Anthropic and Gemini; B for Groq and for a second Anthropic.

let a: FakeProvider
let b: FakeProvider
let house: RunningHouse
beforeAll(async () => {
  a = await startFakeProvider()
  b = await startFakeProvider()
  house = await openHouse({
    yaml: `${providersAt(a.origin, ['openai', 'anthropic', 'gemini'])}
  groq: { origin: "${b.origin}" }
  b-anthropic: { origin: "${b.origin}", family: anthropic, auth: none }
`,
  })
})
afterAll(async () => {
  await house?.stop()
  await a?.close()
  await b?.close()
})

let users = 0
const newUser = (): string => `steered-${++users}`
const rowsOf = (user: string, calls = 1): Promise<readonly Row[]> =>
  until(`${calls} rows of ${user}`, async () => {
    const rows = await house.rows('r.user_id = {user:String} ORDER BY r.ts, toString(r.request_id)', { user })
    if (rows.length > calls) throw new Error(`${rows.length} rows for ${calls} calls.`)
    return rows.length === calls && rows
  })

type Headers = Record<string, string>
/** Every case has a key of its own, so that a circuit which one opens is not another's. */
const openai = (user: string, headers: Headers = {}, more: { root?: string; apiKey?: string; timeout?: number } = {}): OpenAI =>
  new OpenAI({
    apiKey: more.apiKey ?? `key-of-${user}`,
    baseURL: `${house.proxy}/${more.root ?? 'openai/v1'}`,
    maxRetries: 2,
    ...(more.timeout === undefined ? {} : { timeout: more.timeout }),
    defaultHeaders: { 'Weir-User-Id': user, ...headers },
  })
const anthropic = (
  user: string,
  headers: Headers = {},
  more: { root?: string; apiKey?: string; timeout?: number } = {},
): Anthropic =>
  new Anthropic({
    apiKey: more.apiKey ?? `key-of-${user}`,
    baseURL: house.proxy + (more.root ?? '/anthropic'),
    maxRetries: 2,
    ...(more.timeout === undefined ? {} : { timeout: more.timeout }),
    defaultHeaders: { 'Weir-User-Id': user, ...headers },
  })
const question = 'How deep is the water above the weir?'
const chat = { model: 'gpt-5-mini', messages: [{ role: 'user' as const, content: question }] }
const message = { model: 'claude-haiku-4-5', max_tokens: 200, messages: [{ role: 'user' as const, content: question }] }
const failing = async (call: Promise<unknown>): Promise<unknown> => {
  const error = await call.then(
    () => null,
    (cause: unknown) => cause,
  )
  if (error === null) throw new Error('The call did not fail.')
  return error
}

/** One call of each SDK, in the same words. */
const sdks = [
  {
    name: 'openai',
    provider: 'openai',
    call: (user: string, headers: Headers, timeout?: number): Promise<unknown> =>
      openai(user, headers, timeout === undefined ? {} : { timeout }).chat.completions.create(chat),
    errors: OpenAI,
  },
  {
    name: '@anthropic-ai/sdk',
    provider: 'anthropic',
    call: (user: string, headers: Headers, timeout?: number): Promise<unknown> =>
      anthropic(user, headers, timeout === undefined ? {} : { timeout }).messages.create(message),
    errors: Anthropic,
  },
] as const
const retries = (num: number): Headers => ({
  'Weir-Retry-Enabled': 'true',
  'Weir-Retry-Num': String(num),
  'Weir-Retry-Min-Timeout': '0',
})
/** Waits that an SDK would spend in vain. */
const quick = 'retry-after-ms=5'

describe.each(sdks)('$name, with its own retries on', ({ call, errors, provider }) => {
  /** How many requests reached A during a call. */
  const counted = async (act: () => Promise<void>): Promise<number> => {
    const before = a.total()
    await act()
    return a.total() - before
  }

  test('case 16: our retries are used up: x-should-retry stops the SDK, which would have asked twice more', async () => {
    const user = newUser()
    a.plan(...Array.from({ length: 9 }, () => `status=500;${quick}`))
    const calls = await counted(async () => {
      const error = await failing(call(user, retries(2)))
      expect(error).toBeInstanceOf(errors.InternalServerError)
      expect((error as InstanceType<typeof errors.APIError>).headers?.get('x-should-retry')).toBe('false')
    })
    a.plan()
    expect(calls).toBe(3)
    expect((await rowsOf(user))[0]).toMatchObject({ status: 500, attempts: 3 })
  })

  test('case 17: without a word about retries the SDK’s own are all there are, each with a row', async () => {
    const user = newUser()
    a.plan(`status=500;${quick}`, `status=429;${quick}`, '')
    expect(await counted(async () => void (await call(user, {})))).toBe(3)
    const rows = await rowsOf(user, 3)
    expect(rows.map(({ status, attempts }) => [status, attempts])).toEqual([
      [500, 1],
      [429, 1],
      [200, 1],
    ])
    expect(a.seen.slice(-3).map(({ headers }) => headers['x-stainless-retry-count'])).toEqual(['0', '1', '2'])
  })

  test('case 15: our retries come before the SDK’s: it sees the answer alone', async () => {
    const user = newUser()
    a.plan('status=429', 'status=503', '')
    expect(await counted(async () => void (await call(user, retries(2))))).toBe(3)
    expect((await rowsOf(user))[0]).toMatchObject({ status: 200, attempts: 3 })
    expect(a.seen.slice(-3).map(({ headers }) => headers['x-stainless-retry-count'])).toEqual(['0', '0', '0'])
  })

  test('case 21: what the SDK has repeated itself is taken off ours', async () => {
    // The SDK gives the first call up, and tells in the second that it is one retry in: of our two one is left.
    const once = newUser()
    a.plan('hang', 'status=500', 'status=500', '', '')
    expect(
      await counted(async () => expect(await failing(call(once, retries(2), 1500))).toBeInstanceOf(errors.InternalServerError)),
    ).toBe(3)
    expect((await rowsOf(once, 2)).map(({ outcome, attempts }) => [outcome, attempts])).toEqual([
      ['client_abort', expect.any(Number)],
      ['complete', 2],
    ])
    // Two retries in, nothing is left.
    const twice = newUser()
    a.plan('hang', 'hang', 'status=500', '', '')
    expect(
      await counted(async () => expect(await failing(call(twice, retries(2), 1500))).toBeInstanceOf(errors.InternalServerError)),
    ).toBe(3)
    a.plan()
    expect((await rowsOf(twice, 3)).at(-1)).toMatchObject({ status: 500, attempts: 1 })
  })

  test('case 22: another target answers; the SDK asks once', async () => {
    const user = newUser()
    a.plan('status=500')
    b.plan('')
    const before = b.total()
    const headers: Headers =
      provider === 'openai'
        ? { 'Weir-Fallback': 'groq/llama-3.3-70b', 'Weir-Groq-Key': 'gsk_b' }
        : { 'Weir-Fallback': 'b-anthropic/claude-two' }
    expect(await counted(async () => void (await call(user, headers)))).toBe(1)
    expect(b.total() - before).toBe(1)
    expect((await rowsOf(user))[0]).toMatchObject({ status: 200, attempts: 2 })
    expect(b.seen.at(-1)?.headers.authorization).toBe(provider === 'openai' ? 'Bearer gsk_b' : undefined)
    expect(b.seen.at(-1)?.headers['x-api-key']).toBeUndefined()
  })

  test('nobody answers at all: our 502, and no third round', async () => {
    const user = newUser()
    a.plan(...Array.from({ length: 9 }, () => 'reset'))
    const error = await failing(call(user, retries(1)))
    a.plan()
    expect(error).toBeInstanceOf(errors.InternalServerError)
    expect(error).toMatchObject({ status: 502 })
    expect((error as InstanceType<typeof errors.APIError>).headers?.get('weir-error')).toBe('upstream_reset')
    expect((await rowsOf(user))[0]).toMatchObject({ outcome: 'upstream_abort', attempts: 2 })
  })

  test('a limit that opens within seconds is waited for by the SDK, and passes', async () => {
    const user = newUser()
    const headers = { 'Weir-RateLimit-Policy': '1;w=2;s=user' }
    await call(user, headers)
    expect(await counted(async () => void (await call(user, headers)))).toBe(1)
    const rows = await rowsOf(user, 3)
    expect(rows.map(({ status, errorCode }) => [status, errorCode])).toEqual([
      [200, ''],
      [429, 'rate_limited'],
      [200, ''],
    ])
  })

  test('one that does not is a RateLimitError at once, with the time to wait', async () => {
    const user = newUser()
    const headers = { 'Weir-RateLimit-Policy': '1;w=7200;s=user' }
    await call(user, headers)
    let error: unknown
    expect(await counted(async () => void (error = await failing(call(user, headers))))).toBe(0)
    expect(error).toBeInstanceOf(errors.RateLimitError)
    const told = (error as InstanceType<typeof errors.APIError>).headers
    expect(Number(told?.get('retry-after'))).toBeGreaterThan(7100)
    expect(told?.get('x-should-retry')).toBe('false')
    expect(told?.get('weir-ratelimit-remaining')).toBe('0')
    await rowsOf(user, 2)
  })

  test('the cache: the second answer is the first, and the upstream is asked once', async () => {
    const user = newUser()
    const headers = { 'Weir-Cache-Enabled': 'true', 'Weir-Cache-Seed': user }
    let first: unknown
    let second: unknown
    expect(
      await counted(async () => {
        first = await call(user, headers)
        second = await call(user, headers)
      }),
    ).toBe(1)
    expect(second).toEqual(first)
    expect((await rowsOf(user, 2)).map(({ outcome }) => outcome)).toEqual(['complete', 'cached'])
  })
})

describe('one clean stream', () => {
  test('case 27: openai: an overloaded stream gives way to the next target’s', async () => {
    const user = newUser()
    a.plan('error-event=opened;error=rate_limit_exceeded')
    b.plan('')
    const client = openai(user, { 'Weir-Fallback': 'groq/llama-3.3-70b', 'Weir-Groq-Key': 'gsk_b' })
    const models = new Set<string>()
    const ids = new Set<string>()
    let text = ''
    for await (const chunk of await client.chat.completions.create({ ...chat, stream: true })) {
      models.add(chunk.model)
      ids.add(chunk.id)
      text += chunk.choices[0]?.delta.content ?? ''
    }
    expect([...models]).toEqual(['llama-3.3-70b'])
    expect(ids.size).toBe(1)
    expect(text.length).toBeGreaterThan(20)
    expect((await rowsOf(user))[0]).toMatchObject({ outcome: 'complete', provider: 'groq', attempts: 2, streaming: true })
  })

  test.each(['first', 'opened'])(
    'case 27: @anthropic-ai/sdk: overloaded_error %s, then the other’s message alone',
    async (place) => {
      const user = newUser()
      a.plan(`error-event=${place}`)
      b.plan('')
      const events: string[] = []
      const stream = anthropic(user, { 'Weir-Fallback': 'b-anthropic/claude-two' }).messages.stream(message)
      stream.on('streamEvent', ({ type }) => events.push(type))
      const whole = await stream.finalMessage()
      expect(whole.model).toBe('claude-two')
      expect(events.filter((type) => type === 'message_start')).toHaveLength(1)
      expect(events.at(-1)).toBe('message_stop')
      expect((await rowsOf(user))[0]).toMatchObject({ outcome: 'complete', provider: 'b-anthropic', attempts: 2 })
    },
  )

  test('case 28: what fails behind its first words is an error of the SDK; nobody else is asked', async () => {
    const user = newUser()
    a.plan('error-event=last;message=It broke.')
    const before = b.total()
    const stream = anthropic(user, { 'Weir-Fallback': 'b-anthropic/claude-two' }).messages.stream(message)
    const error = await failing(stream.finalMessage())
    expect(error).toBeInstanceOf(Anthropic.APIError)
    expect(String(error)).toContain('It broke.')
    expect(b.total()).toBe(before)
    expect((await rowsOf(user))[0]).toMatchObject({ outcome: 'error_event', attempts: 1 })
  })

  test('case 29: an upstream that breaks off is told as an error event that the SDK raises', async () => {
    const user = newUser()
    a.plan('id=same')
    const whole = await openai(user)
      .chat.completions.create({ ...chat, stream: true })
      .asResponse()
    const text = await whole.text()
    let at = 0
    for (let i = 0; i < 3; i++) at = text.indexOf('\n\n', at) + 2
    a.plan(`id=same;fin=${Buffer.byteLength(text.slice(0, at))}`)
    const stream = await openai(user).chat.completions.create({ ...chat, stream: true })
    const error = await failing(
      (async () => {
        for await (const _ of stream);
      })(),
    )
    expect(error).toBeInstanceOf(OpenAI.APIError)
    expect(error).toMatchObject({ code: 'upstream_reset', type: 'server_error' })
    expect((await rowsOf(user, 2))[1]).toMatchObject({ outcome: 'upstream_abort', errorCode: 'upstream_reset' })
  })

  test('a stream from the cache is read like the first', async () => {
    const user = newUser()
    const client = anthropic(user, { 'Weir-Cache-Enabled': 'true', 'Weir-Cache-Seed': user })
    const messages = []
    for (let i = 0; i < 2; i++) messages.push(await client.messages.stream(message).finalMessage())
    expect(messages[1]).toEqual(messages[0])
    expect((await rowsOf(user, 2)).map(({ outcome, cost }) => [outcome, cost === '0'])).toEqual([
      ['complete', false],
      ['cached', true],
    ])
  })
})

describe('errors of ours are the SDK’s own, by their type', () => {
  const openAiCall = (user: string, headers: Headers, more = {}, model = 'gpt-5-mini'): Promise<unknown> =>
    openai(user, headers, more).chat.completions.create({ ...chat, model })
  const anthropicCall = (user: string, headers: Headers, more = {}, model = 'claude-haiku-4-5'): Promise<unknown> =>
    anthropic(user, headers, more).messages.create({ ...message, model })

  test.each([
    ['a bad header', { 'Weir-Retry-Num': 'many' }, {}, 'gpt-5-mini', OpenAI.BadRequestError, 400, 'bad_header'],
    [
      'a key of another provider',
      {},
      { root: 'v1', apiKey: 'sk-ant-1' },
      'openai/gpt-5-mini',
      OpenAI.AuthenticationError,
      401,
      'credential_mismatch',
    ],
    [
      'a rule of the operator',
      { 'Weir-Cache-Enabled': 'true', 'Weir-Cache-Scope': 'tenant' },
      {},
      'gpt-5-mini',
      OpenAI.PermissionDeniedError,
      403,
      'policy_denied',
    ],
    ['no such path', {}, { root: 'groq/nothing' }, 'gpt-5-mini', OpenAI.NotFoundError, 404, 'unknown_path'],
  ] as const)('openai: %s', async (_, headers, more, model, type, status, code) => {
    const before = a.total() + b.total()
    const user = newUser()
    const error = await failing(openAiCall(user, headers, more, model))
    expect(error).toBeInstanceOf(type)
    expect(error).toMatchObject({ status, code })
    expect(a.total() + b.total()).toBe(before)
    // Refused before anything else was read: the row is found by its id, which the SDK shows with the error's headers.
    const row = await house.row((error as InstanceType<typeof OpenAI.APIError>).headers?.get('weir-id') ?? '')
    expect(row).toMatchObject({ outcome: 'refused', status, errorCode: code, cost: '0' })
  })

  test.each([
    [
      'a bad header',
      { 'Weir-Retry-Num': 'many' },
      {},
      'claude-haiku-4-5',
      Anthropic.BadRequestError,
      400,
      'bad_header',
      'invalid_request_error',
    ],
    [
      'a key of another provider',
      {},
      { root: '', apiKey: 'sk-proj-1' },
      'anthropic/claude-haiku-4-5',
      Anthropic.AuthenticationError,
      401,
      'credential_mismatch',
      'authentication_error',
    ],
    [
      'a rule of the operator',
      { 'Weir-Cache-Enabled': 'true', 'Weir-Cache-Scope': 'tenant' },
      {},
      'claude-haiku-4-5',
      Anthropic.PermissionDeniedError,
      403,
      'policy_denied',
      'permission_error',
    ],
    [
      'no such path',
      {},
      { root: '/anthropic/nothing' },
      'claude-haiku-4-5',
      Anthropic.NotFoundError,
      404,
      'unknown_path',
      'not_found_error',
    ],
  ] as const)('@anthropic-ai/sdk: %s', async (_, headers, more, model, type, status, code, told) => {
    const before = a.total()
    const user = newUser()
    const error = await failing(anthropicCall(user, headers, more, model))
    expect(error).toBeInstanceOf(type)
    const { requestID, type: errorType } = error as InstanceType<typeof Anthropic.APIError>
    expect(error).toMatchObject({ status, error: { type: 'error', error: { type: told, code } } })
    expect(errorType).toBe(told)
    expect(a.total()).toBe(before)
    const row = await house.row((error as InstanceType<typeof Anthropic.APIError>).headers?.get('weir-id') ?? '')
    expect(row).toMatchObject({ outcome: 'refused', status, errorCode: code })
    // The SDK shows the provider's header under this name, and has our id in the body.
    expect(requestID ?? null).toBeNull()
    expect((error as { error: { request_id: string } }).error.request_id).toBe(row.id)
  })

  test('case 54: @google/genai: over a limit', async () => {
    const user = newUser()
    const client = new GoogleGenAI({
      apiKey: 'AIza-test',
      httpOptions: {
        baseUrl: `${house.proxy}/gemini`,
        headers: { 'Weir-User-Id': user, 'Weir-RateLimit-Policy': '1;w=3600;s=user' },
      },
    })
    const call = (): Promise<unknown> => client.models.generateContent({ model: 'gemini-2.5-flash', contents: question })
    await call()
    const error = await failing(call())
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 429 })
    expect(JSON.parse((error as Error).message)).toMatchObject({
      error: { code: 429, status: 'RESOURCE_EXHAUSTED', details: [{ reason: 'RATE_LIMITED', domain: 'weir' }] },
    })
  })
})

describe('headers', () => {
  test('those of the client hold for every call, those of a call for that one; null takes one away', async () => {
    const user = newUser()
    const client = openai(user, { 'Weir-Property-Feature': 'search', 'Weir-Session-Id': 's-1' })
    await client.chat.completions.create(chat)
    await client.chat.completions.create(chat, {
      headers: { 'Weir-Session-Id': 's-2', 'Weir-Property-Feature': null, 'Weir-Property-Team': 'web' },
    })
    const rows = await rowsOf(user, 2)
    expect(rows.map(({ sessionId, properties }) => [sessionId, properties])).toEqual([
      ['s-1', { feature: 'search' }],
      ['s-2', { team: 'web' }],
    ])
    expect(Object.keys(a.seen.at(-1)?.headers ?? {}).filter((name) => /^weir-(?!hop$)/.test(name))).toEqual([])
  })

  test('ours are read off the answer of a call that went well', async () => {
    const user = newUser()
    const { response } = await anthropic(user, { 'Weir-Cost-Report': 'true', ...retries(1) })
      .messages.create(message)
      .withResponse()
    expect(response.headers.get('weir-attempts')).toMatch(/^"anthropic\/claude-haiku-4-5";status=200;ms=\d+$/)
    const [row] = await rowsOf(user)
    expect(response.headers.get('weir-id')).toBe(row?.id)
    expect(response.headers.get('weir-cost')).toBe(row?.cost)
  })
})
