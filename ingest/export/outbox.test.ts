import { nobody } from '../../core/exchange.js'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ExportDestination } from '../../core/config.js'
import { startOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from '../../e2e/otlp-receiver.js'
import { openDeadLetters } from '../dead-letters.js'
import { createMetrics } from '../metrics.js'
import { enrichedFrom, exchange, idOf, memorySource, payloadOf, testFolder, type MemorySource } from '../testing.js'
import { createPrepare } from '../prepare.js'
import { createExporter } from './exporter.js'
import { openOutbox, type Outbox } from './outbox.js'
import { resources } from './resources.js'

/** Waits for a condition; how long says nothing about the code but that it hangs. */
const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 20_000, interval: 20 })

const receiver = async (port?: number): Promise<OtlpReceiver> => {
  const started = await startOtlpReceiver(port)
  onTestFinished(() => started.close())
  return started
}

const destinationAt = (endpoint: string, more: Partial<ExportDestination> = {}): ExportDestination => ({
  name: 'jaeger',
  profile: 'otlp',
  endpoint,
  protocol: 'protobuf',
  headers: {},
  content: 'none',
  respectSampled: true,
  maxLag: 512 * 1024 * 1024,
  ...more,
})

/** Calls of these tests tell their usage, unless they say so. */
const prepare = createPrepare({ count: () => Promise.reject(new Error('Nothing is to be counted.')) })

interface Opened {
  readonly outbox: Outbox
  readonly faults: string[]
  /** Path of the folder of dead letters. */
  readonly dead: string
  readonly metrics: ReturnType<typeof createMetrics>
}

/** An outbox that is left to itself, as one whose process is killed. */
const running = async (source: MemorySource, destination: ExportDestination, now: () => number = Date.now): Promise<Opened> => {
  const dead = testFolder(onTestFinished)
  const faults: string[] = []
  const metrics = createMetrics()
  const outbox = openOutbox({
    destination,
    source,
    enrich: (event, position) => enrichedFrom(event, {}, position),
    prepare,
    verdicts: async () => new Map(),
    exporter: createExporter(destination),
    deadLetters: await openDeadLetters({ dir: dead, limitBytes: 64 * 1024 * 1024, now }),
    metrics,
    resourceOf: resources({ serviceName: 'weir', version: null }),
    now,
    random: () => 0, // full jitter may be nothing at all: waits of the back-off are over at once
    onFault: (message) => faults.push(message),
    checkMs: 20,
  })
  return { outbox, faults, dead, metrics }
}
const opened = async (...parts: Parameters<typeof running>): Promise<Opened> => {
  const started = await running(...parts)
  onTestFinished(() => started.outbox.stop(0))
  return started
}

const append = (source: MemorySource, from: number, to: number, partition = 'writer-a'): void => {
  for (let n = from; n < to; n++)
    source.append(partition, payloadOf(exchange({ id: idOf(n), seq: n, startedAt: new Date().toISOString() })))
}
const callsIn = (spans: readonly ReceivedSpan[]): string[] =>
  spans.filter((span) => span.name.startsWith('chat ')).map((span) => String(span.attributes['weir.request.id']))
const ids = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => idOf(from + i))
const position = async (source: MemorySource, name = 'otlp-jaeger', partition = 'writer-a') =>
  (await source.progress(partition, name)).committed

