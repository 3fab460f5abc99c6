import Anthropic, {
  AuthenticationError as AnthropicAuthenticationError,
  RateLimitError as AnthropicRateLimitError,
} from '@anthropic-ai/sdk'
import { ApiError, GoogleGenAI, Type } from '@google/genai'
import OpenAI, { APIUserAbortError, AuthenticationError, RateLimitError } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { openHouse, providersAt, type Row, type RunningHouse } from './support/house.js'
import { list, tokens, usd } from './support/usd.js'
import { until } from './support/wait.js'

// The real SDKs, changed in nothing but their base URL, against the fake provider. Tokens are worked out from what was said and
// answered, by the fake provider's rule; costs from those and the list prices.

let fake: FakeProvider
let house: RunningHouse
beforeAll(async () => {
  fake = await startFakeProvider()
  house = await openHouse({ yaml: providersAt(fake.origin, ['openai', 'anthropic', 'gemini']) })
})
afterAll(async () => {
  await house?.stop()
  await fake?.close()
})

let users = 0
/** Names one case, so that its rows can be told from the others'. */
const newUser = (): string => `user-${++users}`

/** The rows of a case, oldest first, once there are as many as it made calls. */
const rowsOf = (user: string, calls = 1): Promise<readonly Row[]> =>
  until(`${calls} rows of ${user}`, async () => {
    const rows = await house.rows('r.user_id = {user:String} ORDER BY r.ts, toString(r.request_id)', { user })
    if (rows.length > calls) throw new Error(`${rows.length} rows for ${calls} calls.`)
    return rows.length === calls && rows
  })
const rowOf = async (user: string): Promise<Row> => (await rowsOf(user))[0] as Row

const question = 'How long is the river Limmat?'
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } as const

/** Reads a stream to its first event that says something, then leaves. */
const leaveAfterFirst = async (stream: AsyncIterable<unknown>, abort: () => void): Promise<void> => {
  for await (const _ of stream) {
    abort()
    break
  }
}
/** Slow enough that it cannot be over before it is left. */
const slow = 'chunks=200;gap=100'

