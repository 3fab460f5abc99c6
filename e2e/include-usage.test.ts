import { writeFileSync } from 'node:fs'
import { Agent, createServer, request, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider, type Seen } from '../cli/fake-provider/server.js'
import { recordingsDir } from '../core/providers/recordings.js'
import { openHouse, providersAt, type Row, type RunningHouse } from './support/house.js'
import { inParallel } from './support/in-parallel.js'
import { callerHeaders, pathOf, startReplay, tapes, type ReplayUpstream, type Tape, type Way } from './support/replay.js'
import { jsonHeaders, send, sha256Of, type Answer } from './support/send.js'
import { list, usd } from './support/usd.js'
import { until } from './support/wait.js'

// The usage of OpenAI-form streams that do not ask for it (wire.md §1.1): what goes upstream, what the client gets, what the row says.
// And the cost in the answer (headers.md §4).

/** The blocks of an event stream, each with its blank line, by the slow way. */
const blocksOf = (body: string): readonly string[] => body.split(/(?<=(?:\r\n|(?<!\r)\n|\r(?!\n))(?:\r\n|\n|\r(?!\n)))/)

const tellsUsageAlone = (block: string): boolean => {
  const data = /^data: ?(\{.*\})$/m.exec(block)?.[1]
  if (data === undefined) return false
  const { choices, usage } = JSON.parse(data) as { choices?: unknown; usage?: unknown }
  return Array.isArray(choices) && choices.length === 0 && usage !== null && usage !== undefined
}

const withoutUsageEvent = ({ body }: Tape): Buffer => {
  // latin1: one character a byte.
  const blocks = blocksOf(body.toString('latin1'))
  const at = blocks.findIndex(tellsUsageAlone)
  return Buffer.from(blocks.filter((_, i) => i !== at).join(''), 'latin1')
}

const all = tapes()
const chats = all.filter(
  ({ family, streaming, status, encoding, body }) =>
    family === 'openai-chat' &&
    streaming &&
    status === 200 &&
    encoding === null &&
    blocksOf(body.toString('latin1')).some(tellsUsageAlone),
)
const ways: readonly Way[] = ['stored', 'bytes', 'split-1', 'split-2', 'split-3', 'split-4', 'split-5']
const playings = chats.flatMap((tape) => ways.map((way) => ({ tape, way, name: `${tape.id} ${way}` })))

/** The recorded body as a client would have sent it that knows of no usage. */
const unaskedBody = ({ requestBody }: Tape): string => {
  const { stream_options: _, ...rest } = JSON.parse(requestBody.toString()) as Record<string, unknown>
  return JSON.stringify(rest)
}
const asked = (body: string): string => `${body.slice(0, -1)},"stream_options":{"include_usage":true}}`

interface WithTrailers {
  readonly headers: IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string>
  readonly body: string
}
const sendForTrailers = (url: string, headers: Readonly<Record<string, string>>, body: string | Buffer): Promise<WithTrailers> =>
  new Promise((resolve, reject) => {
    const req = request(url, { method: 'POST', agent: new Agent({ keepAlive: false }), headers }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => resolve({ headers: res.headers, trailers: res.trailers, body: Buffer.concat(chunks).toString() }))
    })
    req.on('error', reject)
    req.end(body)
  })