describe.each(['protobuf', 'json'] as const)('%s', (protocol) => {
  test('every call arrives once, in batches of at most 512 spans, and the position follows', async () => {
    const source = memorySource()
    const to = await receiver()
    append(source, 0, 600)
    const { outbox, metrics } = await opened(
      source,
      destinationAt(to.endpoint, { protocol, headers: { authorization: 'Bearer x' } }),
    )
    await outbox.stop(10_000)
    expect(callsIn(to.accepted()).sort()).toEqual(ids(0, 600))
    expect(to.accepted()).toHaveLength(1200)
    for (const request of to.requests) expect(request.spans.length).toBeLessThanOrEqual(512)
    expect(to.requests[0]?.headers).toMatchObject({
      authorization: 'Bearer x',
      'content-type': protocol === 'json' ? 'application/json' : 'application/x-protobuf',
    })
    expect(to.requests[0]?.headers['content-encoding']).toBeUndefined() // loopback
    expect(await position(source)).toBe(100 + 600 * 10)
    expect(outbox.state()).toMatchObject({
      state: 'ok',
      sent: 1200,
      rejected: 0,
      dropped: 0,
      dead: 0,
      lagSeconds: null,
      lastError: null,
    })
    expect(await metrics.registry.getSingleMetricAsString('weir_export_sent_total')).toContain('{destination="jaeger"} 1200')
  })

  test('both encodings carry the same values', async () => {
    const source = memorySource()
    const to = await receiver()
    const startedAt = '2026-11-25T10:00:00.000Z'
    source.append('writer-a', payloadOf(exchange({ startedAt, identity: { ...nobody, tags: ['a', 'b'], userId: '日本' } })))
    const { outbox } = await opened(source, destinationAt(to.endpoint, { protocol }), () => Date.parse(startedAt))
    await outbox.stop(10_000)
    expect(to.accepted()[1]).toMatchObject({
      traceId: 'd724389729a489ad73e76ed297f39f5d',
      spanId: '3d7f6fd4a9ff9220',
      parentSpanId: 'f232788991fae883',
      name: 'chat gpt-4o-mini',
      kind: 3,
      startTimeUnixNano: '1795600800000000000',
      endTimeUnixNano: '1795600801500000000',
      status: { code: 0, message: '' },
      attributes: {
        'gen_ai.usage.input_tokens': 1000,
        'gen_ai.usage.cost': 0.00021,
        'weir.cost.total': '0.00021',
        'weir.tags': ['a', 'b'],
        'user.id': '日本',
      },
      resource: { 'service.name': 'weir', 'service.instance.id': 'writer-a' },
    })
  })

  test('a partial success counts what was rejected and keeps the batch', async () => {
    const source = memorySource()
    const to = await receiver()
    to.answer(() => ({ kind: 'partial', rejectedSpans: 3, errorMessage: 'too old' }))
    append(source, 0, 10)
    const { outbox, dead } = await opened(source, destinationAt(to.endpoint, { protocol }))
    await outbox.stop(10_000)
    expect(outbox.state()).toMatchObject({
      sent: 17,
      rejected: 3,
      dead: 0,
      lastError: { message: 'Partial success: 3 spans rejected. too old' },
    })
    const [name = ''] = readdirSync(dead)
    const letter = readFileSync(join(dead, name))
    const cut = letter.indexOf(10)
    expect(JSON.parse(letter.toString('utf8', 0, cut))).toMatchObject({
      reason: 'partial_success',
      error: 'too old',
      source: { partition: 'writer-a', first: 100, last: 190 },
    })
    expect(letter.subarray(cut + 1).equals(to.requests[0]?.body ?? Buffer.alloc(0))).toBe(true)
    expect(await position(source)).toBe(200)
  })
})

test('two destinations with a partial success at the same time count their own', async () => {
  const source = memorySource()
  const [a, b] = [await receiver(), await receiver()]
  a.answer(() => ({ kind: 'partial', rejectedSpans: 1, errorMessage: 'a' }))
  append(source, 0, 20)
  const first = await opened(source, destinationAt(a.endpoint, { name: 'a' }))
  const second = await opened(source, destinationAt(b.endpoint, { name: 'b' }))
  await Promise.all([first.outbox.stop(10_000), second.outbox.stop(10_000)])
  expect(first.outbox.state()).toMatchObject({ rejected: 1, sent: 39 })
  expect(second.outbox.state()).toMatchObject({ rejected: 0, sent: 40, lastError: null })
})

