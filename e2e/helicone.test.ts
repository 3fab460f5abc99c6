import { HeliconeManualLogger } from '@helicone/helpers'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { openHouse, type RunningHouse } from './support/house.js'
import { runCurl, type CurlAnswer } from './support/shell-snippet.js'
import { until } from './support/wait.js'

// Who comes from Helicone changes the host and nothing else. Each snippet is written by the grammar of Helicone's documentation
// (docs.helicone.ai: header directory, caching, retries, custom rate limits, gateway fallbacks, sessions, AI gateway); `runCurl` changes
// the host. What the row has is what Helicone would have kept.

let openaiAt: FakeProvider
let otherAt: FakeProvider
let azureAt: FakeProvider
let house: RunningHouse
beforeAll(async () => {
  openaiAt = await startFakeProvider()
  otherAt = await startFakeProvider()
  azureAt = await startFakeProvider()
  house = await openHouse({
    yaml: `hostRouting: [localhost]
providers:
  openai: { origin: "${openaiAt.origin}", key: "\${OPENAI_FROM_ENV}" }
  anthropic: { origin: "${otherAt.origin}", key: "\${ANTHROPIC_FROM_ENV}" }
  lemonfox: { origin: "${otherAt.origin}", family: openai-chat }
  azure: { origin: "${azureAt.origin}" }
`,
    env: { OPENAI_FROM_ENV: 'sk-proj-configured', ANTHROPIC_FROM_ENV: 'sk-ant-configured' },
  })
})
afterAll(async () => {
  await house?.stop()
  await openaiAt?.close()
  await otherAt?.close()
  await azureAt?.close()
})

const env = {
  OPENAI_API_KEY: 'sk-proj-mine',
  ANTHROPIC_API_KEY: 'sk-ant-mine',
  HELICONE_API_KEY: 'sk-helicone-abcdefg-1234567',
  LEMONFOX_API_KEY: 'lf-mine',
}
const clouds = ['oai', 'anthropic', 'gateway', 'ai-gateway'].map((label) => [label, `https://${label}.helicone.ai`] as const)
/** The host is changed: that of a self-hosted Helicone, and all of its cloud's. */
const paste = (snippet: string, more: Readonly<Record<string, string>> = {}): Promise<CurlAnswer> =>
  runCurl(
    snippet,
    [['http://localhost:8585', house.proxy] as const, ...clouds.map(([, cloud]) => [cloud, house.proxy] as const)],
    { ...env, ...more },
  )
/** Each host of the cloud becomes one of hostRouting's names, here *.localhost. */
const pasteByHost = (snippet: string): Promise<CurlAnswer> =>
  runCurl(
    snippet,
    clouds.map(([label, cloud]) => [cloud, `http://${label}.localhost:${new URL(house.proxy).port}`] as const),
    env,
  )

interface HeliconeRow {
  readonly id: string
  readonly clientRequestId: string
  readonly keyId: string
  readonly userId: string
  readonly sessionId: string
  readonly sessionName: string
  readonly sessionPath: string
  readonly properties: Readonly<Record<string, string>>
  readonly promptId: string
  readonly endpoint: string
  readonly provider: string
  readonly model: string
  readonly requestModel: string
  readonly status: number
  readonly outcome: string
  readonly streaming: boolean
  readonly attempts: number
  readonly cacheStatus: string
  readonly cost: string | null
  readonly inputTokens: number | null
  readonly warnings: readonly string[]
  readonly inputPreview: string
  readonly outputPreview: string
  readonly requestBody: string
  readonly responseBody: string
}
const columns = `toString(r.request_id) AS id, client_request_id AS clientRequestId, key_id AS keyId, user_id AS userId,
 session_id AS sessionId, session_name AS sessionName, session_path AS sessionPath, properties, prompt_id AS promptId, endpoint,
 provider, model, request_model AS requestModel, status, outcome, streaming, toUInt32(length(attempts)) AS attempts,
 cache_status AS cacheStatus, toString(cost_total) AS cost, input_tokens AS inputTokens, warnings, input_preview AS inputPreview,
 output_preview AS outputPreview, b.request_body AS requestBody, b.response_body AS responseBody`
