import { describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../../cli/fake-provider/server.js'
import { inFlight, post, startTestProxy, type Got, type Sent, type TestProxy } from './testing.js'

const house = async (yaml = ''): Promise<{ fake: FakeProvider; proxy: TestProxy; call: (sent: Sent) => Promise<Got> }> => {
  const fake = await startFakeProvider()
  onTestFinished(() => fake.close())
  const proxy = await startTestProxy(fake.origin, { yaml })
  return { fake, proxy, call: (sent) => post(proxy.port, sent) }
}

const on = { 'weir-cache-enabled': 'true' }
const chat = (more: object = {}): string =>
  JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'Hello' }], ...more })
const stream = chat({ stream: true })
/** Something that happens once. */
const signal = (): { readonly given: Promise<void>; readonly give: () => void } => {
  let give: () => void = () => undefined
  const given = new Promise<void>((resolve) => (give = resolve))
  return { given, give }
}
const statuses = (answers: readonly Got[]): string[] => answers.map(({ headers }) => String(headers['weir-cache'])).sort()
const endsOf = ({ records }: TestProxy): TestProxy['records'][number][] => records.filter(({ type }) => type === 'end')
/** Until the upstream has been asked. */
const asked = (fake: FakeProvider, n = 1): Promise<void> => expect.poll(() => fake.total()).toBe(n)

describe.each([
  ['JSON', chat()],
  ['stream', stream],
])('%s', (_, body) => {
  test('47 fifty at once: one call upstream, the same bytes for all, one MISS, and one pays', async () => {
    const { fake, proxy, call } = await house()
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => call({ headers: { ...on, 'x-fake': 'delay=50;gap=5' }, body })),
    )
    expect(fake.total()).toBe(1)
    expect(answers.every(({ status, end }) => status === 200 && end === 'whole')).toBe(true)
    expect(statuses(answers)).toEqual([...Array.from({ length: 49 }, () => 'HIT'), 'MISS'])
    const leader = answers.find(({ headers }) => headers['weir-cache'] === 'MISS')
    for (const { bytes, headers } of answers) {
      expect(bytes.equals(leader?.bytes ?? Buffer.alloc(0))).toBe(true)
      if (headers['weir-cache'] === 'HIT')
        expect(headers).toMatchObject({ 'weir-cache-id': leader?.id, 'weir-cost': '0', age: '0' })
    }
    await expect.poll(() => endsOf(proxy).length).toBe(50)
    const outcomes = endsOf(proxy).map(({ exchange }) => exchange.outcome)
    expect(outcomes.filter((outcome) => outcome === 'cached')).toHaveLength(49)
    const usages = new Set(endsOf(proxy).map(({ exchange }) => JSON.stringify(exchange.usageRaw)))
    expect([...usages]).toHaveLength(1)
    expect([...usages][0]).toContain('tokens')
    expect(endsOf(proxy).filter(({ exchange }) => exchange.attempts.length > 0)).toHaveLength(1)
  })

  test('the leader fails: one takes over, the others get its answer', async () => {
    const { fake, call } = await house()
    const leader = call({ headers: { ...on, 'x-fake': 'delay=60;status=500' }, body })
    await asked(fake)
    const others = Promise.all(Array.from({ length: 5 }, () => call({ headers: { ...on, 'x-fake': 'delay=20' }, body })))
    expect((await leader).status).toBe(500)
    const answers = await others
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(statuses(answers)).toEqual(['HIT', 'HIT', 'HIT', 'HIT', 'MISS'])
    expect(fake.total()).toBe(2)
  })

  test('the leader and its successor fail: each of the others for itself', async () => {
    const { fake, call } = await house()
    const all = [call({ headers: { ...on, 'x-fake': 'delay=60;reset' }, body })]
    await asked(fake)
    all.push(...Array.from({ length: 4 }, () => call({ headers: { ...on, 'x-fake': 'status=503' }, body })))
    const answers = await Promise.all(all)
    expect(answers.map(({ status }) => status).sort()).toEqual([502, 503, 503, 503, 503])
    expect(statuses(answers)).toEqual(['MISS', 'MISS', 'MISS', 'MISS', 'MISS'])
    expect(fake.total()).toBe(5)
  })
})

test('56 the client of the leader leaves in the middle: the follower gets all of it, and both have their row', async () => {
  const { fake, proxy, call } = await house()
  // Long enough for both to be there before it ends: the leader leaves when both have got something.
  const fakes = { 'x-fake': 'chunks=40;gap=25;delay=300' }
  const [first, second, leave] = [signal(), signal(), signal()]
  const leader = call({ headers: { ...on, ...fakes }, body: stream, begun: first.give, leave: leave.given })
  await asked(fake)
  const follower = call({ headers: { ...on, ...fakes }, body: stream, begun: second.give })
  await Promise.all([first.given, second.given])
  leave.give()
  const left = await leader
  const got = await follower
  expect([left.end, got.end, got.headers['weir-cache']]).toEqual(['left', 'whole', 'HIT'])
  expect(got.bytes.includes('[DONE]')).toBe(true)
  const [lead, follow] = await Promise.all([proxy.end(left.id), proxy.end(got.id)])
  expect([lead.outcome, follow.outcome]).toEqual(['client_abort', 'cached'])
  // Whoever left pays for all that was made: it is known to the last token.
  expect(lead.usageRaw).toEqual(follow.usageRaw)
  expect(lead.finishReason).toBe('stop')
  expect(fake.total()).toBe(1)
  expect(fake.seen[0]?.aborted).toBe(false)
  const later = await call({ headers: on, body: stream })
  expect([later.headers['weir-cache'], later.bytes.equals(got.bytes)]).toEqual(['HIT', true])
})

