import { describe, expect, test } from 'vitest'
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer'
import { nobody, type Exchange } from '../../core/exchange.js'
import { noUsage } from '../../core/usage.js'
import type { BodiesRow, Enriched } from '../enrich/enriched.js'
import { chatCost, chatUsage, enrichedFrom, exchange, idOf } from '../testing.js'
import { callSpans, wanted, type SpanOptions } from './call-spans.js'
import { resources } from './resources.js'

const resourceOf = resources({ serviceName: 'weir', version: '0.1.0' })
const otlp: SpanOptions = { profile: 'otlp', content: 'none' }

interface Attribute {
  readonly key: string
  readonly value: unknown
}
/** As a collector reads it: the OTLP JSON, attributes folded to `key: value`. */
const asJson = (enriched: Enriched, options: SpanOptions = otlp) => {
  const bytes = JsonTraceSerializer.serializeRequest(callSpans(enriched, resourceOf(enriched.exchange.writer), options))
  const { resourceSpans } = JSON.parse(Buffer.from(bytes ?? []).toString()) as {
    resourceSpans: {
      resource: { attributes: Attribute[] }
      scopeSpans: { spans: { attributes: Attribute[]; events: { attributes: Attribute[] }[] }[] }[]
    }[]
  }
  const folded = (attributes: readonly Attribute[]) =>
    Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value as object)[0] as unknown]))
  return resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, attributes: folded(span.attributes) }))),
  )
}
const callOf = (enriched: Enriched, options?: SpanOptions) => {
  const spans = asJson(enriched, options)
  return spans[spans.length - 1] as (typeof spans)[number]
}

const asked = (json: object): BodiesRow => ({
  tenant_id: 'default',
  ts: '2026-11-25 10:00:00.000',
  request_id: idOf(1),
  ver: 1,
  retention_days: 30,
  request_body: JSON.stringify(json),
  response_body: '',
  request_state: 'stored',
  response_state: 'none',
  request_sha256: '',
  response_sha256: '',
  spill: '',
  request_headers: [],
  response_headers: [],
})

// Worked out with a shell: printf 's1|019ab000-0000-7000-8000-000000000001|call|0' | sha256sum | cut -c1-16, and so on.
const callId = '3d7f6fd4a9ff9220'
const serverId = 'f232788991fae883'
const traceOfSession = '5c18906e1bd76a065029c6c78cb396b3'
const traceOfRequest = 'd724389729a489ad73e76ed297f39f5d'