describe('openai', () => {
  const price = list['gpt-5-mini']
  const client = (user: string, root = 'openai/v1'): OpenAI =>
    new OpenAI({ apiKey: 'test-key', baseURL: `${house.proxy}/${root}`, maxRetries: 0, defaultHeaders: { 'Weir-User-Id': user } })
  const messages = [{ role: 'user', content: question }] as const
  const exact = (input: number, output: number): Partial<Row> => ({
    outcome: 'complete',
    status: 200,
    inputTokens: input,
    outputTokens: output,
    usageSource: 'wire',
    costStatus: 'exact',
    cost: usd([input, price.input], [output, price.output]),
  })

  test('chat', async () => {
    const user = newUser()
    const { data, response } = await client(user)
      .chat.completions.create({ model: 'gpt-5-mini', messages: [...messages] })
      .withResponse()
    const text = data.choices[0]?.message.content ?? ''
    expect(text.length).toBeGreaterThan(20)
    const row = await rowOf(user)
    expect(row).toMatchObject({ ...exact(tokens(question), tokens(text)), provider: 'openai', api: 'chat', streaming: false })
    expect(row.id).toBe(response.headers.get('weir-id'))
    expect(row).toMatchObject({ requestModel: 'gpt-5-mini', responseModel: 'gpt-5-mini-2025-08-07', finishReason: 'stop' })
    expect(row.inputPreview).toContain(question)
    expect(text).toContain(row.outputPreview.replace(/…$/, '').slice(0, 40))
  })

  test('chat, streaming', async () => {
    const user = newUser()
    const stream = await client(user).chat.completions.create({
      model: 'gpt-5-mini',
      messages: [...messages],
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    let told: OpenAI.CompletionUsage | null | undefined = null
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      told = chunk.usage ?? told
    }
    expect(told?.completion_tokens).toBe(tokens(text))
    expect(await rowOf(user)).toMatchObject({ ...exact(tokens(question), tokens(text)), streaming: true })
  })

  test('chat with cached tokens', async () => {
    const user = newUser()
    await client(user).chat.completions.create(
      { model: 'gpt-5-mini', messages: [...messages] },
      { headers: { 'x-fake': 'input=10000;cached=8000;output=3000;reasoning=2500' } },
    )
    // 2,000 x 0.25 + 8,000 x 0.025 + 3,000 x 2 USD per million = 0.0005 + 0.0002 + 0.006
    expect(await rowOf(user)).toMatchObject({
      inputTokens: 10_000,
      cacheReadTokens: 8000,
      outputTokens: 3000,
      reasoningTokens: 2500,
      cost: '0.0067',
      costStatus: 'exact',
    })
  })

  test.each([false, true])('tools (streaming: %s): the call, then its result', async (stream) => {
    const user = newUser()
    const tools = [{ type: 'function', function: { name: 'find_city', parameters: schema } }] as const
    const asked = { model: 'gpt-5-mini', messages: [...messages], tools: [...tools] }
    const message = stream
      ? (
          await client(user)
            .chat.completions.stream({ ...asked, stream_options: { include_usage: true } })
            .finalChatCompletion()
        ).choices[0]?.message
      : (await client(user).chat.completions.create(asked)).choices[0]?.message
    const call = message?.tool_calls?.[0]
    if (message === undefined || call?.type !== 'function') throw new Error('No tool call.')
    expect({ name: call.function.name, arguments: JSON.parse(call.function.arguments) as unknown }).toEqual({
      name: 'find_city',
      arguments: { city: 'some city' },
    })
    const after = await client(user).chat.completions.create({
      ...asked,
      messages: [...messages, message, { role: 'tool', tool_call_id: call.id, content: 'Zürich' }],
    })
    const text = after.choices[0]?.message.content ?? ''
    const [first, second] = await rowsOf(user, 2)
    const args = call.function.arguments
    expect(first).toMatchObject({ ...exact(tokens(question), tokens(args)), toolCalls: 1, finishReason: 'tool_calls' })
    expect(second).toMatchObject({ ...exact(tokens(question, args, 'Zürich'), tokens(text)), toolCalls: 0, finishReason: 'stop' })
  })

  test.each([
    [401, AuthenticationError, 'auth'],
    [429, RateLimitError, 'rate_limit'],
  ])('%i is the SDK’s own error', async (status, type, kind) => {
    const user = newUser()
    const failing = client(user).chat.completions.create(
      { model: 'gpt-5-mini', messages: [...messages] },
      { headers: { 'x-fake': `status=${status}` } },
    )
    const error = await failing.catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(type)
    const row = await rowOf(user)
    expect(row).toMatchObject({
      outcome: 'complete',
      status,
      errorKind: kind,
      inputTokens: null,
      cost: '0',
      costStatus: 'not_billable',
    })
    expect((error as InstanceType<typeof type>).headers?.get('weir-id')).toBe(row.id)
  })

  test('a refusal of ours is one of the SDK’s errors too', async () => {
    const user = newUser()
    const error = await client(user, 'v1')
      .chat.completions.create({ model: 'nobody-knows-this', messages: [...messages] })
      .catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ status: 400, code: 'unknown_model', param: 'model', type: 'invalid_request_error' })
    expect(await rowOf(user)).toMatchObject({ outcome: 'refused', status: 400, errorCode: 'unknown_model' })
  })

  test('left in mid-stream', async () => {
    const user = newUser()
    const stream = await client(user).chat.completions.create(
      { model: 'gpt-5-mini', messages: [...messages], stream: true },
      { headers: { 'x-fake': slow } },
    )
    await leaveAfterFirst(stream, () => stream.controller.abort()).catch((cause: unknown) =>
      expect(cause).toBeInstanceOf(APIUserAbortError),
    )
    expect(await rowOf(user)).toMatchObject({
      outcome: 'client_abort',
      status: 200,
      usageSource: 'estimated',
      usageReason: 'cut',
      costStatus: 'estimated',
    })
  })

  test('embeddings', async () => {
    const user = newUser()
    const { data } = await client(user).embeddings.create({ model: 'text-embedding-3-small', input: [question, 'Zürich'] })
    expect(data.map(({ embedding }) => embedding.length)).toEqual([1536, 1536])
    const input = tokens(question) + tokens('Zürich')
    expect(await rowOf(user)).toMatchObject({
      api: 'embeddings',
      operation: 'embeddings',
      inputTokens: input,
      outputTokens: 0,
      costStatus: 'exact',
      cost: usd([input, list['text-embedding-3-small'].input]),
    })
  })

  test.each([false, true])('responses (streaming: %s)', async (streaming) => {
    const user = newUser()
    const asked = { model: 'gpt-5-mini', instructions: 'Be brief.', input: question }
    let text = ''
    if (streaming) {
      for await (const event of await client(user).responses.create({ ...asked, stream: true }))
        if (event.type === 'response.output_text.delta') text += event.delta
    } else text = (await client(user).responses.create(asked)).output_text
    expect(await rowOf(user)).toMatchObject({
      ...exact(tokens(question, 'Be brief.'), tokens(text)),
      api: 'responses',
      streaming,
    })
  })

  test('responses with a tool', async () => {
    const user = newUser()
    const { output } = await client(user).responses.create({
      model: 'gpt-5-mini',
      input: question,
      tools: [{ type: 'function', name: 'find_city', parameters: schema, strict: false }],
    })
    const call = output.find((item) => item.type === 'function_call')
    expect(call).toMatchObject({ name: 'find_city', arguments: '{"city":"some city"}' })
    expect(await rowOf(user)).toMatchObject({ ...exact(tokens(question), tokens('{"city":"some city"}')), toolCalls: 1 })
  })

  test.each([
    ['openai/gpt-5-mini', 'openai', 'gpt-5-mini'],
    ['gpt-5-mini', 'openai', 'gpt-5-mini'],
    ['gemini/gemini-2.5-flash', 'gemini', 'gemini-2.5-flash'],
    ['claude-haiku-4-5', 'anthropic', 'claude-haiku-4-5'],
  ] as const)('on the unified path, model %s', async (model, provider, requestModel) => {
    const user = newUser()
    const { choices } = await client(user, 'v1').chat.completions.create({ model, messages: [...messages] })
    const text = choices[0]?.message.content ?? ''
    const { input, output } = list[requestModel]
    expect(fake.seen.at(-1)?.body).toContain(`"model":"${requestModel}"`)
    expect(await rowOf(user)).toMatchObject({
      provider,
      requestModel,
      inputTokens: tokens(question),
      outputTokens: tokens(text),
      cost: usd([tokens(question), input], [tokens(text), output]),
    })
  })
})