const rowOf = (answer: CurlAnswer | Response): Promise<HeliconeRow> => {
  const id = answer.headers.get('weir-id') ?? ''
  return until(`the row of ${id}`, async () => {
    const rows = await house.query<HeliconeRow>(
      `SELECT ${columns} FROM requests AS r LEFT JOIN request_bodies AS b ON b.request_id = r.request_id WHERE r.request_id = {id:UUID}`,
      { id },
    )
    return rows[0] ?? false
  })
}
/** What every answer to a call with Helicone's headers shows. */
const expectTwins = (answer: CurlAnswer): void => {
  expect(answer.headers.get('helicone-id')).toBe(answer.headers.get('weir-id'))
  expect(answer.headers.get('helicone-status')).toBe('success')
}
/** No header of ours or Helicone's has gone on. */
const expectClean = ({ seen }: FakeProvider): void =>
  expect(Object.keys(seen.at(-1)?.headers ?? {}).filter((name) => /^(?:helicone|weir)-(?!hop$)/.test(name))).toEqual([])

const chat = (content: string, model = 'gpt-4o-mini'): string =>
  `-d '{"model": "${model}", "messages": [{"role": "user", "content": "${content}"}]}'`

describe('where calls go', () => {
  test('a self-hosted Helicone: /v1/gateway/oai', async () => {
    const answer = await paste(`curl --request POST --url http://localhost:8585/v1/gateway/oai/v1/chat/completions \\
      --header "Authorization: Bearer $OPENAI_API_KEY" \\
      --header "Content-Type: application/json" \\
      --header "Helicone-Auth: Bearer $HELICONE_API_KEY" ${chat('Say hi.')}`)
    expect(answer.status).toBe(200)
    expectTwins(answer)
    expectClean(openaiAt)
    expect(openaiAt.seen.at(-1)).toMatchObject({
      path: '/v1/chat/completions',
      headers: { authorization: 'Bearer sk-proj-mine' },
    })
    const row = await rowOf(answer)
    expect(row).toMatchObject({ provider: 'openai', requestModel: 'gpt-4o-mini', status: 200, outcome: 'complete' })
    expect(row.keyId).not.toBe('')
    expect(row.keyId).not.toContain('abcdefg')
  })

  test('a self-hosted Helicone: /v1/gateway/anthropic', async () => {
    const answer = await paste(`curl --request POST --url http://localhost:8585/v1/gateway/anthropic/v1/messages \\
      --header "x-api-key: $ANTHROPIC_API_KEY" \\
      --header "anthropic-version: 2023-06-01" \\
      --header "content-type: application/json" \\
      --header "Helicone-Auth: Bearer $HELICONE_API_KEY" \\
      --data '{"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}'`)
    expect(answer.status).toBe(200)
    expectTwins(answer)
    expect(otherAt.seen.at(-1)).toMatchObject({ path: '/v1/messages', headers: { 'x-api-key': 'sk-ant-mine' } })
    expect(await rowOf(answer)).toMatchObject({ provider: 'anthropic', requestModel: 'claude-haiku-4-5', outcome: 'complete' })
  })

  test('case 11: the key in the path, which is kept nowhere', async () => {
    const answer = await paste(`curl https://oai.helicone.ai/sk-helicone-inthepath-7654321/openai/v1/chat/completions \\
      -H "Authorization: Bearer $OPENAI_API_KEY" -H 'Content-Type: application/json' ${chat('Say hi.')}`)
    expect(answer.status).toBe(200)
    expectTwins(answer)
    expect(openaiAt.seen.at(-1)?.path).toBe('/v1/chat/completions')
    const row = await rowOf(answer)
    expect(row.keyId).not.toBe('')
    expect(JSON.stringify(row)).not.toContain('inthepath')
    expect(JSON.stringify([...answer.headers])).not.toContain('inthepath')
  })

  test('the cloud’s hosts, where hostRouting has a name for them: oai, anthropic, ai-gateway', async () => {
    const oai = await pasteByHost(`curl https://oai.helicone.ai/v1/completions \\
      -H 'Content-Type: application/json' -H "Authorization: Bearer $OPENAI_API_KEY" \\
      -H "Helicone-Auth: Bearer $HELICONE_API_KEY" \\
      -d '{"model": "gpt-3.5-turbo-instruct", "prompt": "How do I enable retries?"}'`)
    expect(oai.status).toBe(200)
    expect(openaiAt.seen.at(-1)?.path).toBe('/v1/completions')
    expect(await rowOf(oai)).toMatchObject({ provider: 'openai', requestModel: 'gpt-3.5-turbo-instruct' })
    const anthropic = await pasteByHost(`curl https://anthropic.helicone.ai/v1/messages \\
      -H "x-api-key: $ANTHROPIC_API_KEY" -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \\
      -H "Helicone-Auth: Bearer $HELICONE_API_KEY" \\
      -d '{"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}'`)
    expect(anthropic.status).toBe(200)
    expect(await rowOf(anthropic)).toMatchObject({ provider: 'anthropic' })
    const gateway = await pasteByHost(`curl https://ai-gateway.helicone.ai/v1/chat/completions \\
      -H "Authorization: Bearer $HELICONE_API_KEY" -H 'Content-Type: application/json' \\
      ${chat('Hello', 'claude-haiku-4-5/anthropic')}`)
    expect(gateway.status).toBe(200)
    expect(otherAt.seen.at(-1)?.headers.authorization).toBe('Bearer sk-ant-configured')
    expect(await rowOf(gateway)).toMatchObject({ provider: 'anthropic', requestModel: 'claude-haiku-4-5' })
  })

  test.each([
    ['by its host', pasteByHost, ''],
    ['on /gateway', paste, '/gateway'],
    ['on /v1', paste, ''],
  ])('Helicone-Target-Url: %s', async (_, pasted, prefix) => {
    const answer = await pasted(`curl --request POST --url https://gateway.helicone.ai${prefix}/v1/chat/completions \\
      --header "Authorization: Bearer $LEMONFOX_API_KEY" \\
      --header "Helicone-Auth: Bearer $HELICONE_API_KEY" \\
      --header "Helicone-Target-Url: ${otherAt.origin}" \\
      --header "Helicone-Target-Provider: LemonFox" \\
      --header "content-type: application/json" ${chat('Answer in one word', 'zephyr-chat')}`)
    expect({ status: answer.status, body: answer.status === 200 ? '' : answer.body }).toEqual({ status: 200, body: '' })
    expectTwins(answer)
    expectClean(otherAt)
    expect(otherAt.seen.at(-1)).toMatchObject({ path: '/v1/chat/completions', headers: { authorization: 'Bearer lf-mine' } })
    expect(await rowOf(answer)).toMatchObject({ requestModel: 'zephyr-chat', status: 200, outcome: 'complete' })
  })

  test('Azure by Helicone-OpenAI-Api-Base: the deployment’s path and query as they are', async () => {
    const path = '/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21'
    const answer = await pasteByHost(`curl --request POST --url 'https://oai.helicone.ai${path}' \\
      --header "Helicone-Auth: Bearer $HELICONE_API_KEY" \\
      --header 'Helicone-OpenAI-Api-Base: ${azureAt.origin}' \\
      --header 'api-key: azure-mine' \\
      --header 'Helicone-Model-Override: gpt-4o-mini' \\
      --header 'content-type: application/json' ${chat('Answer in one word', 'my-gpt')}`)
    expect({ status: answer.status, body: answer.status === 200 ? '' : answer.body }).toEqual({ status: 200, body: '' })
    expect(azureAt.seen.at(-1)).toMatchObject({ path, headers: { 'api-key': 'azure-mine' } })
    expect(await rowOf(answer)).toMatchObject({ model: 'gpt-4o-mini', outcome: 'complete' })
  })
})