describe.skipIf(recordingsDir === null)('recordings (WEIR_WIRE_FIXTURES is set)', () => {
  let upstream: ReplayUpstream
  let house: RunningHouse
  const answers = new Map<string, Answer>()
  beforeAll(async () => {
    upstream = await startReplay(all)
    const names = [...new Set(all.map(({ provider }) => provider))]
    const asksAt = new Set(chats.map(({ provider }) => provider))
    const lineOf = (name: string): string =>
      `  ${name}: { origin: "${upstream.origin}"${asksAt.has(name) ? ', injectUsage: true' : ''} }\n`
    house = await openHouse({ yaml: `providers:\n${names.map(lineOf).join('')}` })
    await inParallel(playings, 8, async ({ tape, name }) => {
      const body = unaskedBody(tape)
      const headers = { ...jsonHeaders, 'x-play': name, 'accept-encoding': 'gzip, br', 'content-length': String(body.length) }
      answers.set(name, await send(`${house.proxy}${pathOf(tape)}`, { headers, body }))
    })
  })
  afterAll(async () => {
    await house?.stop()
    await upstream?.close()
  })

  test('there are some', () => expect(chats.map(({ id }) => id)).toContain('openai-chat-stream-usage'))

  test.each(chats)('$id: asked for, hidden, on the row', async (tape) => {
    const expected = withoutUsageEvent(tape)
    expect(expected.length).toBeLessThan(tape.body.length - 50)
    const body = unaskedBody(tape)
    for (const way of ways) {
      const name = `${tape.id} ${way}`
      const answer = answers.get(name)
      if (answer === undefined) throw new Error(`${way}: no answer`)
      expect.soft({ way, status: answer.status, end: answer.end }).toEqual({ way, status: 200, end: 'clean' })
      expect.soft({ way, sha256: answer.sha256 }).toEqual({ way, sha256: sha256Of(expected) })
      const [arrived, ...more] = upstream.arrived.get(name) ?? []
      expect.soft(more).toEqual([])
      expect.soft({ way, body: arrived?.bodySha256 }).toEqual({ way, body: sha256Of(asked(body)) })
      expect.soft({ way, coding: arrived?.headers['accept-encoding'] }).toEqual({ way, coding: 'identity' })
      const row = await house.row(answer.id)
      expect
        .soft({ way, altered: row.altered, outcome: row.outcome })
        .toEqual({ way, altered: ['include_usage'], outcome: 'complete' })
      // The bodies are those of the client: what it sent, and what it got.
      expect
        .soft({ way, sent: row.requestSha256, reqBytes: row.reqBytes })
        .toEqual({ way, sent: sha256Of(body), reqBytes: body.length })
      expect
        .soft({ way, got: row.responseSha256, resBytes: row.resBytes })
        .toEqual({ way, got: answer.sha256, resBytes: expected.length })
      expect
        .soft({ way, source: row.usageSource, input: row.inputTokens, output: row.outputTokens })
        .toEqual({ way, source: 'wire', input: tape.expect.input_tokens, output: tape.expect.output_tokens })
      if (['provider', 'checked', 'engine'].includes(tape.costBasis ?? '') && tape.costUsd !== null)
        expect.soft(Math.abs(Number(row.cost ?? 'NaN') - tape.costUsd), `${way}: ${String(row.cost)}`).toBeLessThan(1e-9)
    }
  })

  test.each(all.filter(({ method }) => method === 'POST'))('$id: the cost in the answer is that of the row', async (tape) => {
    const { headers, trailers } = await sendForTrailers(
      `${house.proxy}${pathOf(tape)}`,
      {
        ...callerHeaders(tape),
        'x-play': `${tape.id} stored`,
        'weir-cost-report': 'true',
        te: 'trailers',
        'content-length': String(tape.requestBody.length),
      },
      tape.requestBody,
    )
    const row = await house.row(String(headers['weir-id']))
    const told = {
      cost: headers['weir-cost'] ?? trailers['weir-cost'],
      source: headers['weir-cost-source'] ?? trailers['weir-cost-source'],
    }
    const sources: Readonly<Record<string, string>> = {
      provider: 'provider',
      exact: 'usage',
      not_billable: 'usage',
      estimated: 'estimated',
    }
    // What ingest counted itself is not known to the proxy, and a lower bound is not told.
    const isKnown = row.costStatus in sources && !(row.costStatus === 'estimated' && row.usageSource === 'estimated')
    expect(told).toEqual(isKnown ? { cost: row.cost, source: sources[row.costStatus] } : { cost: undefined, source: undefined })
    expect(row.warnings).toEqual(isKnown || row.outcome !== 'complete' ? [] : ['unpriced'])
  })
})

let fake: FakeProvider
let house: RunningHouse
beforeAll(async () => {
  fake = await startFakeProvider()
  house = await openHouse({
    yaml: `${providersAt(fake.origin, ['openai', 'mistral', 'azure', 'anthropic'])}
  own: { origin: "${fake.origin}" }
  own-asked: { origin: "${fake.origin}", injectUsage: true }
  groq: { origin: "${fake.origin}", root: /v1, injectUsage: true }
  openrouter: { origin: "${fake.origin}", injectUsage: false }
`,
  })
})
afterAll(async () => {
  await house?.stop()
  await fake?.close()
})