describe('golden spans', () => {
  test('plain: SERVER, below it CLIENT with usage and exact cost', () => {
    const enriched = enrichedFrom(
      exchange({
        identity: {
          ...nobody,
          userId: 'ada',
          sessionId: 's1',
          sessionPath: '/plan',
          properties: { feature: 'chat' },
          tags: ['a', 'b'],
          keyId: 'k1',
        },
      }),
      { bodies: asked({ model: 'gpt-4o-mini', temperature: 0.5, max_completion_tokens: 256, stop: 'END', n: 1, messages: [] }) },
    )
    expect(asJson(enriched)).toEqual([
      {
        traceId: traceOfSession,
        spanId: serverId,
        name: 'POST /v1/chat/completions',
        kind: 2,
        startTimeUnixNano: '1795600800000000000',
        endTimeUnixNano: '1795600801500000000',
        attributes: {
          'http.request.method': 'POST',
          'url.path': '/v1/chat/completions',
          'http.route': '/v1/chat/completions',
          'http.response.status_code': 200,
          'user_agent.original': 'test/1.0',
          'weir.request.id': idOf(1),
        },
        droppedAttributesCount: 0,
        events: [],
        droppedEventsCount: 0,
        status: { code: 0 },
        links: [],
        droppedLinksCount: 0,
        flags: 0x101,
      },
      {
        traceId: traceOfSession,
        spanId: callId,
        parentSpanId: serverId,
        name: 'chat gpt-4o-mini',
        kind: 3,
        startTimeUnixNano: '1795600800000000000',
        endTimeUnixNano: '1795600801500000000',
        attributes: {
          'gen_ai.operation.name': 'chat',
          'gen_ai.provider.name': 'openai',
          'gen_ai.request.model': 'gpt-4o-mini',
          'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
          'gen_ai.response.id': 'chatcmpl-1',
          'gen_ai.request.max_tokens': 256,
          'gen_ai.request.temperature': 0.5,
          'gen_ai.request.stop_sequences': { values: [{ stringValue: 'END' }] },
          'gen_ai.response.finish_reasons': { values: [{ stringValue: 'stop' }] },
          'gen_ai.usage.input_tokens': 1000,
          'gen_ai.usage.output_tokens': 100,
          'gen_ai.conversation.id': 's1',
          'gen_ai.usage.cost': 0.00021,
          'session.id': 's1',
          'user.id': 'ada',
          'server.address': 'api.openai.com',
          'server.port': 443,
          'http.response.status_code': 200,
          'weir.cost.total': '0.00021',
          'weir.cost.status': 'exact',
          'weir.request.id': idOf(1),
          'weir.tenant': 'default',
          'weir.key.id': 'k1',
          'weir.outcome': 'complete',
          'weir.attempts': 1,
          'weir.usage.source': 'wire',
          'weir.session.path': '/plan',
          'weir.tags': { values: [{ stringValue: 'a' }, { stringValue: 'b' }] },
          'weir.property.feature': 'chat',
        },
        droppedAttributesCount: 0,
        events: [],
        droppedEventsCount: 0,
        status: { code: 0 },
        links: [],
        droppedLinksCount: 0,
        flags: 0x101,
      },
    ])
  })

  test('stream: the first chunk as an attribute in seconds and as an event', () => {
    const call = callOf(enrichedFrom(exchange({ streaming: true })))
    expect(call.attributes).toMatchObject({ 'gen_ai.request.stream': true, 'gen_ai.response.time_to_first_chunk': 0.9 })
    expect(call).toMatchObject({ events: [{ name: 'weir.first_chunk', timeUnixNano: '1795600800900200000' }] })
  })

  test('cache reads, cache writes in both spellings, reasoning, audio and images', () => {
    const usage = {
      ...chatUsage,
      cacheReadTokens: 600,
      cacheWriteTokens: 100,
      reasoningTokens: 40,
      inputAudioTokens: 5,
      outputImageTokens: 7,
    }
    const { attributes } = callOf(enrichedFrom(exchange(), { usage }))
    expect(attributes).toMatchObject({
      'gen_ai.usage.input_tokens': 1000,
      'gen_ai.usage.cache_read.input_tokens': 600,
      'gen_ai.usage.cache_write.input_tokens': 100,
      'gen_ai.usage.cache_creation.input_tokens': 100,
      'gen_ai.usage.reasoning.output_tokens': 40,
      'gen_ai.usage.audio.input_tokens': 5,
      'gen_ai.usage.image.output_tokens': 7,
    })
    expect(attributes).not.toHaveProperty('gen_ai.usage.audio.output_tokens')
  })

  test('an upstream error: the call is ERROR with its kind, the request to us is not (below 500)', () => {
    const event = exchange({
      status: 429,
      finishReason: null,
      error: { kind: 'rate_limit', code: 'rate_limit_exceeded', message: 'Slow down, please.' },
    })
    const [request, call] = asJson(enrichedFrom(event, { usage: noUsage('not_applicable') }))
    expect(call).toMatchObject({
      status: { code: 2, message: 'Slow down, please.' },
      attributes: { 'error.type': 'rate_limit', 'http.response.status_code': 429 },
    })
    expect(request).toMatchObject({ status: { code: 0 } })
    expect(request?.attributes).not.toHaveProperty('error.type')
    const [failing] = asJson(enrichedFrom({ ...event, status: 503, error: { kind: 'overloaded', code: '', message: '' } }))
    expect(failing).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'overloaded' } })
  })

  test('the description is cut at 256 bytes, never inside a character', () => {
    const message = `${'a'.repeat(255)}日本`
    const call = callOf(enrichedFrom(exchange({ status: 400, error: { kind: 'bad_request', code: '', message } })))
    expect(call).toMatchObject({ status: { message: 'a'.repeat(255) } })
  })

  test('refused by us: INTERNAL, nothing went upstream, unpriced values are absent', () => {
    const event = exchange({
      outcome: 'refused',
      status: 401,
      attempts: [],
      target: null,
      serverAddress: null,
      responseModel: null,
      responseId: null,
      finishReason: null,
      error: { kind: 'client', code: 'credential_mismatch', message: 'Two keys.' },
      marksUs: { admitted: null, sent: null, headers: null, firstByte: null, firstContent: null, lastByte: null, closed: 2_000 },
    })
    const cost = {
      ...chatCost,
      lines: [],
      inputUsd: null,
      outputUsd: null,
      ownUsd: null,
      totalUsd: null,
      status: 'not_billable' as const,
    }
    const [request, call] = asJson(enrichedFrom(event, { usage: noUsage('refused'), cost }))
    expect(call).toMatchObject({
      kind: 1,
      endTimeUnixNano: '1795600800002000000',
      status: { code: 2, message: 'Two keys.' },
      attributes: {
        'weir.outcome': 'refused',
        'weir.usage.source': 'none',
        'weir.usage.reason': 'refused',
        'weir.cost.status': 'not_billable',
        'weir.attempts': 0,
      },
    })
    for (const absent of [
      'gen_ai.usage.input_tokens',
      'gen_ai.usage.cost',
      'weir.cost.total',
      'server.address',
      'gen_ai.response.model',
    ])
      expect(call?.attributes).not.toHaveProperty(absent)
    expect(request).toMatchObject({ status: { code: 2 } })
  })

  test('the client left: unset, with the moment it went', () => {
    const event = exchange({
      streaming: true,
      outcome: 'client_abort',
      status: 200,
      marksUs: {
        admitted: 100,
        sent: 300,
        headers: 400_000,
        firstByte: 400_100,
        firstContent: 400_200,
        lastByte: 500_000,
        closed: 510_000,
      },
    })
    const [request, call] = asJson(enrichedFrom(event))
    expect(call).toMatchObject({
      kind: 3,
      status: { code: 0 },
      endTimeUnixNano: '1795600800500000000',
      events: [
        { name: 'weir.first_chunk', timeUnixNano: '1795600800400200000' },
        { name: 'weir.client_disconnect', timeUnixNano: '1795600800510000000' },
      ],
    })
    expect(request).toMatchObject({ status: { code: 0 } })
  })

  test.each([
    ['upstream_abort', 200],
    ['error_event', 200],
    ['stall', 504],
  ] as const)('%s is ERROR', (outcome, status) => {
    expect(callOf(enrichedFrom(exchange({ outcome, status })))).toMatchObject({ status: { code: 2 }, kind: 3 })
  })

  test('proxy_lost ends where it starts', () => {
    const event = exchange({
      outcome: 'proxy_lost',
      status: 0,
      attempts: [],
      marksUs: { admitted: 100, sent: null, headers: null, firstByte: null, firstContent: null, lastByte: null, closed: null },
    })
    const call = callOf(enrichedFrom(event, { usage: noUsage('lost') }))
    expect(call).toMatchObject({
      kind: 3,
      startTimeUnixNano: '1795600800000000000',
      endTimeUnixNano: '1795600800000000000',
      status: { code: 2 },
      attributes: { 'error.type': 'proxy_lost' },
    })
    expect(call.attributes).not.toHaveProperty('http.response.status_code')
  })

  test('unpriced: only the status tells of cost', () => {
    const cost = {
      ...chatCost,
      lines: [],
      inputUsd: null,
      outputUsd: null,
      ownUsd: null,
      totalUsd: null,
      status: 'unpriced' as const,
      reason: 'unknown_model',
    }
    const { attributes } = callOf(enrichedFrom(exchange(), { cost }))
    expect(attributes).toMatchObject({ 'weir.cost.status': 'unpriced', 'gen_ai.usage.input_tokens': 1000 })
    expect(attributes).not.toHaveProperty('gen_ai.usage.cost')
    expect(attributes).not.toHaveProperty('weir.cost.total')
  })

  test('relayed unread: named by its method, without gen_ai', () => {
    const event = exchange({
      operation: '',
      api: '',
      endpoint: 'GET /v1/files/{id}',
      requestModel: null,
      responseModel: null,
      responseId: null,
      finishReason: null,
    })
    const [request, call] = asJson(enrichedFrom(event, { usage: noUsage('not_applicable') }))
    expect(request).toMatchObject({ name: 'GET /v1/files/{id}', attributes: { 'url.path': '/v1/files/{id}' } })
    expect(call).toMatchObject({
      name: 'GET',
      kind: 3,
      attributes: { 'http.request.method': 'GET', 'server.address': 'api.openai.com' },
    })
    expect(Object.keys(call?.attributes ?? {}).filter((key) => key.startsWith('gen_ai'))).toEqual([])
  })
})