describe('the AI gateway’s lists of models', () => {
  const ask = (model: string, fake = ''): Promise<CurlAnswer> =>
    paste(`curl https://ai-gateway.helicone.ai/ai/v1/chat/completions \\
      -H "Authorization: Bearer $HELICONE_API_KEY" \\
      -H 'Content-Type: application/json' ${fake === '' ? '' : `-H 'x-fake: ${fake}'`} ${chat('Hello!', model)}`)

  test('model/provider', async () => {
    const answer = await ask('gpt-4o-mini/openai')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('helicone-provider')).toBe('openai')
    expect(answer.headers.get('helicone-model')).toBe('gpt-4o-mini')
    expect(openaiAt.seen.at(-1)?.body).toContain('"model": "gpt-4o-mini"')
    // The key of the gateway is the caller's; the provider's own comes from weir.yaml.
    expect(openaiAt.seen.at(-1)?.headers.authorization).toBe('Bearer sk-proj-configured')
    expect(await rowOf(answer)).toMatchObject({ provider: 'openai', requestModel: 'gpt-4o-mini' })
  })

  test('a list: the next answers when the first does not', async () => {
    const answer = await ask('gpt-4o-mini/openai,claude-haiku-4-5/anthropic', 'status=500;for=gpt-4o-mini')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('helicone-fallback-index')).toBe('1')
    expect(answer.headers.get('helicone-provider')).toBe('anthropic')
    expect(otherAt.seen.at(-1)?.headers.authorization).toBe('Bearer sk-ant-configured')
    expect(await rowOf(answer)).toMatchObject({ provider: 'anthropic', requestModel: 'claude-haiku-4-5', attempts: 2 })
  })

  test('!provider: never that one', async () => {
    const before = openaiAt.total()
    const answer = await ask('!openai,gpt-4o-mini/openai,claude-haiku-4-5/anthropic')
    expect(answer.status).toBe(200)
    expect(openaiAt.total()).toBe(before)
    expect(await rowOf(answer)).toMatchObject({ provider: 'anthropic', attempts: 1 })
  })
})

