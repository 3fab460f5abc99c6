import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { ChatAnthropic } from '@langchain/anthropic'
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { ToolMessage } from '@langchain/core/messages'
import { ChatOpenAI } from '@langchain/openai'
import { generateText, jsonSchema, stepCountIs, streamText, tool, type LanguageModel } from 'vercel-ai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { openHouse, providersAt, type Row, type RunningHouse } from './support/house.js'
import { tokens } from './support/usd.js'
import { until } from './support/wait.js'

// LangChain and the Vercel AI SDK, changed in nothing but base URL and headers: plain, as a stream, with a tool; through the cache, a retry
// and a fallback. A is where OpenAI and Anthropic answer, B the second target.

let a: FakeProvider
let b: FakeProvider
let house: RunningHouse
beforeAll(async () => {
  a = await startFakeProvider()
  b = await startFakeProvider()
  house = await openHouse({
    yaml: `${providersAt(a.origin, ['openai', 'anthropic'])}
  b-openai: { origin: "${b.origin}", auth: none }
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
const newUser = (): string => `framework-${++users}`
const rowsOf = (user: string, calls = 1): Promise<readonly Row[]> =>
  until(`${calls} rows of ${user}`, async () => {
    const rows = await house.rows('r.user_id = {user:String} ORDER BY r.ts, toString(r.request_id)', { user })
    if (rows.length > calls) throw new Error(`${rows.length} rows for ${calls} calls.`)
    return rows.length === calls && rows
  })

type Headers = Readonly<Record<string, string>>
const question = 'How long is the river Limmat?'
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } as const

/** A framework with a provider: each question in its own words. */
interface Client {
  readonly name: string
  readonly provider: string
  readonly api: string
  readonly model: string
  plain(headers: Headers): Promise<string>
  stream(headers: Headers): Promise<{ readonly text: string; readonly pieces: number }>
  /** Lets a tool be called, and its result be answered. @returns What it was called with, and the last answer. */
  tool(headers: Headers): Promise<{ readonly input: unknown; readonly text: string }>
}

const keyOf = (headers: Headers): string => `key-of-${headers['Weir-User-Id'] ?? ''}`

const langChain = (
  name: string,
  provider: string,
  model: string,
  api: string,
  open: (headers: Headers) => BaseChatModel,
): Client => ({
  name,
  provider,
  api,
  model,
  plain: async (headers) => (await open(headers).invoke(question)).text,
  stream: async (headers) => {
    let text = ''
    let pieces = 0
    for await (const chunk of await open(headers).stream(question)) {
      text += chunk.text
      if (chunk.text !== '') pieces++
    }
    return { text, pieces }
  },
  tool: async (headers) => {
    const bound = open(headers).bindTools?.([{ name: 'find_city', description: 'Finds a city.', schema: parameters }])
    if (bound === undefined) throw new Error('No tools.')
    const asked = await bound.invoke(question)
    const [call] = asked.tool_calls ?? []
    if (call?.id === undefined) throw new Error('No tool call.')
    const result = new ToolMessage({ content: `${String(call.args['city'])} it is`, tool_call_id: call.id })
    const after = await bound.invoke([{ role: 'user', content: question }, asked, result])
    return { input: call.args, text: after.text }
  },
})

const aiSdk = (
  name: string,
  provider: string,
  model: string,
  api: string,
  open: (headers: Headers) => LanguageModel,
): Client => ({
  name,
  provider,
  api,
  model,
  plain: async (headers) => (await generateText({ model: open(headers), prompt: question })).text,
  stream: async (headers) => {
    let text = ''
    let pieces = 0
    for await (const piece of streamText({ model: open(headers), prompt: question }).textStream) {
      text += piece
      pieces++
    }
    return { text, pieces }
  },
  tool: async (headers) => {
    let input: unknown
    const { text } = await generateText({
      model: open(headers),
      prompt: question,
      stopWhen: stepCountIs(3),
      tools: {
        find_city: tool({
          description: 'Finds a city.',
          inputSchema: jsonSchema<{ city: string }>(parameters),
          execute: (given) => {
            input = given
            return `${given.city} it is`
          },
        }),
      },
    })
    return { input, text }
  },
})

const clients: readonly Client[] = [
  langChain(
    'LangChain, OpenAI',
    'openai',
    'gpt-5-mini',
    'chat',
    (headers) =>
      new ChatOpenAI({
        model: 'gpt-5-mini',
        apiKey: keyOf(headers),
        configuration: { baseURL: `${house.proxy}/openai/v1`, defaultHeaders: headers },
      }),
  ),
  langChain(
    'LangChain, OpenAI Responses',
    'openai',
    'gpt-5-mini',
    'responses',
    (headers) =>
      new ChatOpenAI({
        model: 'gpt-5-mini',
        apiKey: keyOf(headers),
        useResponsesApi: true,
        configuration: { baseURL: `${house.proxy}/openai/v1`, defaultHeaders: headers },
      }),
  ),
  langChain(
    'LangChain, Anthropic',
    'anthropic',
    'claude-haiku-4-5',
    'messages',
    (headers) =>
      new ChatAnthropic({
        model: 'claude-haiku-4-5',
        apiKey: keyOf(headers),
        anthropicApiUrl: `${house.proxy}/anthropic`,
        clientOptions: { defaultHeaders: headers },
      }),
  ),
  aiSdk('AI SDK, OpenAI', 'openai', 'gpt-5-mini', 'responses', (headers) =>
    createOpenAI({ apiKey: keyOf(headers), baseURL: `${house.proxy}/openai/v1`, headers })('gpt-5-mini'),
  ),
  aiSdk('AI SDK, OpenAI chat', 'openai', 'gpt-5-mini', 'chat', (headers) =>
    createOpenAI({ apiKey: keyOf(headers), baseURL: `${house.proxy}/openai/v1`, headers }).chat('gpt-5-mini'),
  ),
  aiSdk('AI SDK, Anthropic', 'anthropic', 'claude-haiku-4-5', 'messages', (headers) =>
    createAnthropic({ apiKey: keyOf(headers), baseURL: `${house.proxy}/anthropic/v1`, headers })('claude-haiku-4-5'),
  ),
]

describe.each(clients)('$name', (client) => {
  const { provider, api, model } = client
  const counted = async (act: () => Promise<unknown>): Promise<number> => {
    const before = a.total()
    await act()
    return a.total() - before
  }

  test('plain', async () => {
    const user = newUser()
    const text = await client.plain({ 'Weir-User-Id': user, 'Weir-Session-Id': 's-1', 'Weir-Property-Feature': 'search' })
    expect(text.length).toBeGreaterThan(20)
    expect((await rowsOf(user))[0]).toMatchObject({
      outcome: 'complete',
      provider,
      api,
      requestModel: model,
      streaming: false,
      sessionId: 's-1',
      properties: { feature: 'search' },
      inputTokens: tokens(question),
      outputTokens: tokens(text),
      costStatus: 'exact',
    })
  })

  test('stream', async () => {
    const user = newUser()
    const { text, pieces } = await client.stream({ 'Weir-User-Id': user })
    expect(pieces).toBeGreaterThan(2)
    expect((await rowsOf(user))[0]).toMatchObject({
      outcome: 'complete',
      streaming: true,
      outputTokens: tokens(text),
      usageSource: 'wire',
      costStatus: 'exact',
    })
  })

  test('a tool: the call, then its result, each a row', async () => {
    const user = newUser()
    const { input, text } = await client.tool({ 'Weir-User-Id': user })
    expect(input).toEqual({ city: 'some city' })
    expect(text.length).toBeGreaterThan(20)
    expect((await rowsOf(user, 2)).map(({ toolCalls, outcome }) => [toolCalls, outcome])).toEqual([
      [1, 'complete'],
      [0, 'complete'],
    ])
    expect(a.seen.at(-1)?.body).toContain('some city it is')
  })

  test('the cache: the second answer is the first, plain and as a stream', async () => {
    const user = newUser()
    const headers = { 'Weir-User-Id': user, 'Weir-Cache-Enabled': 'true' }
    const texts: string[] = []
    const asked = await counted(async () => {
      for (let i = 0; i < 2; i++) texts.push(await client.plain(headers))
      for (let i = 0; i < 2; i++) texts.push((await client.stream(headers)).text)
    })
    expect(asked).toBe(2)
    expect(new Set(texts).size).toBe(1)
    expect((await rowsOf(user, 4)).map(({ outcome }) => outcome)).toEqual(['complete', 'cached', 'complete', 'cached'])
  })

  test('a retry of ours: the framework sees the answer alone', async () => {
    const user = newUser()
    a.plan('status=503', '')
    const headers = { 'Weir-User-Id': user, 'Weir-Retry-Enabled': 'true', 'Weir-Retry-Min-Timeout': '0' }
    expect(await counted(async () => void (await client.plain(headers)))).toBe(2)
    expect((await rowsOf(user))[0]).toMatchObject({ status: 200, attempts: 2 })
  })

  test('a fallback: plain after a status, a stream after an error inside of its 200', async () => {
    const user = newUser()
    const headers = { 'Weir-User-Id': user, 'Weir-Fallback': `b-${provider}/second-model` }
    a.plan('status=500')
    expect(await counted(async () => void (await client.plain(headers)))).toBe(1)
    a.plan(`error-event=opened${api === 'responses' ? ';error-form=failed' : ''}`)
    let streamed = { text: '', pieces: 0 }
    expect(await counted(async () => void (streamed = await client.stream(headers)))).toBe(1)
    expect(streamed.text.length).toBeGreaterThan(20)
    const rows = await rowsOf(user, 2)
    for (const row of rows)
      expect(row).toMatchObject({ provider: `b-${provider}`, requestModel: 'second-model', attempts: 2, outcome: 'complete' })
    expect(rows.map(({ streaming }) => streaming)).toEqual([false, true])
  })
})