describe('@anthropic-ai/sdk', () => {
  const price = list['claude-haiku-4-5']
  const client = (user: string, root = '/anthropic'): Anthropic =>
    new Anthropic({ apiKey: 'test-key', baseURL: house.proxy + root, maxRetries: 0, defaultHeaders: { 'Weir-User-Id': user } })
  const asked = { model: 'claude-haiku-4-5', max_tokens: 500, messages: [{ role: 'user' as const, content: question }] }
  const exact = (input: number, output: number): Partial<Row> => ({
    outcome: 'complete',
    status: 200,
    inputTokens: input,
    outputTokens: output,
    usageSource: 'wire',
    costStatus: 'exact',
    cost: usd([input, price.input], [output, price.output]),
  })
  const textOf = (message: Anthropic.Message): string =>
    message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')

  test('messages', async () => {
    const user = newUser()
    const { data, response } = await client(user)
      .messages.create({ ...asked, system: 'Be brief.' })
      .withResponse()
    expect(data.usage.output_tokens).toBe(tokens(textOf(data)))
    const row = await rowOf(user)
    expect(row).toMatchObject({
      ...exact(tokens(question, 'Be brief.'), tokens(textOf(data))),
      provider: 'anthropic',
      api: 'messages',
    })
    expect(row.id).toBe(response.headers.get('weir-id'))
  })

  test('messages, streaming', async () => {
    const user = newUser()
    let text = ''
    const stream = client(user).messages.stream(asked)
    stream.on('text', (delta) => (text += delta))
    const message = await stream.finalMessage()
    expect(textOf(message)).toBe(text)
    expect(await rowOf(user)).toMatchObject({
      ...exact(tokens(question), tokens(text)),
      streaming: true,
      finishReason: 'end_turn',
    })
  })

  test('the prompt cache: written, then read', async () => {
    const user = newUser()
    const long = `The statutes of the weir. ${'Let the water through and measure it. '.repeat(40)}`
    const system = [{ type: 'text' as const, text: long, cache_control: { type: 'ephemeral' as const } }]
    const texts: string[] = []
    for (let i = 0; i < 2; i++) texts.push(textOf(await client(user).messages.create({ ...asked, system })))
    const [first, second] = await rowsOf(user, 2)
    const input = tokens(long, question)
    const cached = tokens(long)
    const [output = 0, again = 0] = texts.map((text) => tokens(text))
    expect(first).toMatchObject({
      inputTokens: input,
      cacheWriteTokens: cached,
      cacheWrite5mTokens: cached,
      cacheReadTokens: 0,
      cost: usd([input - cached, price.input], [cached, price.written], [output, price.output]),
    })
    expect(second).toMatchObject({
      inputTokens: input,
      cacheWriteTokens: 0,
      cacheReadTokens: cached,
      cost: usd([input - cached, price.input], [cached, price.cached], [again, price.output]),
    })
  })

  test.each([false, true])('tools (streaming: %s): the call, then its result', async (streaming) => {
    const user = newUser()
    const tools = [{ name: 'find_city', input_schema: { ...schema, required: ['city'] } }]
    const message = streaming
      ? await client(user)
          .messages.stream({ ...asked, tools })
          .finalMessage()
      : await client(user).messages.create({ ...asked, tools })
    const use = message.content.find((block) => block.type === 'tool_use')
    if (use === undefined) throw new Error('No tool call.')
    expect({ name: use.name, input: use.input }).toEqual({ name: 'find_city', input: { city: 'some city' } })
    const after = await client(user).messages.create({
      ...asked,
      tools,
      messages: [
        ...asked.messages,
        { role: 'assistant', content: message.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'Zürich' }] },
      ],
    })
    const [first, second] = await rowsOf(user, 2)
    expect(first).toMatchObject({
      ...exact(tokens(question), tokens(textOf(message), '{"city":"some city"}')),
      toolCalls: 1,
      finishReason: 'tool_use',
    })
    expect(second).toMatchObject({ outcome: 'complete', outputTokens: tokens(textOf(after)), finishReason: 'end_turn' })
    // The answer's text and the result count; the tool's input is no text of the prompt.
    expect(second).toMatchObject(exact(second?.inputTokens ?? 0, tokens(textOf(after))))
    expect(second?.inputTokens).toBe(after.usage.input_tokens)
  })

  test.each([
    [401, AnthropicAuthenticationError, 'auth'],
    [429, AnthropicRateLimitError, 'rate_limit'],
  ])('%i is the SDK’s own error', async (status, type, kind) => {
    const user = newUser()
    const error = await client(user)
      .messages.create(asked, { headers: { 'x-fake': `status=${status}` } })
      .catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(type)
    expect(await rowOf(user)).toMatchObject({
      outcome: 'complete',
      status,
      errorKind: kind,
      cost: '0',
      costStatus: 'not_billable',
    })
  })

  test('an error event in mid-stream reaches the SDK', async () => {
    const user = newUser()
    const error = await client(user)
      .messages.stream(asked, { headers: { 'x-fake': 'error-event=last' } })
      .finalMessage()
      .catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(Anthropic.APIError)
    expect(await rowOf(user)).toMatchObject({ outcome: 'error_event', status: 200, errorKind: 'overloaded' })
  })

  test('an upstream cut on an event boundary is an error of the SDK, not an end', async () => {
    const user = newUser()
    const error = await client(user)
      .messages.stream(asked, { headers: { 'x-fake': 'no-terminal' } })
      .finalMessage()
      .catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(Anthropic.APIError)
    expect(String((error as Error).message)).toContain('upstream_reset')
    expect(await rowOf(user)).toMatchObject({ outcome: 'upstream_abort', status: 200 })
  })

  test('left in mid-stream', async () => {
    const user = newUser()
    const stream = await client(user).messages.create({ ...asked, stream: true }, { headers: { 'x-fake': slow } })
    await leaveAfterFirst(stream, () => stream.controller.abort()).catch((cause: unknown) =>
      expect(cause).toBeInstanceOf(Anthropic.APIUserAbortError),
    )
    // What message_start told of the input stands; of the output only what came is known.
    expect(await rowOf(user)).toMatchObject({
      outcome: 'client_abort',
      status: 200,
      inputTokens: tokens(question),
      usageSource: 'estimated',
      usageReason: 'cut',
    })
  })

  test('counting tokens costs nothing and uses nothing', async () => {
    const user = newUser()
    const { max_tokens: _, ...counted } = asked
    const { input_tokens } = await client(user).messages.countTokens(counted)
    expect(input_tokens).toBe(tokens(question))
    expect(await rowOf(user)).toMatchObject({
      api: 'count_tokens',
      inputTokens: null,
      usageReason: 'not_applicable',
      cost: '0',
      costStatus: 'not_billable',
    })
  })

  test('on the unified path', async () => {
    const user = newUser()
    const message = await client(user, '').messages.create({ ...asked, model: 'anthropic/claude-haiku-4-5' })
    expect(await rowOf(user)).toMatchObject({
      ...exact(tokens(question), tokens(textOf(message))),
      provider: 'anthropic',
      altered: ['model'],
    })
  })
})