describe('what a row has', () => {
  test('user, properties, session, prompt and the id that was given', async () => {
    const answer = await paste(`curl https://oai.helicone.ai/v1/chat/completions \\
      -H 'Content-Type: application/json' -H "Authorization: Bearer $OPENAI_API_KEY" \\
      -H "Helicone-Auth: Bearer $HELICONE_API_KEY" \\
      -H 'Helicone-User-Id: alicebob@gmail.com' \\
      -H 'Helicone-Property-Session: 121' -H 'Helicone-Property-MyUser: John Doe' \\
      -H 'Helicone-Session-Id: 5f2c6bd9-7b9e-4f55-9b0e-0e6a3ad1a001' \\
      -H 'Helicone-Session-Path: /abstract/outline' -H 'Helicone-Session-Name: Course Plan' \\
      -H 'Helicone-Prompt-Id: this is the first prompt' \\
      -H 'Helicone-Request-Id: 123e4567-e89b-12d3-a456-426614174000' ${chat('Generate an abstract for a course on space.')}`)
    expect(answer.status).toBe(200)
    expectClean(openaiAt)
    expect(answer.headers.get('helicone-id')).toBe('123e4567-e89b-12d3-a456-426614174000')
    expect(await rowOf(answer)).toMatchObject({
      userId: 'alicebob@gmail.com',
      properties: { session: '121', myuser: 'John Doe' },
      sessionId: '5f2c6bd9-7b9e-4f55-9b0e-0e6a3ad1a001',
      sessionPath: '/abstract/outline',
      sessionName: 'Course Plan',
      promptId: 'this is the first prompt',
      clientRequestId: '123e4567-e89b-12d3-a456-426614174000',
      warnings: [],
    })
  })

  test('a session’s path without its slash gets one', async () => {
    const answer = await paste(`curl https://oai.helicone.ai/v1/chat/completions -H 'Content-Type: application/json' \\
      -H "Authorization: Bearer $OPENAI_API_KEY" -H 'Helicone-Session-Id: s' -H 'Helicone-Session-Path: abstract' ${chat('Hi')}`)
    expect(answer.status).toBe(200)
    expect(await rowOf(answer)).toMatchObject({ sessionPath: '/abstract', warnings: ['bad-value;h="helicone-session-path"'] })
  })

  test('Helicone-Omit-Request, Helicone-Omit-Response: figures are kept, words are not', async () => {
    const answer = await paste(`curl https://oai.helicone.ai/v1/chat/completions -H 'Content-Type: application/json' \\
      -H "Authorization: Bearer $OPENAI_API_KEY" -H "Helicone-Auth: Bearer $HELICONE_API_KEY" \\
      -H 'Helicone-Omit-Request: true' -H 'Helicone-Omit-Response: true' ${chat('The word is rosebud.')}`)
    const said = answer.json<{ choices: { message: { content: string } }[] }>().choices[0]?.message.content ?? ''
    expect(said.length).toBeGreaterThan(20)
    const row = await rowOf(answer)
    expect(row).toMatchObject({ inputPreview: '', outputPreview: '', requestBody: '', responseBody: '' })
    expect(row.inputTokens).toBeGreaterThan(0)
    expect(row.cost).not.toBeNull()
    expect(JSON.stringify(row)).not.toMatch(/rosebud/)
  })

  test('Helicone-Model-Override: the model that is shown and priced', async () => {
    const answer =
      await paste(`curl http://localhost:8585/v1/gateway/oai/v1/chat/completions -H 'Content-Type: application/json' \\
      -H "Authorization: Bearer $OPENAI_API_KEY" -H 'Helicone-Model-Override: gpt-4o-mini' \\
      -H 'x-fake: input=1000;output=100;model=my-deployment' ${chat('Hi', 'my-deployment')}`)
    // 1,000 x 0.15 + 100 x 0.60 USD per million.
    expect(await rowOf(answer)).toMatchObject({ model: 'gpt-4o-mini', requestModel: 'my-deployment', cost: '0.00021' })
  })

  test.each([
    ['without a word', '', false],
    ['Helicone-Stream-Usage: true', `-H 'helicone-stream-usage: true'`, true],
  ])('the usage of a stream: %s', async (_, header, passed) => {
    const answer = await paste(`curl https://oai.helicone.ai/v1/chat/completions -H 'Content-Type: application/json' \\
      -H "Authorization: Bearer $OPENAI_API_KEY" -H "Helicone-Auth: Bearer $HELICONE_API_KEY" ${header} \\
      -d '{"model": "gpt-4o-mini", "stream": true, "messages": [{"role": "user", "content": "Hi there, gateway"}]}'`)
    expect(answer.body.includes('"choices":[],"usage"')).toBe(passed)
    expect(answer.body).toMatch(/data: \[DONE\]\n\n$/)
    // 17 bytes of prompt are 5 tokens at the fake provider.
    expect(await rowOf(answer)).toMatchObject({ streaming: true, inputTokens: 5, outcome: 'complete' })
  })
})

