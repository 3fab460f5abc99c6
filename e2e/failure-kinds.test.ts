import { createServer, type AddressInfo, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'
import { jsonHeaders, send, type Answer } from './support/send.js'

// The table of failure kinds (routing.md §3), row by row, at a running proxy: what kind an attempt's failure is, whether the same target
// is asked again, and whether the next one is. Every expectation is written from that page. Each case is called twice: once with one
// retry and no other target, once with another target and no retry.

/** What routing.md §3 says of each kind: [asked again, next target]. */
const actions = {
  rate_limit: [true, true],
  overloaded: [true, true],
  server: [true, true],
  network: [true, true],
  timeout_connect: [true, true],
  timeout_ttft: [false, true],
  timeout_idle: [false, true],
  timeout_total: [false, false],
  auth: [false, true],
  quota: [false, true],
  not_found: [false, true],
  context_length: [false, true],
  conflict: [true, false],
  content_policy: [false, false],
  too_large: [false, false],
  bad_request: [false, false],
} as const
type Kind = keyof typeof actions

/** How a family is called, and who else offers it. */
interface Form {
  readonly path: string
  readonly body: unknown
  readonly provider: string
  readonly model: string
  readonly other: string
}
const ask = [{ role: 'user', content: 'Hello?' }]
const contents = [{ role: 'user', parts: [{ text: 'Hello?' }] }]
const bedrockBody = { messages: [{ role: 'user', content: [{ text: 'Hello?' }] }] }
const bedrockModel = 'anthropic.claude-haiku-4-5'
const chat = (provider: string, stream: boolean): Form => ({
  path: '/v1/chat/completions',
  body: { model: 'gpt-5-mini', messages: ask, ...(stream ? { stream } : {}) },
  provider,
  model: 'gpt-5-mini',
  other: 'b-openai/m-two',
})
const forms = {
  chat: chat('openai', false),
  chatStream: chat('openai', true),
  groqStream: chat('groq', true),
  mistral: chat('mistral', false),
  mistralStream: chat('mistral', true),
  responses: {
    path: '/v1/responses',
    body: { model: 'gpt-5-mini', input: 'Hello?' },
    provider: 'openai',
    model: 'gpt-5-mini',
    other: 'b-openai/m-two',
  },
  responsesStream: {
    path: '/v1/responses',
    body: { model: 'gpt-5-mini', input: 'Hello?', stream: true },
    provider: 'openai',
    model: 'gpt-5-mini',
    other: 'b-openai/m-two',
  },
  messages: {
    path: '/v1/messages',
    body: { model: 'claude-haiku-4-5', max_tokens: 100, messages: ask },
    provider: 'anthropic',
    model: 'claude-haiku-4-5',
    other: 'b-anthropic/claude-two',
  },
  messagesStream: {
    path: '/v1/messages',
    body: { model: 'claude-haiku-4-5', max_tokens: 100, messages: ask, stream: true },
    provider: 'anthropic',
    model: 'claude-haiku-4-5',
    other: 'b-anthropic/claude-two',
  },
  gemini: {
    path: '/v1beta/models/gemini-2.5-flash:generateContent',
    body: { contents },
    provider: 'gemini',
    model: 'gemini-2.5-flash',
    other: 'gemini/gemini-two',
  },
  geminiStream: {
    path: '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
    body: { contents },
    provider: 'gemini',
    model: 'gemini-2.5-flash',
    other: 'gemini/gemini-two',
  },
  geminiArray: {
    path: '/v1beta/models/gemini-2.5-flash:streamGenerateContent',
    body: { contents },
    provider: 'gemini',
    model: 'gemini-2.5-flash',
    other: 'gemini/gemini-two',
  },
  bedrock: {
    path: `/us-east-1/model/${bedrockModel}/converse`,
    body: bedrockBody,
    provider: 'bedrock',
    model: 'anthropic.claude-haiku-4-5',
    other: 'bedrock/model-two',
  },
  bedrockStream: {
    path: `/us-east-1/model/${bedrockModel}/converse-stream`,
    body: bedrockBody,
    provider: 'bedrock',
    model: 'anthropic.claude-haiku-4-5',
    other: 'bedrock/model-two',
  },
} as const satisfies Record<string, Form>
type FormName = keyof typeof forms

interface Case {
  readonly form: FormName
  /** x-fake of the first target. */
  readonly fault: string
  readonly kind: Kind
  readonly headers?: Readonly<Record<string, string>>
  /** Another provider in the place of the form's. */
  readonly provider?: string
}
const cases: Case[] = []
const row = (kind: Kind, form: FormName, fault: string, more: Pick<Case, 'headers' | 'provider'> = {}): void => {
  cases.push({ kind, form, fault, ...more })
}
const rows = (kind: Kind, form: FormName, faults: readonly string[]): void => {
  for (const fault of faults) row(kind, form, fault)
}

// §3, first table: by status, where the body tells nothing else.
const statuses: Readonly<Partial<Record<Kind, readonly number[]>>> = {
  rate_limit: [429],
  overloaded: [503, 529, 498],
  server: [408, 424, 500, 502, 504, 520, 521, 522, 523, 524],
  auth: [401, 403],
  quota: [402],
  not_found: [404],
  conflict: [409],
  too_large: [413],
  bad_request: [400, 422, 405, 415, 418, 451],
}
for (const [kind, list] of Object.entries(statuses) as [Kind, readonly number[]][])
  for (const status of list) {
    row(kind, 'chat', `status=${status}`)
    row(kind, 'chatStream', `status=${status};html`)
    row(kind, 'gemini', `status=${status};html`)
  }
for (const form of [
  'chat',
  'chatStream',
  'responses',
  'messages',
  'messagesStream',
  'gemini',
  'geminiStream',
  'bedrock',
] as const)
  row('server', form, 'status=200;html')
for (const form of ['chat', 'chatStream', 'messages', 'geminiStream', 'bedrock'] as const) {
  rows('network', form, ['reset', 'close', 'bad-http', 'two-lengths', 'headers=100KiB'])
  row('timeout_ttft', form, 'hang', { headers: { 'Weir-Timeout': 'ttft=200' } })
  row('timeout_total', form, 'hang', { headers: { 'Weir-Timeout': 'total=300' } })
}
for (const provider of ['dead', 'no-tls', 'no-name']) row('network', 'chat', '', { provider })
row('timeout_connect', 'chat', '', { provider: 'no-handshake', headers: { 'Weir-Timeout': 'connect=300' } })
row('timeout_idle', 'chat', 'stall=20', { headers: { 'Weir-Timeout': 'idle=200' } })
row('timeout_idle', 'gemini', 'stall=20', { headers: { 'Weir-Timeout': 'idle=200' } })

// §3, second table. OpenAI's codes: in a status answer (whose status says otherwise), in a 2xx, in every kind of event.
const openAiCodes: readonly (readonly [code: string, kind: Kind])[] = [
  ['insufficient_quota', 'quota'],
  ['billing_hard_limit_reached', 'quota'],
  ['context_length_exceeded', 'context_length'],
  ['content_filter', 'content_policy'],
  ['content_policy_violation', 'content_policy'],
  ['moderation_blocked', 'content_policy'],
  ['model_not_found', 'not_found'],
  ['DeploymentNotFound', 'not_found'],
  ['rate_limit_exceeded', 'rate_limit'],
  ['server_error', 'server'],
]
for (const [code, kind] of openAiCodes) {
  row(kind, 'chat', `status=400;error=${code}`)
  row(kind, 'chat', `status=500;error=${code}`)
  row(kind, 'responses', `status=429;error=${code}`)
  row(kind, 'chat', `status=200;error=${code}`)
  row(kind, 'chatStream', `error-event=first;error=${code}`)
  row(kind, 'chatStream', `error-event=opened;error=${code}`)
  row(kind, 'chatStream', `error-event=first;error-form=event;error=${code}`)
  row(kind, 'responsesStream', `error-event=first;error-form=typed;error=${code}`)
  row(kind, 'responsesStream', `error-event=opened;error-form=failed;error=${code}`)
}
for (const [status, kind] of [
  [429, 'rate_limit'],
  [503, 'overloaded'],
  [502, 'server'],
  [402, 'quota'],
  [401, 'auth'],
  [400, 'bad_request'],
] as const) {
  row(kind, 'chatStream', `error-event=first;error=${status}`)
  row(kind, 'chat', `status=200;error=${status}`)
}

// Anthropic's types.
for (const [type, kind] of [
  ['overloaded_error', 'overloaded'],
  ['rate_limit_error', 'rate_limit'],
  ['authentication_error', 'auth'],
  ['permission_error', 'auth'],
  ['billing_error', 'quota'],
  ['not_found_error', 'not_found'],
  ['request_too_large', 'too_large'],
  ['api_error', 'server'],
  ['timeout_error', 'server'],
  ['invalid_request_error;message=prompt is too long: 215000 tokens > 200000 maximum', 'context_length'],
] as const) {
  row(kind, 'messages', `status=400;error=${type}`)
  row(kind, 'messages', `status=200;error=${type}`)
  row(kind, 'messagesStream', `error-event=first;error=${type}`)
  row(kind, 'messagesStream', `error-event=opened;error=${type}`)
}
row('quota', 'messages', 'status=400;message=Your credit balance is too low to access the Anthropic API.')
row('bad_request', 'messages', 'status=400;message=max_tokens: must be at least 1')

// Gemini's statuses.
for (const [status, kind] of [
  ['RESOURCE_EXHAUSTED', 'rate_limit'],
  ['RESOURCE_EXHAUSTED;quota-id=GenerateRequestsPerMinutePerProjectPerModel', 'rate_limit'],
  ['RESOURCE_EXHAUSTED;quota-id=GenerateRequestsPerDayPerProjectPerModel-FreeTier', 'quota'],
  ['UNAVAILABLE', 'overloaded'],
  ['DEADLINE_EXCEEDED', 'server'],
  ['INTERNAL', 'server'],
  ['INVALID_ARGUMENT;reason=API_KEY_INVALID;message=API key not valid.', 'auth'],
  ['PERMISSION_DENIED', 'auth'],
  ['UNAUTHENTICATED', 'auth'],
  ['NOT_FOUND', 'not_found'],
  ['INVALID_ARGUMENT;message=The input token count (1200000) exceeds the maximum number of tokens allowed.', 'context_length'],
  ['INVALID_ARGUMENT;message=Unknown name.', 'bad_request'],
] as const) {
  row(kind, 'gemini', `status=400;error=${status}`)
  row(kind, 'gemini', `status=200;error=${status}`)
  row(kind, 'geminiStream', `error-event=first;error=${status}`)
  row(kind, 'geminiArray', `error-event=first;error=${status}`)
}

// Bedrock's exceptions: in a header of a status answer, in a frame of a stream.
for (const [name, kind] of [
  ['ThrottlingException', 'rate_limit'],
  ['ServiceQuotaExceededException', 'quota'],
  ['ModelNotReadyException', 'overloaded'],
  ['ServiceUnavailableException', 'overloaded'],
  ['ModelTimeoutException', 'server'],
  ['ModelErrorException', 'server'],
  ['ModelStreamErrorException', 'server'],
  ['InternalServerException', 'server'],
  ['AccessDeniedException', 'auth'],
  ['UnrecognizedClientException', 'auth'],
  ['ExpiredTokenException', 'auth'],
  ['ResourceNotFoundException', 'not_found'],
  ['ValidationException;message=Input Tokens Exceeded: the number of input tokens exceeds the maximum.', 'context_length'],
  ['ValidationException;message=Input is too long for requested model.', 'context_length'],
  ['ValidationException;message=Malformed input request.', 'bad_request'],
] as const) {
  row(kind, 'bedrock', `status=400;error=${name}`)
  row(kind, 'bedrockStream', `error-event=first;error=${name.charAt(0).toLowerCase()}${name.slice(1)}`)
}
row('rate_limit', 'bedrock', 'status=400;error=ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/')

// Groq and Mistral.
row('overloaded', 'groqStream', 'error-event=first;error-form=event;error=over_capacity;status-code=498')
row('rate_limit', 'groqStream', 'error-event=first;error-form=event;error=x;status-code=429')
row('overloaded', 'mistralStream', 'error-event=first;error-form=event;flat;error=x;status-code=503')
row('overloaded', 'mistralStream', 'error-event=first;error-form=event;flat;error=service_tier_capacity_exceeded')
row('overloaded', 'mistral', 'status=429;flat;error=service_tier_capacity_exceeded')

let a: FakeProvider
let b: FakeProvider
let house: RunningHouse
const silent = new Set<Socket>()
/** Takes connections and never says a word. */
const wordless = createServer((socket) => {
  silent.add(socket)
  socket.on('error', () => undefined).once('close', () => silent.delete(socket))
})

beforeAll(async () => {
  a = await startFakeProvider()
  b = await startFakeProvider()
  await new Promise<void>((resolve) => wordless.listen(0, '127.0.0.1', resolve))
  const closed = createServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const deadPort = (closed.address() as AddressInfo).port
  await new Promise((resolve) => closed.close(resolve))
  house = await openHouse({
    yaml: `${providersAt(a.origin, ['openai', 'anthropic', 'gemini', 'bedrock', 'groq', 'mistral'])}
  b-openai: { origin: "${b.origin}", root: /v1, family: openai-chat, auth: none }
  b-anthropic: { origin: "${b.origin}", family: anthropic, auth: none }
  dead: { origin: "http://127.0.0.1:${deadPort}", root: /v1, family: openai-chat }
  no-tls: { origin: "https://127.0.0.1:${a.port}", root: /v1, family: openai-chat }
  no-name: { origin: "http://${'n'.repeat(64)}.example", root: /v1, family: openai-chat }
  no-handshake: { origin: "https://127.0.0.1:${(wordless.address() as AddressInfo).port}", root: /v1, family: openai-chat }
`,
  })
})
afterAll(async () => {
  await house?.stop()
  await a?.close()
  await b?.close()
  for (const socket of silent) socket.destroy()
  wordless.close()
})

/** `Weir-Attempts`, read: one kind per attempt, empty for none. */
const kindsOf = ({ headers }: Answer): string[] =>
  String(headers['weir-attempts'])
    .split(', ')
    .map((member) => /;kind=(\w+)/.exec(member)?.[1] ?? '')

const kept = new Map<string, readonly string[]>()

const call = async ({ form, fault, headers = {}, provider }: Case, n: number, more: Record<string, string>): Promise<Answer> => {
  const { path, body, provider: usual, model: first } = forms[form]
  const answer = await send(`${house.proxy}/${provider ?? usual}${path}`, {
    // A key for each case: the circuit of one does not touch another.
    headers: {
      ...jsonHeaders,
      authorization: `Bearer key-${n}`,
      'x-mark': `${n}`,
      'x-fake': `${fault};for=${first}`,
      ...headers,
      ...more,
    },
    body: JSON.stringify(body),
  })
  kept.set(answer.id, kindsOf(answer))
  return answer
}
/** Requests that reached the second target: it is at B, or has a name that ends in -two. */
const callsOfSecond = (n: number): number =>
  [...a.seen, ...b.seen].filter(
    ({ headers, path }) => headers['x-mark'] === `${n}` && (/-two[:/]/.test(path) || headers.host === b.origin.slice(7)),
  ).length
const callsOfFirst = (n: number): number => a.seen.filter(({ headers }) => headers['x-mark'] === `${n}`).length

let count = 0
describe.concurrent('one failure', () => {
  test.each(cases.map((one) => [one.kind, one.form, [one.provider ?? '', one.fault].join(' ').trim(), one] as const))(
    '%s: %s: %s',
    async (kind, _, __, one) => {
      const [retried, movesOn] = actions[kind]
      const first = ++count
      const again = await call(one, first, {
        'Weir-Retry-Enabled': 'true',
        'Weir-Retry-Num': '1',
        'Weir-Retry-Min-Timeout': '0',
      })
      const kinds = kindsOf(again)
      expect({ kind: kinds[0], attempts: kinds.length }).toEqual({ kind, attempts: retried ? 2 : 1 })
      if (one.provider === undefined) expect(callsOfFirst(first)).toBeGreaterThanOrEqual(kinds.length)

      const second = ++count
      // B never fails: its plan goes before x-fake.
      b.plan(...Array.from({ length: 50 }, () => ''))
      const onward = await call(one, second, { 'Weir-Fallback': forms[one.form].other })
      expect(kindsOf(onward)).toEqual(movesOn ? [kind, ''] : [kind])
      expect(callsOfSecond(second)).toBe(movesOn ? 1 : 0)
      expect(onward.headers['weir-fallback-index']).toBe(movesOn ? '1' : '0')
      if (movesOn) expect({ status: onward.status, end: onward.end }).toEqual({ status: 200, end: 'clean' })
    },
  )
})

test('the rows say the same of their attempts', async () => {
  await house.caughtUp()
  const rowsNow = await house.query<{ id: string; kinds: string[] }>(
    'SELECT toString(request_id) AS id, arrayMap(a -> a.error_kind, attempts) AS kinds FROM requests',
  )
  expect(rowsNow).toHaveLength(kept.size)
  expect(rowsNow).toHaveLength(2 * cases.length)
  for (const { id, kinds } of rowsNow) {
    const said = kept.get(id) ?? []
    expect(kinds, id).toHaveLength(said.length)
    // The head of the last attempt goes out before its body has come, and the body decides: what it came to, the row knows.
    expect(kinds, id).toEqual(expect.arrayContaining(said.slice(0, -1)))
  }
})
