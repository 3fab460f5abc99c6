import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeExchange, nobody, type Exchange } from '../core/exchange.js'
import type { Cost } from '../core/prices/cost.js'
import { noUsage, type Usage } from '../core/usage.js'
import type { Gap, Plan, Progress, Source, SourceRecord } from '../journal/port.js'
import type { BodiesRow, Enriched, RequestRow } from './enrich/enriched.js'
import { traceIds } from './enrich/trace-ids.js'

/** An empty folder that goes away with the test. */
export const testFolder = (after: (undo: () => void) => void): string => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-ingest-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A UUIDv7 of 2026-11-25T10:00:00Z with a number in it. */
export const idOf = (n: number): string => `019ab000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`

/** A plain chat call of 1.5 s: 1,000 tokens in, 100 out, without bodies. */
export const exchange = (more: Partial<Exchange> = {}): Exchange => ({
  v: 1,
  id: idOf(1),
  kind: 'end',
  tenant: 'default',
  writer: 'writer-a',
  seq: 1,
  startedAt: '2026-11-25T10:00:00.000Z',
  marksUs: {
    admitted: 100,
    sent: 300,
    headers: 900_000,
    firstByte: 900_100,
    firstContent: 900_200,
    lastByte: 1_500_000,
    closed: 1_500_100,
  },
  operation: 'chat',
  provider: 'openai',
  api: 'chat',
  endpoint: 'POST /v1/chat/completions',
  target: 'openai',
  serverAddress: 'api.openai.com:443',
  streaming: false,
  requestModel: 'gpt-4o-mini',
  responseModel: 'gpt-4o-mini-2024-07-18',
  responseId: 'chatcmpl-1',
  finishReason: 'stop',
  status: 200,
  outcome: 'complete',
  error: null,
  attempts: [
    {
      target: 'openai',
      provider: 'openai',
      model: 'gpt-4o-mini',
      status: 200,
      errorKind: '',
      startUs: 300,
      endUs: 1_500_000,
      usageRaw: [],
    },
  ],
  usageRaw: [{ source: 'usage', json: '{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}' }],
  priceFacts: {},
  counts: { reqBytes: 100, resBytes: 200, chunks: 1, events: 1, contentChars: 20, toolCalls: 0 },
  sha256: { req: null, res: null },
  reqHeaders: [['user-agent', 'test/1.0']],
  resHeaders: [],
  reqBody: null,
  resBody: null,
  identity: nobody,
  cache: null,
  guardrails: [],
  altered: [],
  warnings: [],
  notes: [],
  retentionDays: { rows: 400, bodies: 30 },
  ...more,
})

const pieces = (stored: Exchange['reqBody']) =>
  stored === null
    ? null
    : { pieces: [stored.bytes], length: stored.bytes.length, encoding: stored.encoding, truncated: stored.truncated }

/** The record's payload, as the proxy writes it. */
export const payloadOf = (event: Exchange): Buffer =>
  Buffer.concat(encodeExchange({ ...event, reqBody: pieces(event.reqBody), resBody: pieces(event.resBody) }))

export interface MemorySource extends Source {
  gaps(partition: string): Promise<readonly Gap[]>
  tell(partition: string, gap: Gap): void
  append(partition: string, payload: Buffer, doubt?: boolean): void
  /** Every plan and commit that took effect, in order. */
  readonly log: string[]
  /** Called before and after each step that changes something; a promise that never resolves is a killed process. */
  step: (name: string) => Promise<void> | undefined
}