test('the client of the leader leaves before the answer begins', async () => {
  const { fake, proxy, call } = await house()
  const fakes = { 'x-fake': 'delay=600' }
  const leave = signal()
  const leader = call({ headers: { ...on, ...fakes }, body: stream, leave: leave.given })
  await asked(fake)
  const follower = call({ headers: { ...on, ...fakes }, body: stream })
  await expect.poll(() => inFlight(proxy.port)).toBe(2)
  leave.give()
  await leader
  const got = await follower
  expect([got.end, got.headers['weir-cache'], fake.total()]).toEqual(['whole', 'HIT', 1])
  await expect
    .poll(() =>
      endsOf(proxy)
        .map(({ exchange }) => exchange.outcome)
        .sort(),
    )
    .toEqual(['cached', 'client_abort'])
})

test('nobody waits any more: the call is given up', async () => {
  const { fake, proxy, call } = await house()
  const fakes = { 'x-fake': 'chunks=200;gap=20;delay=30' }
  const leader = call({ headers: { ...on, ...fakes }, body: stream, leaveAfter: 300 })
  await asked(fake)
  const follower = call({ headers: { ...on, ...fakes }, body: stream, leaveAfter: 600 })
  await Promise.all([leader, follower])
  await expect.poll(() => fake.seen[0]?.aborted).toBe(true)
  await expect.poll(() => endsOf(proxy).map(({ exchange }) => exchange.outcome)).toEqual(['client_abort', 'client_abort'])
  // Nothing of it is kept, and nobody waits for it.
  expect((await call({ headers: on, body: stream })).headers['weir-cache']).toBe('MISS')
})

test('one who waits leaves: the others are not disturbed', async () => {
  const { fake, proxy, call } = await house()
  const leader = call({ headers: { ...on, 'x-fake': 'delay=400' }, body: stream })
  await asked(fake)
  const leaver = call({ headers: on, body: stream, leaveAfter: 0 })
  const stayer = call({ headers: on, body: stream })
  const answers = await Promise.all([leader, stayer])
  await leaver
  expect(answers.every(({ end }) => end === 'whole')).toBe(true)
  expect(fake.total()).toBe(1)
  await expect
    .poll(() =>
      endsOf(proxy)
        .map(({ exchange }) => exchange.outcome)
        .sort(),
    )
    .toEqual(['cached', 'client_abort', 'complete'])
})

test('a stream that breaks off after its head breaks off for all, with an event that says so', async () => {
  const { fake, proxy, call } = await house()
  const whole = await call({ headers: { 'x-fake': 'id=same' }, body: stream })
  const boundary = whole.bytes.indexOf('\n\n', whole.bytes.indexOf('\n\n') + 2) + 2
  const headers = { ...on, 'x-fake': `id=same;delay=400;fin=${boundary}` }
  const leader = call({ headers, body: stream })
  await asked(fake, 2)
  const answers = await Promise.all([leader, call({ headers, body: stream }), call({ headers, body: stream })])
  for (const { bytes, end } of answers) {
    expect(bytes.toString()).toContain('upstream_reset')
    expect(bytes.includes('[DONE]')).toBe(false)
    expect(end).toBe('whole')
  }
  expect(fake.total()).toBe(2)
  await expect.poll(() => endsOf(proxy).filter(({ exchange }) => exchange.outcome === 'upstream_abort').length).toBe(3)
  expect((await call({ headers: on, body: stream })).headers['weir-cache']).toBe('MISS')
})

test('who asks for several answers waits for nobody', async () => {
  const { fake, call } = await house()
  const headers = { ...on, 'weir-cache-bucket-max-size': '2', 'x-fake': 'delay=50' }
  const answers = await Promise.all([call({ headers, body: stream }), call({ headers, body: stream })])
  expect(statuses(answers)).toEqual(['MISS', 'MISS'])
  expect(fake.total()).toBe(2)
  expect((await call({ headers, body: stream })).headers['weir-cache']).toBe('HIT')
})

test('an answer too long to be kept reaches all who waited for its head, and is asked for again by who comes later', async () => {
  const { fake, call } = await house('cache: { entry: 64KiB }\n')
  const sent = { headers: { ...on, 'x-fake': 'delay=400;bytes=400000;chunks=50;gap=5' }, body: stream }
  const leader = call(sent)
  await asked(fake)
  const answers = await Promise.all([leader, ...Array.from({ length: 4 }, () => call(sent))])
  expect(answers.every(({ end, bytes }) => end === 'whole' && bytes.length > 400_000)).toBe(true)
  expect(new Set(answers.map(({ bytes }) => bytes.toString('latin1'))).size).toBe(1)
  expect(fake.total()).toBe(1)
  expect((await call(sent)).headers['weir-cache']).toBe('MISS')
})