let marks = 0
interface Called {
  readonly answer: Answer
  readonly seen: Seen
  readonly row: Row
}
const chatBody = '{"model":"gpt-5-mini","messages":[{"role":"user","content":"Hello"}], "stream": true}'
const figures = 'input=1000;output=300;chunks=4'
const call = async (path: string, headers: Readonly<Record<string, string>> = {}, body = chatBody): Promise<Called> => {
  const mark = `u${++marks}`
  const answer = await send(`${house.proxy}${path}`, {
    headers: { ...jsonHeaders, authorization: 'Bearer test-key', 'x-fake': figures, 'x-mark': mark, ...headers },
    body,
  })
  const seen = fake.seen.find((one) => one.headers['x-mark'] === mark)
  if (seen === undefined) throw new Error(`Nothing arrived of ${mark}: ${answer.bytes.toString()}`)
  return { answer, seen, row: await house.row(answer.id) }
}
const usageEvents = ({ bytes }: Answer): number => blocksOf(bytes.toString()).filter(tellsUsageAlone).length
const openai = '/openai/v1/chat/completions'
/** 1,000 x 0.25 + 300 x 2 USD per million. */
const cost = usd([1000, list['gpt-5-mini'].input], [300, list['gpt-5-mini'].output])

describe.concurrent('who is asked', () => {
  test('by default: asked and hidden, the row exact', async () => {
    const { answer, seen, row } = await call(openai)
    expect(seen.body).toBe(asked(chatBody))
    expect(seen.headers['accept-encoding']).toBe('identity')
    expect(usageEvents(answer)).toBe(0)
    expect(answer.bytes.toString()).toMatch(/data: \[DONE\]\n\n$/)
    expect(row).toMatchObject({ altered: ['include_usage'], usageSource: 'wire', cost, costStatus: 'exact', warnings: [] })
    expect(cost).toBe('0.00085')
  })

  test.each([{ 'weir-stream-usage': 'pass' }, { 'helicone-stream-usage': 'true' }, { 'Weir-Stream-Usage': ' PASS ' }])(
    'asked and left: %j',
    async (headers) => {
      const { answer, seen, row } = await call(openai, headers as unknown as Record<string, string>)
      expect(seen.body).toBe(asked(chatBody))
      expect(usageEvents(answer)).toBe(1)
      expect(answer.sha256).toBe((await until('the upstream to have sent', () => seen.sent)).sha256)
      expect(row).toMatchObject({ altered: ['include_usage'], cost, costStatus: 'exact' })
    },
  )

  test.each([{ 'weir-stream-usage': 'off' }, { 'helicone-stream-usage': 'false' }])('untouched: %j', async (headers) => {
    const { answer, seen, row } = await call(openai, {
      ...(headers as unknown as Record<string, string>),
      'accept-encoding': 'gzip',
    })
    expect(seen.body).toBe(chatBody)
    expect(seen.headers['accept-encoding']).toBe('gzip')
    expect(answer.sha256).toBe((await until('the upstream to have sent', () => seen.sent)).sha256)
    expect(row).toMatchObject({ altered: [], usageSource: 'estimated', usageReason: 'not_on_wire', costStatus: 'estimated' })
  })

  test('a value that is none', async () => {
    const answer = await send(`${house.proxy}${openai}`, {
      headers: { ...jsonHeaders, 'weir-stream-usage': 'true' },
      body: chatBody,
    })
    expect(answer.status).toBe(400)
    expect(answer.bytes.toString()).toContain('auto, pass or off')
    const { answer: lenient } = await call(openai, { 'helicone-stream-usage': 'perhaps' })
    expect(lenient.headers['weir-warning']).toBe('bad-value;h="helicone-stream-usage"')
    expect(usageEvents(lenient)).toBe(0)
  })

  test('a caller that asks itself gets its chunk; one that says false does not', async () => {
    const own = await call(openai, {}, asked(chatBody))
    expect(own.seen.body).toBe(asked(chatBody))
    expect(usageEvents(own.answer)).toBe(1)
    expect(own.row).toMatchObject({ altered: [], cost })
    const not = await call(openai, {}, asked(chatBody).replace('":true}}', '":false}}'))
    expect(not.seen.body).toBe(asked(chatBody))
    expect(usageEvents(not.answer)).toBe(0)
    expect(not.row).toMatchObject({ altered: ['include_usage'], cost })
  })

  test.each([
    ['/mistral/v1/chat/completions', false],
    ['/own/v1/chat/completions', false],
    ['/openrouter/v1/chat/completions', false],
    ['/own-asked/v1/chat/completions', true],
    ['/azure/acme/openai/v1/chat/completions', true],
    ['/azure/acme/openai/deployments/d/chat/completions?api-version=2024-09-01-preview', true],
    ['/azure/acme/openai/deployments/d/chat/completions?api-version=2024-06-01', false],
    ['/v1/chat/completions', true],
  ])('%s: %s', async (path, isAsked) => {
    const mark = `u${++marks}`
    await send(`${house.proxy}${path}`, {
      headers: { ...jsonHeaders, authorization: 'Bearer test-key', 'x-mark': mark },
      body: chatBody,
    })
    const seen = await until('the call to arrive', () => fake.seen.find((one) => one.headers['x-mark'] === mark))
    expect(seen.body).toBe(isAsked ? asked(chatBody) : chatBody)
  })

  test('not a stream, not JSON, not readable: as it came', async () => {
    for (const body of ['{"model":"gpt-5-mini","messages":[]}', '{"stream": true', '{"stream":true}]']) {
      const { seen, row } = await call(openai, {}, body)
      expect({ body: seen.body, altered: row.altered }).toEqual({ body, altered: [] })
    }
  })
})