describe('the cache', () => {
  const ask = (headers: string, content: string, body = ''): Promise<CurlAnswer> =>
    paste(`curl https://oai.helicone.ai/v1/chat/completions -H 'Content-Type: application/json' \\
      -H "Authorization: Bearer $OPENAI_API_KEY" -H "Helicone-Auth: Bearer $HELICONE_API_KEY" \\
      -H 'Helicone-Cache-Enabled: true' ${headers} ${body === '' ? chat(content) : `-d '${body}'`}`)
  const statusOf = ({ headers }: CurlAnswer): string | undefined => headers.get('helicone-cache')

  test('MISS, then HIT, for nothing', async () => {
    const [first, second] = [await ask('', 'How do I enable caching?'), await ask('', 'How do I enable caching?')]
    expect([statusOf(first), statusOf(second)]).toEqual(['MISS', 'HIT'])
    expect(second.body).toBe(first.body)
    expect(second.headers.get('helicone-cache-bucket-idx')).toBe('0')
    expect(second.headers.get('helicone-cache-latency')).toMatch(/^\d+$/)
    expectTwins(second)
    expect(await rowOf(second)).toMatchObject({ cacheStatus: 'hit', outcome: 'cached', cost: '0' })
  })

  test.each(['max-age=2592000', 'max-age = 2592000'])('Cache-Control: %s', async (value) => {
    const headers = `-H 'Cache-Control: ${value}' -H 'Helicone-Cache-Seed: ${value}'`
    expect(statusOf(await ask(headers, 'For a month'))).toBe('MISS')
    const hit = await ask(headers, 'For a month')
    expect(statusOf(hit)).toBe('HIT')
    expect(hit.headers.get('weir-warning')).toBeUndefined()
  })

  test('case 44: Helicone-Cache-Bucket-Max-Size: 3', async () => {
    const header = `-H 'Helicone-Cache-Bucket-Max-Size: 3'`
    const ids = new Map<string, string>()
    for (let i = 0; i < 3; i++) {
      const answer = await ask(header, 'give me a random number')
      expect(statusOf(answer)).toBe('MISS')
      ids.set(answer.json<{ id: string }>().id, answer.body)
    }
    expect(ids.size).toBe(3)
    const hit = await ask(header, 'give me a random number')
    expect(statusOf(hit)).toBe('HIT')
    expect(ids.get(hit.json<{ id: string }>().id)).toBe(hit.body)
    expect(['0', '1', '2']).toContain(hit.headers.get('helicone-cache-bucket-idx'))
  })

  test('Helicone-Cache-Seed: a state of its own for each', async () => {
    const seeded = async (seed: string): Promise<string> =>
      (await ask(`-H 'Helicone-Cache-Seed: ${seed}'`, 'give me a seeded number')).json<{ id: string }>().id
    const first = await seeded('user-123')
    expect(await seeded('user-123')).toBe(first)
    const other = await seeded('user-456')
    expect(other).not.toBe(first)
    expect(await seeded('user-123')).toBe(first)
    expect(await seeded('user-456')).toBe(other)
  })

  test('case 45: Helicone-Cache-Ignore-Keys: request_id,timestamp', async () => {
    const header = `-H 'Helicone-Cache-Ignore-Keys: request_id,timestamp'`
    const body = (n: number): string =>
      `{"model": "gpt-4o-mini", "request_id": "r-${n}", "timestamp": ${n}, "messages": [{"role": "user", "content": "Ignoring"}]}`
    expect([statusOf(await ask(header, '', body(1))), statusOf(await ask(header, '', body(2)))]).toEqual(['MISS', 'HIT'])
  })
})