/** A `Source` over arrays. Positions go up by 10, so that they are never mistaken for counts; they outlive its consumers. */
export const memorySource = (): MemorySource => {
  const partitions = new Map<string, SourceRecord[]>()
  const positions = new Map<string, Progress>()
  const gaps = new Map<string, Gap[]>()
  const log: string[] = []
  const recordsOf = (partition: string): SourceRecord[] => {
    const known = partitions.get(partition) ?? []
    partitions.set(partition, known)
    return known
  }
  const source: MemorySource = {
    log,
    step: () => undefined,
    append(partition, payload, doubt = false) {
      const records = recordsOf(partition)
      const at = 100 + records.length * 10
      records.push({ at, next: at + 10, payload, doubt })
    },
    gaps: async (partition) => gaps.get(partition) ?? [],
    tell(partition, gap) {
      gaps.set(partition, [...(gaps.get(partition) ?? []), gap])
    },
    partitions: async () => [...partitions.keys()],
    async read(partition, from, max, maxBytes) {
      const found: SourceRecord[] = []
      let bytes = 0
      for (const record of recordsOf(partition)) {
        if (record.at < from) continue
        if (found.length >= max || (found.length > 0 && bytes + record.payload.length > maxBytes)) break
        found.push(record)
        bytes += record.payload.length
      }
      return found
    },
    progress: async (partition, consumer) => positions.get(`${partition}/${consumer}`) ?? { committed: 0, planned: null },
    async plan(partition, consumer, plan: Plan) {
      await source.step('before plan')
      const key = `${partition}/${consumer}`
      positions.set(key, { committed: positions.get(key)?.committed ?? 0, planned: plan })
      log.push(`plan ${key} ${plan.first}-${plan.last}`)
      await source.step('after plan')
    },
    async commit(partition, consumer, next) {
      await source.step('before commit')
      positions.set(`${partition}/${consumer}`, { committed: next, planned: null })
      log.push(`commit ${partition}/${consumer} ${next}`)
      gaps.set(
        partition,
        (gaps.get(partition) ?? []).filter((gap) => gap.at >= next),
      )
      await source.step('after commit')
    },
    async lagBytes(consumer) {
      let bytes = 0
      for (const [partition, records] of partitions) {
        const { committed } = positions.get(`${partition}/${consumer}`) ?? { committed: 0 }
        for (const record of records) if (record.at >= committed) bytes += record.payload.length
      }
      return bytes
    },
    close: async () => undefined,
  }
  return source
}

/** A chat call's usage: 1,000 in, 100 out, nothing else told. */
export const chatUsage: Usage = {
  ...noUsage('not_on_wire'),
  inputTokens: 1000,
  outputTokens: 100,
  usageSource: 'wire',
  reason: null,
}

/** gpt-4o-mini, 0.15 and 0.60 USD per million: 1,000 x 0.15 / 10^6 + 100 x 0.60 / 10^6 = 0.00021 USD. */
export const chatCost: Cost = {
  lines: [
    {
      unit: 'input',
      model: 'gpt-4o-mini',
      attempt: 1,
      part: null,
      quantity: 1000,
      unitPriceUsd: '0.15',
      per: 1_000_000,
      multiplier: '1',
      amountUsd: '0.00015',
      from: 'base',
    },
    {
      unit: 'output',
      model: 'gpt-4o-mini',
      attempt: 1,
      part: null,
      quantity: 100,
      unitPriceUsd: '0.6',
      per: 1_000_000,
      multiplier: '1',
      amountUsd: '0.00006',
      from: 'base',
    },
  ],
  inputUsd: '0.00015',
  outputUsd: '0.00006',
  otherUsd: null,
  ownUsd: '0.00021',
  providerUsd: null,
  totalUsd: '0.00021',
  savedUsd: null,
  status: 'exact',
  reason: null,
  priceId: 'test',
}

/**
 * An enriched call from figures worked out by hand, for tests of what comes after enriching: the price book moves on,
 * and what is inserted or exported here must not move with it.
 */