test.each([400, 413, 422])('HTTP %i: halving finds the span at fault, all others arrive', async (status) => {
  const source = memorySource()
  const to = await receiver()
  to.answer(({ spans }) =>
    spans.some((span) => span.attributes['weir.request.id'] === idOf(7) && span.kind === 3)
      ? { kind: 'status', status, body: 'bad span' }
      : { kind: 'ok' },
  )
  append(source, 0, 30)
  const { outbox, dead } = await opened(source, destinationAt(to.endpoint))
  await outbox.stop(10_000)
  expect(callsIn(to.accepted()).sort()).toEqual(ids(0, 30).filter((id) => id !== idOf(7)))
  expect(outbox.state()).toMatchObject({ sent: 59, dead: 1, rejected: 0, dropped: 0 })
  expect(readdirSync(dead)).toEqual([expect.stringMatching(/^writer-a_100-390_[0-9a-f]{16}_refused\.dead$/)])
  expect(outbox.state().lastError?.message).toBe(
    `HTTP ${status} ${{ 400: 'Bad Request', 413: 'Payload Too Large', 422: 'Unprocessable Entity' }[status]}: bad span`,
  )
  expect(await position(source)).toBe(400)
})

test.each(['close', 'status 429', 'status 503', 'status 500'])('%s: the batch waits and arrives in the end', async (how) => {
  const source = memorySource()
  const to = await receiver()
  let bad = 2
  to.answer(() => {
    if (bad-- <= 0) return { kind: 'ok' }
    if (how === 'close') return { kind: 'close' }
    return { kind: 'status', status: Number(how.slice(7)), retryAfter: '30' }
  })
  append(source, 0, 5)
  const { outbox } = await opened(source, destinationAt(to.endpoint))
  await eventually(() => expect(callsIn(to.accepted())).toEqual(ids(0, 5)))
  await outbox.stop(5000)
  expect(outbox.state()).toMatchObject({ state: 'ok', sent: 10, dropped: 0, dead: 0 })
  expect(await position(source)).toBe(150)
})

test('denied (401): failing, with what it said; nothing is given up', async () => {
  const source = memorySource()
  const to = await receiver()
  to.answer(() => ({ kind: 'status', status: 401, body: 'who are you' }))
  append(source, 0, 5)
  const { outbox } = await opened(source, destinationAt(`${to.endpoint}?token=geheim`.replace('http://', 'http://user:pass@')))
  await eventually(() => expect(outbox.state().state).toBe('failing'))
  expect(outbox.state()).toMatchObject({
    sent: 0,
    dead: 0,
    lastError: { message: 'HTTP 401 Unauthorized: who are you' },
    endpoint: to.endpoint,
  })
  expect(outbox.state().lagSeconds).not.toBeNull()
  await eventually(() => expect(outbox.state().waitingBytes).toBeGreaterThan(0))
  await outbox.stop(10_000)
  expect(await position(source)).toBe(0)
})

test('one destination that hangs delays no other, and its calls arrive when it is back', async () => {
  const source = memorySource()
  const [slow, quick] = [await receiver(), await receiver()]
  slow.answer(() => ({ kind: 'hang' }))
  append(source, 0, 2000)
  const hanging = await opened(source, destinationAt(slow.endpoint, { name: 'slow' }))
  const working = await opened(source, destinationAt(quick.endpoint, { name: 'quick' }))
  await eventually(() => expect(callsIn(quick.accepted())).toHaveLength(2000))
  expect(slow.requests).toHaveLength(3) // three batches on their way, no more
  await hanging.outbox.stop(0)
  await working.outbox.stop(1000)
  expect(await position(source, 'otlp-slow')).toBe(0)

  slow.answer(() => ({ kind: 'ok' }))
  const again = await opened(source, destinationAt(slow.endpoint, { name: 'slow' }))
  await again.outbox.stop(10_000)
  expect(callsIn(slow.accepted()).sort()).toEqual(ids(0, 2000))
})

test('killed before the position was saved: the same spans again, byte for byte', async () => {
  const source = memorySource()
  const to = await receiver()
  append(source, 0, 100)
  let reached = false
  source.step = (name) => {
    reached ||= name === 'before commit'
    return name === 'before commit' ? new Promise(() => undefined) : undefined
  }
  await running(source, destinationAt(to.endpoint))
  await eventually(() => expect(reached).toBe(true))
  source.step = () => undefined
  const { outbox } = await opened(source, destinationAt(to.endpoint))
  await outbox.stop(10_000)
  expect(to.requests).toHaveLength(2)
  expect(to.requests[1]?.body.equals(to.requests[0]?.body ?? Buffer.alloc(0))).toBe(true)
  expect(await position(source)).toBe(1100)
})