describe('@google/genai', () => {
  const price = list['gemini-2.5-flash']
  const client = (user: string, fakeAsks = ''): GoogleGenAI =>
    new GoogleGenAI({
      apiKey: 'test-key',
      httpOptions: {
        baseUrl: `${house.proxy}/gemini`,
        headers: { 'Weir-User-Id': user, ...(fakeAsks === '' ? {} : { 'x-fake': fakeAsks }) },
      },
    })
  const exact = (input: number, output: number): Partial<Row> => ({
    outcome: 'complete',
    status: 200,
    provider: 'gemini',
    inputTokens: input,
    outputTokens: output,
    usageSource: 'wire',
    costStatus: 'exact',
    cost: usd([input, price.input], [output, price.output]),
  })
  const model = 'gemini-2.5-flash'

  test('generateContent', async () => {
    const user = newUser()
    const answer = await client(user).models.generateContent({ model, contents: question })
    const text = answer.text ?? ''
    expect(answer.usageMetadata?.candidatesTokenCount).toBe(tokens(text))
    expect(await rowOf(user)).toMatchObject({
      ...exact(tokens(question), tokens(text)),
      api: 'generate_content',
      requestModel: model,
      streaming: false,
    })
  })

  test('generateContentStream', async () => {
    const user = newUser()
    let text = ''
    for await (const chunk of await client(user).models.generateContentStream({ model, contents: question }))
      text += chunk.text ?? ''
    expect(await rowOf(user)).toMatchObject({ ...exact(tokens(question), tokens(text)), streaming: true })
  })

  test('thinking counts as output', async () => {
    const user = newUser()
    const answer = await client(user).models.generateContent({
      model,
      contents: question,
      config: { thinkingConfig: { thinkingBudget: 1000 } },
    })
    const output = tokens(answer.text ?? '') + 64
    expect(answer.usageMetadata?.thoughtsTokenCount).toBe(64)
    expect(await rowOf(user)).toMatchObject({ ...exact(tokens(question), output), reasoningTokens: 64 })
  })

  test.each([false, true])('tools (streaming: %s)', async (streaming) => {
    const user = newUser()
    const asked = {
      model,
      contents: question,
      config: {
        tools: [
          {
            functionDeclarations: [
              { name: 'find_city', parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } } } },
            ],
          },
        ],
      },
    }
    const calls: unknown[] = []
    if (streaming) {
      for await (const chunk of await client(user).models.generateContentStream(asked)) calls.push(...(chunk.functionCalls ?? []))
    } else calls.push(...((await client(user).models.generateContent(asked)).functionCalls ?? []))
    expect(calls).toMatchObject([{ name: 'find_city', args: { city: 'some city' } }])
    expect(await rowOf(user)).toMatchObject({ ...exact(tokens(question), tokens('{"city":"some city"}')), toolCalls: 1 })
  })

  test.each([
    [401, 'auth'],
    [429, 'rate_limit'],
  ])('%i is the SDK’s own error', async (status, kind) => {
    const user = newUser()
    const error = await client(user, `status=${status}`)
      .models.generateContent({ model, contents: question })
      .catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(ApiError)
    expect((error as ApiError).status).toBe(status)
    expect(await rowOf(user)).toMatchObject({
      outcome: 'complete',
      status,
      errorKind: kind,
      cost: '0',
      costStatus: 'not_billable',
    })
  })

  test('left in mid-stream', async () => {
    const user = newUser()
    const leaving = new AbortController()
    const stream = await client(user, slow).models.generateContentStream({
      model,
      contents: question,
      config: { abortSignal: leaving.signal },
    })
    await leaveAfterFirst(stream, () => leaving.abort()).catch((cause: unknown) => expect(String(cause)).toMatch(/abort/i))
    expect(await rowOf(user)).toMatchObject({
      outcome: 'client_abort',
      status: 200,
      inputTokens: tokens(question),
      usageSource: 'estimated',
    })
  })

  test('embedContent', async () => {
    const user = newUser()
    const { embeddings } = await client(user).models.embedContent({ model: 'gemini-embedding-001', contents: [question] })
    expect(embeddings?.[0]?.values).toHaveLength(768)
    const row = await rowOf(user)
    expect(row).toMatchObject({ outcome: 'complete', api: 'embed_content', operation: 'embeddings' })
    // Gemini tells no usage here: a figure of ours is marked, and no figure is never 0.
    expect(row.usageSource).not.toBe('wire')
    expect(row.inputTokens).not.toBe(0)
    expect(row.costStatus).not.toBe('exact')
  })

  test('countTokens costs nothing', async () => {
    const user = newUser()
    const { totalTokens } = await client(user).models.countTokens({ model, contents: question })
    expect(totalTokens).toBe(tokens(question))
    expect(await rowOf(user)).toMatchObject({ inputTokens: null, cost: '0', costStatus: 'not_billable' })
  })
})