describe.concurrent('the stream of a client that did not ask', () => {
  const stream = async (xFake: string): Promise<{ bytes: string; end: string; row: Row }> => {
    const { answer, row } = await call(openai, { 'x-fake': `${figures};${xFake}` })
    return { bytes: answer.bytes.toString(), end: answer.end, row }
  }

  test('a cut on a boundary after the hidden event: our error event, as ever', async () => {
    const whole = await call(openai, { 'x-fake': `${figures};id=cut` }, asked(chatBody))
    const text = whole.answer.bytes.toString()
    const behind = text.indexOf('data: [DONE]')
    const { bytes, end, row } = await stream(`id=cut;cut=${behind}`)
    expect(end).toBe('clean')
    const blocks = blocksOf(bytes)
    expect(blocks.filter(tellsUsageAlone)).toEqual([])
    expect(blocks.at(-1)).toContain('"upstream_reset"')
    expect(text.startsWith(blocks.slice(0, -1).join(''))).toBe(true)
    expect(row).toMatchObject({ outcome: 'upstream_abort', usageSource: 'wire', cost })
  })

  test('a cut inside the hidden event breaks the connection', async () => {
    const whole = await call(openai, { 'x-fake': `${figures};id=cut` }, asked(chatBody))
    const text = whole.answer.bytes.toString()
    const usageAt = text.lastIndexOf('data: {')
    const { bytes, end, row } = await stream(`id=cut;cut=${usageAt + 100}`)
    expect(end).toBe('broken')
    expect(text.startsWith(bytes)).toBe(true)
    expect(row).toMatchObject({ outcome: 'upstream_abort', usageSource: 'estimated' })
  })
})