describe('retries', () => {
  test('case 15: Helicone-Retry-Enabled with all of its numbers', async () => {
    openaiAt.plan('status=429', 'status=500', '')
    const answer = await paste(`curl https://oai.helicone.ai/v1/chat/completions -H 'Content-Type: application/json' \\
      -H "Authorization: Bearer $OPENAI_API_KEY" -H "Helicone-Auth: Bearer $HELICONE_API_KEY" \\
      -H 'Helicone-Retry-Enabled: true' -H 'helicone-retry-num: 3' -H 'helicone-retry-factor: 1.5' \\
      -H 'helicone-retry-min-timeout: 1' -H 'helicone-retry-max-timeout: 10' ${chat('How do I enable retries?')}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('weir-warning')).toBeUndefined()
    expect(await rowOf(answer)).toMatchObject({ attempts: 3, status: 200 })
  })

  test('case 4: a number that is none is ignored, visibly', async () => {
    const answer = await paste(`curl https://oai.helicone.ai/v1/chat/completions -H 'Content-Type: application/json' \\
      -H "Authorization: Bearer $OPENAI_API_KEY" -H 'Helicone-Retry-Enabled: true' -H 'Helicone-Retry-Num: x' ${chat('Hi')}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('weir-warning')).toBe('bad-value;h="helicone-retry-num"')
    expect((await rowOf(answer)).warnings).toEqual(['bad-value;h="helicone-retry-num"'])
  })
})