describe('ids and parents', () => {
  const trace = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', parentSpanId: '00f067aa0ba902b7', sampled: true }

  test('with a traceparent the caller owns the trace, and our SERVER span hangs below its span', () => {
    const [request, call] = asJson(enrichedFrom(exchange({ identity: { ...nobody, sessionId: 's1', trace } })))
    expect(request).toMatchObject({ traceId: trace.traceId, parentSpanId: trace.parentSpanId, flags: 0x301 })
    expect(call).toMatchObject({ traceId: trace.traceId, parentSpanId: request?.['spanId' as never], flags: 0x101 })
  })

  test('without one: one trace per session, else one per call', () => {
    expect(callOf(enrichedFrom(exchange()))).toMatchObject({ traceId: traceOfRequest })
    const ofSession = (id: string) => callOf(enrichedFrom(exchange({ id, identity: { ...nobody, sessionId: 's1' } })))
    expect(ofSession(idOf(1))['traceId' as never]).toBe(ofSession(idOf(2))['traceId' as never])
    expect(ofSession(idOf(1))['spanId' as never]).not.toBe(ofSession(idOf(2))['spanId' as never])
  })

  test('sampled 0: no export, unless the destination does not mind', () => {
    const unsampled = exchange({ identity: { ...nobody, trace: { ...trace, sampled: false } } })
    expect(wanted(unsampled, { respectSampled: true })).toBe(false)
    expect(wanted(unsampled, { respectSampled: false })).toBe(true)
    expect(wanted(exchange({ identity: { ...nobody, trace } }), { respectSampled: true })).toBe(true)
    expect(wanted(exchange(), { respectSampled: true })).toBe(true)
  })
})