test('a content-length that was promised does not outlive the event; an encoded answer passes whole', async () => {
  const event = 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
  const rest = 'data: {"id":"c","model":"gpt-5-mini","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
  const body = `${rest}${event}data: [DONE]\n\n`
  const upstream = createServer((req, res) => {
    req.resume()
    const coded = req.headers['x-coded'] === undefined ? {} : { 'content-encoding': 'x-unknown' }
    res.writeHead(200, { 'content-type': 'Text/Event-Stream; charset=utf-8', 'content-length': body.length, ...coded })
    res.end(body)
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void upstream.close())
  const { port } = upstream.address() as AddressInfo
  const own = await openHouse({ yaml: `providers:\n  openai: { origin: "http://127.0.0.1:${port}" }\n` })
  onTestFinished(() => own.stop())
  const plain = await send(`${own.proxy}${openai}`, { headers: jsonHeaders, body: chatBody })
  expect(plain.bytes.toString()).toBe(body.replace(event, ''))
  expect(plain.headers).toMatchObject({ 'transfer-encoding': 'chunked' })
  expect(plain.headers['content-length']).toBeUndefined()
  const coded = await send(`${own.proxy}${openai}`, { headers: { ...jsonHeaders, 'x-coded': 'yes' }, body: chatBody })
  expect(coded.bytes.toString()).toBe(body)
  expect(coded.headers['content-length']).toBe(String(body.length))
})

describe('the OpenAI SDK', () => {
  const client = (): OpenAI =>
    new OpenAI({ apiKey: 'test-key', baseURL: `${house.proxy}/openai/v1`, maxRetries: 0, defaultHeaders: { 'x-fake': figures } })
  const chunksOf = async (
    options: Pick<OpenAI.ChatCompletionCreateParamsStreaming, 'stream_options'>,
  ): Promise<OpenAI.ChatCompletionChunk[]> => {
    const chunks: OpenAI.ChatCompletionChunk[] = []
    const asked: OpenAI.ChatCompletionCreateParamsStreaming = {
      model: 'gpt-5-mini',
      messages: [{ role: 'user', content: 'Hello' }],
      stream: true,
      ...options,
    }
    for await (const chunk of await client().chat.completions.create(asked)) chunks.push(chunk)
    return chunks
  }

  test('sees no chunk without choices, unless it asks for one', async () => {
    const without = await chunksOf({})
    expect(without.length).toBeGreaterThan(3)
    expect(without.every(({ choices, usage }) => choices.length === 1 && (usage ?? null) === null)).toBe(true)
    const within = await chunksOf({ stream_options: { include_usage: true } })
    expect(within).toHaveLength(without.length + 1)
    expect(within.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 1000, completion_tokens: 300 } })
  })

  test('its helpers add up as before', async () => {
    const final = await client()
      .chat.completions.stream({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'Hello' }] })
      .finalChatCompletion()
    expect(final.choices[0]?.finish_reason).toBe('stop')
    // Without our asking it would be undefined: the one thing that shows (decisions/0021).
    expect(final.usage).toBeNull()
  })
})