export const enrichedFrom = (
  event: Exchange,
  {
    usage = chatUsage,
    cost = chatCost,
    row: rowParts = {},
    bodies = null,
  }: { usage?: Usage; cost?: Cost; row?: Partial<RequestRow>; bodies?: BodiesRow | null } = {},
  position: { source: string; offset: number } = { source: event.writer, offset: 0 },
): Enriched => {
  const trace = traceIds(event)
  const row: RequestRow = {
    tenant_id: event.tenant,
    ts: event.startedAt.replace('T', ' ').replace('Z', ''),
    request_id: event.id,
    ver: 1,
    source: position.source,
    source_offset: position.offset,
    retention_days: event.retentionDays.rows,
    client_request_id: event.identity.clientRequestId ?? '',
    trace_id: trace.traceId,
    parent_span_id: trace.parentSpanId,
    inbound_span_id: '',
    sampled: trace.sampled,
    server_address: event.serverAddress ?? '',
    session_id: event.identity.sessionId ?? '',
    session_name: event.identity.sessionName ?? '',
    session_path: event.identity.sessionPath ?? '',
    user_id: event.identity.userId ?? '',
    key_id: event.identity.keyId,
    properties: event.identity.properties,
    tags: event.identity.tags,
    operation: event.operation,
    provider: event.provider,
    api: event.api,
    endpoint: event.endpoint,
    target: event.target ?? '',
    request_model: event.requestModel ?? '',
    response_model: event.responseModel ?? '',
    model: event.responseModel ?? event.requestModel ?? '',
    response_id: event.responseId ?? '',
    service_tier: usage.serviceTier ?? '',
    region: usage.region ?? '',
    streaming: event.streaming,
    status: event.status,
    outcome: event.outcome,
    error_kind: event.error?.kind ?? '',
    error_code: event.error?.code ?? '',
    error_message: event.error?.message ?? '',
    finish_reason: event.finishReason ?? '',
    attempts: event.attempts.map((attempt, i) => [
      i + 1,
      attempt.target,
      attempt.provider,
      attempt.model,
      attempt.status,
      attempt.errorKind,
      attempt.startUs,
      attempt.endUs,
      i + 1 === event.attempts.length ? cost.totalUsd : null,
    ]),
    attempt_facts: [],
    passed_over: [],
    cache_status: '',
    cached_from: '00000000-0000-0000-0000-000000000000',
    saved_tokens: null,
    saved_ms: 0,
    guardrails: event.guardrails,
    altered: event.altered,
    warnings: event.warnings,
    total_ms: event.marksUs.lastByte === null ? null : Math.round(event.marksUs.lastByte / 1000),
    time_to_first_chunk_ms: event.marksUs.firstContent === null ? null : Math.round(event.marksUs.firstContent / 1000),
    overhead_us: 0,
    marks_us: {},
    req_bytes: event.counts.reqBytes,
    res_bytes: event.counts.resBytes,
    tool_calls: event.counts.toolCalls,
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cache_read_tokens: usage.cacheReadTokens,
    cache_write_tokens: usage.cacheWriteTokens,
    cache_write_5m_tokens: usage.cacheWrite5mTokens,
    cache_write_1h_tokens: usage.cacheWrite1hTokens,
    reasoning_tokens: usage.reasoningTokens,
    input_audio_tokens: usage.inputAudioTokens,
    output_audio_tokens: usage.outputAudioTokens,
    input_image_tokens: usage.inputImageTokens,
    output_image_tokens: usage.outputImageTokens,
    cache_read_audio_tokens: usage.cacheReadAudioTokens,
    cache_read_image_tokens: usage.cacheReadImageTokens,
    usage_extra: usage.extra,
    usage_source: usage.usageSource,
    usage_reason: usage.reason ?? '',
    usage_notes: usage.notes,
    usage_raw: '',
    price_facts: {},
    cost_input: cost.inputUsd,
    cost_output: cost.outputUsd,
    cost_other: cost.otherUsd,
    cost_provider: cost.providerUsd,
    cost_total: cost.totalUsd,
    cost_saved: cost.savedUsd,
    cost_status: cost.status,
    cost_reason: cost.reason ?? '',
    price_id: cost.priceId,
    cost_lines: cost.lines.map((line) => [
      line.unit,
      line.model,
      line.attempt,
      line.part ?? 0,
      String(line.quantity),
      line.unitPriceUsd,
      line.per,
      line.multiplier,
      line.amountUsd,
      line.from,
    ]),
    prompt_id: event.identity.promptId ?? '',
    prompt_version: event.identity.promptVersion ?? '',
    prompt_hash: '0',
    input_preview: '',
    output_preview: '',
    ...rowParts,
  }
  return { exchange: event, usage, cost, row, bodies }
}