describe('content', () => {
  const secret = 'MARKER-7731'
  const enriched = (): Enriched =>
    enrichedFrom(exchange(), {
      row: { input_preview: `${secret} in`, output_preview: `${secret} ${'🙂'.repeat(400)}` },
      bodies: asked({ model: 'm', temperature: 1, messages: [{ role: 'user', content: secret }], tools: [{ name: secret }] }),
    })
  const wire = (options: SpanOptions): string =>
    Buffer.from(JsonTraceSerializer.serializeRequest(callSpans(enriched(), resourceOf('w'), options)) ?? []).toString()

  test.each(['otlp', 'langfuse'] as const)(
    'none (%s): nothing of prompt, answer or tools is in a byte that leaves',
    (profile) => {
      expect(wire({ profile, content: 'none' })).not.toContain(secret)
    },
  )

  test('preview: 300 characters, never half of one', () => {
    const { attributes } = callOf(enriched(), { profile: 'otlp', content: 'preview' })
    expect(attributes['weir.preview.input']).toBe(`${secret} in`)
    expect([...String(attributes['weir.preview.output'])]).toHaveLength(300)
    expect(String(attributes['weir.preview.output'])).not.toContain('�')
  })
})

describe('langfuse', () => {
  const langfuse: SpanOptions = { profile: 'langfuse', content: 'none' }
  const identity: Exchange['identity'] = {
    ...nobody,
    userId: 'ada',
    sessionId: 's1',
    sessionName: 'Refund',
    properties: { plan: 'pro' },
    tags: ['x'],
    promptId: 'greet',
    promptVersion: '3',
  }

  test('one span; disjoint usage and cost that add up to the totals', () => {
    // 1,000 in = 270 plain + 600 read + 100 written + 30 audio (50, of which 20 are among the read ones).
    const usage = {
      ...chatUsage,
      cacheReadTokens: 600,
      cacheWriteTokens: 100,
      inputAudioTokens: 50,
      cacheReadAudioTokens: 20,
      reasoningTokens: 40,
    }
    const line = chatCost.lines[0] as (typeof chatCost.lines)[number]
    const cost = {
      ...chatCost,
      lines: [
        { ...line, amountUsd: '0.0001' },
        { ...line, unit: 'cache_read' as const, amountUsd: '0.00003' },
        { ...line, unit: 'cache_read_audio' as const, amountUsd: '0.00002' },
        { ...line, unit: 'web_search' as const, amountUsd: '0.01' },
        { ...line, unit: 'output' as const, amountUsd: null },
      ],
      totalUsd: '0.01015',
    }
    const spans = asJson(
      enrichedFrom(exchange({ streaming: true, identity }), { usage, cost, bodies: asked({ temperature: 0.2 }) }),
      langfuse,
    )
    expect(spans).toHaveLength(1)
    const { attributes } = spans[0] as (typeof spans)[number]
    expect(attributes).toMatchObject({
      'langfuse.user.id': 'ada',
      'langfuse.session.id': 's1',
      'langfuse.trace.name': 'Refund',
      'langfuse.trace.metadata.plan': 'pro',
      'langfuse.observation.type': 'generation',
      'langfuse.observation.model.name': 'gpt-4o-mini-2024-07-18',
      'langfuse.observation.model.parameters': '{"temperature":0.2}',
      'langfuse.observation.completion_start_time': '2026-11-25T10:00:00.900Z',
      'langfuse.observation.prompt.name': 'greet',
      'langfuse.observation.prompt.version': 3,
      'langfuse.observation.metadata.outcome': 'complete',
    })
    const parsed = (key: string): unknown => JSON.parse(String(attributes[`langfuse.observation.${key}`]))
    expect(parsed('usage_details')).toEqual({
      cache_read: 600,
      cache_write: 100,
      input_audio: 30,
      input: 270,
      reasoning: 40,
      output: 60,
      total: 1100,
    })
    expect(parsed('cost_details')).toEqual({ input: 0.0001, cache_read: 0.00005, other: 0.01, total: 0.01015 })
    expect(attributes).not.toHaveProperty('langfuse.observation.level')
  })

  test('an embedding, a failure, a client that left, an unpriced call', () => {
    const of = (more: Partial<Exchange>, parts?: Parameters<typeof enrichedFrom>[1]) =>
      callOf(enrichedFrom(exchange(more), parts), langfuse).attributes
    expect(of({ operation: 'embeddings' })).toMatchObject({
      'langfuse.observation.type': 'embedding',
      'langfuse.trace.name': 'embeddings gpt-4o-mini',
    })
    expect(of({ status: 500, error: { kind: 'server', code: '', message: 'boom' } })).toMatchObject({
      'langfuse.observation.level': 'ERROR',
      'langfuse.observation.status_message': 'boom',
    })
    expect(of({ outcome: 'client_abort' })).toMatchObject({ 'langfuse.observation.level': 'WARNING' })
    const unpriced = of({}, { cost: { ...chatCost, lines: [], totalUsd: null, status: 'unpriced' } })
    expect(unpriced).not.toHaveProperty('langfuse.observation.cost_details')
    expect(of({ identity: { ...nobody, promptId: 'p', promptVersion: 'v2' } })).not.toHaveProperty(
      'langfuse.observation.prompt.version',
    )
  })
})