test('the position never passes a batch that is not acknowledged', async () => {
  const source = memorySource()
  const to = await receiver()
  let first = true
  to.answer(() => {
    if (!first) return { kind: 'ok' }
    first = false
    return { kind: 'hang' }
  })
  append(source, 0, 512) // two batches
  const { outbox } = await opened(source, destinationAt(to.endpoint))
  await eventually(() => expect(callsIn(to.accepted())).toHaveLength(256))
  await outbox.stop(0)
  expect(await position(source)).toBe(0)
})

test('beyond maxLag the oldest calls are given up and counted, the newest arrive', async () => {
  const source = memorySource()
  const to = await receiver()
  to.answer(({ spans }) =>
    spans.some((span) => String(span.attributes['weir.request.id']) < idOf(2500)) ? { kind: 'hang' } : { kind: 'ok' },
  )
  append(source, 1000, 1800) // three batches of 256 on their way, and some
  const one = payloadOf(exchange({ id: idOf(1000), seq: 1000 })).length
  const { outbox } = await opened(source, destinationAt(to.endpoint, { maxLag: one * 1000 }))
  await eventually(() => expect(to.requests).toHaveLength(3))
  expect(outbox.state()).toMatchObject({ dropped: 0, state: 'idle' })
  append(source, 1800, 3500)
  await eventually(() => expect(callsIn(to.accepted()).sort()).toEqual(ids(2500, 3500)))
  await outbox.stop(5000)
  expect(outbox.state()).toMatchObject({ sent: 1000 * 2, dropped: 1500 * 2, dead: 0, rejected: 0 })
  expect(outbox.state().lastError?.message).toMatch(/lagged beyond its limit/)
  expect(await position(source)).toBe(100 + 2500 * 10)
})

test('calls older than a day are given up', async () => {
  const source = memorySource()
  const to = await receiver()
  to.answer(() => ({ kind: 'hang' }))
  const startedAt = '2026-11-25T10:00:00.000Z'
  for (let n = 0; n < 10; n++) source.append('writer-a', payloadOf(exchange({ id: idOf(n), startedAt })))
  const { outbox } = await opened(source, destinationAt(to.endpoint), () => Date.parse(startedAt) + 25 * 3_600_000)
  await eventually(() => expect(outbox.state().dropped).toBe(20))
  expect(await position(source)).toBe(200)
})

test('calls the caller did not sample, and records no one can read, are passed over', async () => {
  const source = memorySource()
  const to = await receiver()
  const trace = { traceId: 'a'.repeat(32), parentSpanId: 'b'.repeat(16), sampled: false }
  append(source, 0, 1)
  source.append('writer-a', payloadOf(exchange({ id: idOf(1), identity: { ...nobody, trace } })))
  source.append('writer-a', Buffer.from('garbage'))
  append(source, 2, 3)
  const { outbox } = await opened(source, destinationAt(to.endpoint))
  await outbox.stop(10_000)
  expect(callsIn(to.accepted())).toEqual([idOf(0), idOf(2)])
  expect(await position(source)).toBe(140)
})

test('langfuse: batches of 100, its own header, and no key of another destination', async () => {
  vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'authorization=Bearer%20other')
  onTestFinished(() => void vi.unstubAllEnvs())
  const source = memorySource()
  const to = await receiver()
  append(source, 0, 150)
  const { outbox } = await opened(source, destinationAt(to.endpoint, { profile: 'langfuse' }))
  await outbox.stop(10_000)
  expect(to.requests.map((request) => request.spans.length)).toEqual([100, 50])
  expect(to.requests[0]?.headers['x-langfuse-ingestion-version']).toBe('4')
  expect(to.requests[0]?.headers.authorization).toBeUndefined()
})

test('several partitions, each at its own position', async () => {
  const source = memorySource()
  const to = await receiver()
  append(source, 0, 10, 'writer-a')
  append(source, 10, 30, 'writer-b')
  const { outbox } = await opened(source, destinationAt(to.endpoint))
  await outbox.stop(10_000)
  expect(callsIn(to.accepted()).sort()).toEqual(ids(0, 30))
  expect(await position(source, 'otlp-jaeger', 'writer-a')).toBe(200)
  expect(await position(source, 'otlp-jaeger', 'writer-b')).toBe(300)
})