describe('rate limits', () => {
  const ask = (policy: string, user: string): Promise<CurlAnswer> =>
    paste(`curl https://oai.helicone.ai/v1/chat/completions -H 'Content-Type: application/json' \\
      -H "Authorization: Bearer $OPENAI_API_KEY" -H "Helicone-Auth: Bearer $HELICONE_API_KEY" \\
      -H 'Helicone-Property-Organization: acme' -H 'Helicone-User-Id: ${user}' \\
      -H 'Helicone-RateLimit-Policy: ${policy}' ${chat('How do I set rate limits?')}`)

  test.each([
    ['10000;w=3600', '10000', '9999'],
    ['500000;w=86400;s=user', '500000', '499999'],
    ['300;w=1800;s=organization', '300', '299'],
  ])('%s', async (policy, limit, remaining) => {
    const answer = await ask(policy, 'limited')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('helicone-ratelimit-limit')).toBe(limit)
    expect(answer.headers.get('helicone-ratelimit-remaining')).toBe(remaining)
    const told = answer.headers.get('helicone-ratelimit-policy') ?? ''
    for (const part of policy.split(';')) expect(told).toContain(part)
  })

  test('10 cents per 1000 seconds and user: what a call costs is taken', async () => {
    const answer = await ask('10;w=1000;u=cents;s=user', 'spender')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('helicone-ratelimit-limit')).toBe('10')
    expect(Number(answer.headers.get('helicone-ratelimit-remaining'))).toBeLessThanOrEqual(10)
  })

  test('over it: 429, and how Helicone’s clients know it', async () => {
    expect((await ask('1;w=60;s=user', 'eager')).status).toBe(200)
    const refused = await ask('1;w=60;s=user', 'eager')
    expect(refused.status).toBe(429)
    expect(refused.headers.get('x-helicone-error')).toBe('rate_limited')
    expect(refused.headers.get('helicone-ratelimit-remaining')).toBe('0')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30)
    expect((await ask('1;w=60;s=user', 'patient')).status).toBe(200)
    expect(await rowOf(refused)).toMatchObject({ status: 429, outcome: 'refused', cost: '0' })
  })

  test('a policy that cannot be read lets the call pass, visibly', async () => {
    const answer = await ask('a lot', 'vague')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('helicone-ratelimit-error')).toBe('invalid_policy')
  })
})

describe('fallbacks', () => {
  const ask = (first: string): Promise<CurlAnswer> =>
    paste(
      `curl https://gateway.helicone.ai/v1/chat/completions -H 'Content-Type: application/json' \\
      -H "Helicone-Auth: Bearer $HELICONE_API_KEY" -H "Helicone-Fallbacks: $FALLBACKS" \\
      -d '{"model": "gpt-4", "messages": [{"role": "user", "content": "What is the meaning of life?"}], "max_tokens": 300}'`,
      {
        FALLBACKS: JSON.stringify([
          {
            'target-url': openaiAt.origin,
            headers: { Authorization: 'Bearer sk-first', 'x-fake': first },
            onCodes: [{ from: 400, to: 500 }],
          },
          {
            'target-url': otherAt.origin,
            headers: { Authorization: 'Bearer lf-second', 'Content-Type': 'application/json' },
            onCodes: [401, 403],
            bodyKeyOverride: { model: 'zephyr-chat' },
          },
        ]),
      },
    )

  test('the first answers', async () => {
    const before = otherAt.total()
    const answer = await ask('')
    expect([answer.status, answer.headers.get('helicone-fallback-index')]).toEqual([200, '0'])
    expect(otherAt.total()).toBe(before)
    expect(openaiAt.seen.at(-1)?.headers.authorization).toBe('Bearer sk-first')
  })

  test('the first refuses: the second, with its key and its model', async () => {
    const answer = await ask('status=401')
    expect([answer.status, answer.headers.get('helicone-fallback-index')]).toEqual([200, '1'])
    expect(otherAt.seen.at(-1)).toMatchObject({ path: '/v1/chat/completions', headers: { authorization: 'Bearer lf-second' } })
    expect(JSON.parse(otherAt.seen.at(-1)?.body ?? '')).toMatchObject({ model: 'zephyr-chat', max_tokens: 300 })
    expect(await rowOf(answer)).toMatchObject({ status: 200, requestModel: 'zephyr-chat', attempts: 2 })
  })
})

