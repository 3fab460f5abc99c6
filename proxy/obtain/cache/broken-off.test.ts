import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { inFlight, post, startTestProxy, type Got, type TestProxy } from './testing.js'

// routing.md §4 and §8: who follows another's stream is told of its break as the leader is.

const lines = (...events: readonly object[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join('')
const sse = (...events: readonly object[]): string => events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')
const named = (...events: readonly (readonly [type: string, more: object])[]): string =>
  events.map(([type, more]) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`).join('')

interface Family {
  readonly name: string
  readonly path: string
  readonly body: object
  readonly contentType: string
  /** Whole events, the beginning of an answer. */
  readonly begun: string
  /** An event more. */
  readonly more: string
  /** How the answer goes on where our error stands in it. */
  readonly told: RegExp
}

const messages = [{ role: 'user', content: 'Hello' }]
const delta = (content: string): object => ({
  id: 'c-1',
  object: 'chat.completion.chunk',
  model: 'gpt-5-mini',
  choices: [{ index: 0, delta: { content } }],
})
const said = (text: string): object => ({ candidates: [{ content: { parts: [{ text }] } }] })
const gemini = {
  path: '/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent',
  body: { contents: [{ parts: [{ text: 'Hello' }] }] },
}

const families: readonly Family[] = [
  {
    name: 'OpenAI, chat',
    path: '/openai/v1/chat/completions',
    body: { model: 'gpt-5-mini', stream: true, messages },
    contentType: 'text/event-stream',
    begun: sse(delta('Hel')),
    more: sse(delta('lo')),
    told: /^data: \{"error":\{.*"code":"upstream_reset"\}\}\n\n$/,
  },
  {
    name: 'OpenAI, Responses',
    path: '/openai/v1/responses',
    body: { model: 'gpt-5-mini', stream: true, input: 'Hello' },
    contentType: 'text/event-stream; charset=utf-8',
    begun: named(
      ['response.created', { sequence_number: 0, response: { id: 'r-1', model: 'gpt-5-mini', status: 'in_progress' } }],
      ['response.output_text.delta', { sequence_number: 1, delta: 'Hel' }],
    ),
    more: named(['response.output_text.delta', { sequence_number: 2, delta: 'lo' }]),
    told: /^event: error\ndata: \{"type":"error","code":"upstream_reset",.*"sequence_number":3\}\n\n$/,
  },
  {
    name: 'Anthropic',
    path: '/anthropic/v1/messages',
    body: { model: 'claude-haiku-4-5', stream: true, max_tokens: 10, messages },
    contentType: 'text/event-stream',
    begun: named(
      ['message_start', { message: { id: 'm-1', model: 'claude-haiku-4-5', usage: { input_tokens: 1, output_tokens: 1 } } }],
      ['content_block_start', { index: 0, content_block: { type: 'text', text: '' } }],
      ['content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hel' } }],
    ),
    more: named(['content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'lo' } }]),
    told: /^event: error\ndata: \{"type":"error","error":\{.*"code":"upstream_reset"\},"request_id":"[-0-9a-f]{36}"\}\n\n$/,
  },
  {
    name: 'Gemini',
    ...gemini,
    path: `${gemini.path}?alt=sse`,
    contentType: 'text/event-stream',
    begun: sse(said('Hel')),
    more: sse(said('lo')),
    told: /^data: \{"error":\{"code":502,.*"reason":"UPSTREAM_RESET","domain":"weir"\}\]\}\}\n\n$/,
  },
  {
    name: 'Gemini, as an array',
    ...gemini,
    contentType: 'application/json; charset=UTF-8',
    begun: `[${JSON.stringify(said('Hel'))}`,
    more: `,${JSON.stringify(said('lo'))}`,
    told: /^,\{"error":\{"code":502,.*"reason":"UPSTREAM_RESET","domain":"weir"\}\]\}\}\]$/,
  },
  {
    name: 'Cohere',
    path: '/cohere/v2/chat',
    body: { model: 'command-a-03-2025', stream: true, messages },
    contentType: 'text/event-stream',
    begun: named(
      ['message-start', { id: 'c-1', delta: { message: { role: 'assistant' } } }],
      ['content-delta', { index: 0, delta: { message: { content: { text: 'Hel' } } } }],
    ),
    more: named(['content-delta', { index: 0, delta: { message: { content: { text: 'lo' } } } }]),
    told: /^event: message-end\ndata: \{"type":"message-end",.*"finish_reason":"ERROR",.*\}\}\n\n$/,
  },
  {
    name: 'Ollama',
    path: '/ollama/api/chat',
    body: { model: 'llama3.2', messages },
    contentType: 'application/x-ndjson',
    begun: lines({ model: 'llama3.2', message: { role: 'assistant', content: 'Hel' }, done: false }),
    more: lines({ model: 'llama3.2', message: { role: 'assistant', content: 'lo' }, done: false }),
    told: /^\{"error":".*","code":"upstream_reset"\}\n$/,
  },
]

/** Something that happens once. */
const signal = (): { readonly given: Promise<void>; readonly give: () => void } => {
  let give: () => void = () => undefined
  const given = new Promise<void>((resolve) => (give = resolve))
  return { given, give }
}

/** Answers when told to, with the beginning; and when told so, with the rest, behind which the connection breaks. */
const openUpstream = async ({ contentType, begun }: Family, rest: string) => {
  const [begin, cut] = [signal(), signal()]
  let asked = 0
  const server = createServer((req, res) => {
    asked++
    req.resume()
    void begin.given
      .then(() => {
        res.writeHead(200, { 'content-type': contentType })
        res.write(begun)
        return cut.given
      })
      .then(() => res.write(rest, () => res.socket?.destroySoon()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, begin: begin.give, cut: cut.give, asked: () => asked }
}

/** The leader, one who waits for the head with it, and one who comes when the answer has begun. */
const broken = async (family: Family, rest: string): Promise<{ proxy: TestProxy; answers: readonly Got[] }> => {
  const upstream = await openUpstream(family, rest)
  const providers = ['openai', 'anthropic', 'gemini', 'cohere', 'ollama']
    .map((name) => `  ${name}: { origin: "${upstream.origin}" }\n`)
    .join('')
  const proxy = await startTestProxy(upstream.origin, { providers })
  const seen = [signal(), signal(), signal()] as const
  const call = (begun: () => void): Promise<Got> =>
    post(proxy.port, {
      path: family.path,
      headers: { 'weir-cache-enabled': 'true', 'weir-stream-usage': 'off' },
      body: JSON.stringify(family.body),
      begun,
    })
  const leader = call(seen[0].give)
  await expect.poll(upstream.asked).toBe(1)
  const waiting = call(seen[1].give)
  await expect.poll(() => inFlight(proxy.port)).toBe(2)
  upstream.begin()
  await seen[0].given
  const late = call(seen[2].give)
  await Promise.all(seen.map(({ given }) => given))
  upstream.cut()
  const answers = await Promise.all([leader, waiting, late])
  expect(answers.map(({ status, headers }) => [status, headers['weir-cache']])).toEqual([
    [200, 'MISS'],
    [200, 'HIT'],
    [200, 'HIT'],
  ])
  expect(upstream.asked()).toBe(1)
  return { proxy, answers }
}

describe.each(families)('$name', (family) => {
  test('broken off inside of an event: the connection breaks there, and nothing is put behind it', async () => {
    const torn = family.more.slice(0, family.more.length >> 1)
    const { proxy, answers } = await broken(family, torn)
    for (const { bytes, end } of answers) expect([bytes.toString(), end]).toEqual([family.begun + torn, 'cut'])
    for (const { id } of answers) expect((await proxy.end(id)).outcome).toBe('upstream_abort')
  })

  test('broken off between two events: an error event of the family says so', async () => {
    const { proxy, answers } = await broken(family, family.more)
    const whole = family.begun + family.more
    for (const { bytes, end, id } of answers) {
      expect([bytes.toString().slice(0, whole.length), end]).toEqual([whole, 'whole'])
      expect(bytes.toString().slice(whole.length)).toMatch(family.told)
      expect((await proxy.end(id)).outcome).toBe('upstream_abort')
    }
  })
})