describe.concurrent('the cost in the answer', () => {
  const forTrailers = (path: string, headers: Readonly<Record<string, string>>, body = chatBody): Promise<WithTrailers> =>
    sendForTrailers(
      `${house.proxy}${path}`,
      { ...jsonHeaders, authorization: 'Bearer test-key', 'x-fake': figures, ...headers },
      body,
    )
  const plainBody = chatBody.replace('true', 'false')
  const rowOf = (headers: IncomingHttpHeaders): Promise<Row> => house.row(String(headers['weir-id']))

  test('behind a stream, for a caller that takes trailers', async () => {
    const { headers, trailers } = await forTrailers(openai, { te: 'trailers' })
    expect(headers.trailer).toBe('Weir-Cost, Weir-Cost-Source')
    expect(headers['weir-cost']).toBeUndefined()
    // 1,000 x 0.25 + 300 x 2 USD per million = 0.00025 + 0.0006
    expect(trailers).toEqual({ 'weir-cost': '0.00085', 'weir-cost-source': 'usage' })
    expect((await rowOf(headers)).cost).toBe('0.00085')
  })

  test('behind another family: Anthropic, with what its cache wrote and read', async () => {
    const body = '{"model":"claude-haiku-4-5","max_tokens":99,"stream":true,"messages":[{"role":"user","content":"Hello"}]}'
    const { trailers, headers } = await forTrailers(
      '/anthropic/v1/messages',
      { te: 'trailers, deflate;q=0.5', 'x-api-key': 'k', 'x-fake': 'input=10000;cached=8000;output=100' },
      body,
    )
    // 2,000 x 1 + 8,000 x 0.10 + 100 x 5 USD per million = 0.002 + 0.0008 + 0.0005
    expect(trailers).toEqual({ 'weir-cost': '0.0033', 'weir-cost-source': 'usage' })
    expect((await rowOf(headers)).cost).toBe('0.0033')
  })

  test('unknown: announced, absent, and said on the row', async () => {
    const { headers, trailers } = await forTrailers(openai, { te: 'trailers', 'weir-stream-usage': 'off' })
    expect(trailers).toEqual({})
    expect((await rowOf(headers)).warnings).toEqual(['unpriced'])
  })

  test('no trailers unasked, nor behind a body of a told length', async () => {
    expect(await forTrailers(openai, {})).toMatchObject({ trailers: {} })
    const { headers, trailers } = await forTrailers(openai, { te: 'trailers' }, plainBody)
    expect(headers['content-length']).toBeDefined()
    expect({ announced: headers.trailer, trailers }).toEqual({ announced: undefined, trailers: {} })
  })

  test.each(['', ';encoding=gzip', ';encoding=br', ';chunked', ';split=1'])('in the head of a plain answer%s', async (how) => {
    const { answer, row, seen } = await call(openai, { 'weir-cost-report': 'true', 'x-fake': figures + how }, plainBody)
    expect(answer.headers).toMatchObject({ 'weir-cost': '0.00085', 'weir-cost-source': 'usage' })
    expect(answer.sha256).toBe((await until('the upstream to have sent', () => seen.sent)).sha256)
    expect(row).toMatchObject({ cost: '0.00085', outcome: 'complete', warnings: [] })
  })

  test('an error of the provider costs nothing; an unknown model has no price', async () => {
    const failed = await call(openai, { 'weir-cost-report': 'true', 'x-fake': 'status=429' }, plainBody)
    expect(failed.answer).toMatchObject({ status: 429, headers: { 'weir-cost': '0', 'weir-cost-source': 'usage' } })
    const unknown = await call(openai, { 'weir-cost-report': 'true' }, plainBody.replace('gpt-5-mini', 'my-own-model'))
    expect(unknown.answer.headers['weir-cost']).toBeUndefined()
    expect(unknown.answer.headers['weir-warning']).toBe('unpriced')
    expect(unknown.row).toMatchObject({ cost: null, warnings: ['unpriced'] })
  })

  test('a stream is not held for it', async () => {
    const { answer } = await call(openai, { 'weir-cost-report': 'true' })
    expect(answer.headers['weir-cost']).toBeUndefined()
    expect(answer.headers['weir-warning']).toBeUndefined()
  })

  test('over 8 MiB the answer goes out as it comes', async () => {
    const { answer, seen } = await call(openai, { 'weir-cost-report': 'true', 'x-fake': `${figures};bytes=9000000` }, plainBody)
    expect(answer.bytes.length).toBeGreaterThan(9_000_000)
    expect(answer.sha256).toBe((await until('the upstream to have sent', () => seen.sent)).sha256)
    expect(answer.headers['weir-cost']).toBeUndefined()
  })

  test('broken off while it is held: the connection breaks, as without it', async () => {
    const answer = await send(`${house.proxy}${openai}`, {
      headers: { ...jsonHeaders, 'weir-cost-report': 'true', 'x-fake': `${figures};cut=200` },
      body: plainBody,
    })
    expect(answer).toMatchObject({ status: 200, end: 'broken' })
    expect(answer.bytes).toHaveLength(200)
    expect(await house.row(answer.id)).toMatchObject({ outcome: 'upstream_abort' })
  })

  test('a refusal costs 0', async () => {
    const answer = await send(`${house.proxy}${openai}`, {
      headers: { ...jsonHeaders, 'weir-durability': 'maybe' },
      body: chatBody,
    })
    expect(answer).toMatchObject({ status: 400, headers: { 'weir-cost': '0', 'weir-cost-source': 'usage' } })
    expect(await house.row(answer.id)).toMatchObject({ cost: '0', costStatus: 'not_billable' })
  })
})

test('prices of weir.yaml hold for the cost in the answer, and a changed file for the next call', async () => {
  const yaml = (input: string): string => `${providersAt(fake.origin, ['openai'])}
prices:
  - { provider: openai, model: gpt-5-mini, per: 1M, prices: { input: "${input}", output: "4" } }
`
  const own = await openHouse({ yaml: yaml('1') })
  onTestFinished(() => own.stop())
  const told = async (): Promise<string | string[] | undefined> => {
    const { headers } = await send(`${own.proxy}${openai}`, {
      headers: { ...jsonHeaders, 'weir-cost-report': 'true', 'x-fake': figures },
      body: chatBody.replace('true', 'false'),
    })
    return headers['weir-cost']
  }
  // 1,000 x 1 + 300 x 4 USD per million = 0.001 + 0.0012
  expect(await told()).toBe('0.0022')
  writeFileSync(own.configFile, yaml('2'))
  // 1,000 x 2 + 300 x 4
  await until('the changed prices to hold', async () => (await told()) === '0.0032')
})