describe('clients', () => {
  test('the SDK as Helicone documents it', async () => {
    const client = new OpenAI({
      apiKey: env.OPENAI_API_KEY,
      baseURL: `${house.proxy}/v1/gateway/oai/v1`,
      defaultHeaders: { 'Helicone-Auth': `Bearer ${env.HELICONE_API_KEY}`, 'Helicone-Cache-Enabled': 'true' },
    })
    const ask = (): Promise<Response> =>
      client.chat.completions
        .create(
          { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Generate an abstract.' }] },
          {
            headers: {
              'Helicone-Session-Id': 'sdk-session',
              'Helicone-Session-Path': '/abstract',
              'Helicone-Session-Name': 'Plan',
            },
          },
        )
        .asResponse()
    const answers = [await ask(), await ask()]
    expect(answers.map(({ headers }) => headers.get('helicone-cache'))).toEqual(['MISS', 'HIT'])
    for (const answer of answers)
      expect(await rowOf(answer)).toMatchObject({ sessionId: 'sdk-session', sessionPath: '/abstract', sessionName: 'Plan' })
  })

  test('@helicone/helpers: its manual logger sends to /custom/v1/log, which is not taken yet: told as 404, the work goes on', async () => {
    const complaints = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    onTestFinished(() => complaints.mockRestore())
    const statuses: number[] = []
    const original = globalThis.fetch
    vi.stubGlobal('fetch', async (...given: Parameters<typeof fetch>) => {
      const answer = await original(...given)
      if (JSON.stringify(given[0]).includes('/custom/')) statuses.push(answer.status)
      return answer
    })
    onTestFinished(() => void vi.unstubAllGlobals())
    const before = openaiAt.total()
    const logger = new HeliconeManualLogger({
      apiKey: env.HELICONE_API_KEY,
      loggingEndpoint: `${house.proxy}/custom/v1/log`,
      headers: { 'Helicone-User-Id': 'ada' },
    })
    const client = new OpenAI({ apiKey: env.OPENAI_API_KEY, baseURL: `${house.proxy}/openai/v1` })
    const asked = { model: 'gpt-4o-mini', messages: [{ role: 'user' as const, content: 'Log me.' }] }
    const result = await logger.logRequest(asked, async (recorder) => {
      const answer = await client.chat.completions.create(asked)
      recorder.appendResults(answer as unknown as Record<string, unknown>)
      return answer
    })
    expect(result.choices[0]?.message.content?.length).toBeGreaterThan(20)
    await until('the log to be refused', () => statuses.length > 0)
    expect(statuses).toEqual([404])
    expect(openaiAt.total() - before).toBe(1)
  })
})

describe('what Helicone has and Weir has not yet is said, and does no harm', () => {
  test.each([
    ['Helicone-Posthog-Key: phc_1', 'ignored;h="helicone-posthog-key"'],
    ['Helicone-Webhook-Enabled: true', 'ignored;h="helicone-webhook-enabled"'],
    ['Helicone-Moderations-Enabled: true', 'guard-missing;h="helicone-moderations-enabled"'],
    ['Helicone-LLM-Security-Enabled: true', 'guard-missing;h="helicone-llm-security-enabled"'],
    ['Helicone-Nonsense: 1', 'unknown-header;h="helicone-nonsense"'],
  ])('%s', async (header, warning) => {
    const answer = await paste(`curl https://oai.helicone.ai/v1/chat/completions -H 'Content-Type: application/json' \\
      -H "Authorization: Bearer $OPENAI_API_KEY" -H '${header}' ${chat('Hi')}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('weir-warning')).toBe(warning)
    expect((await rowOf(answer)).warnings).toEqual([warning])
    expectClean(openaiAt)
  })

  test('Helicone-Stream-Force-Format: true changes no byte', async () => {
    const ask = (header: string): Promise<CurlAnswer> =>
      paste(`curl https://oai.helicone.ai/v1/chat/completions -H 'Content-Type: application/json' \\
      -H "Authorization: Bearer $OPENAI_API_KEY" -H 'x-fake: id=same;split=7' ${header} \\
      -d '{"model": "gpt-4o-mini", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'`)
    const [plain, forced] = [await ask(''), await ask(`-H 'Helicone-Stream-Force-Format: true'`)]
    expect(forced.status).toBe(200)
    expect(forced.body).toBe(plain.body)
  })
})
