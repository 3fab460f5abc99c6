import { hash } from 'node:crypto'
import { readConversation } from '../../core/conversation.js'
import type { Exchange } from '../../core/exchange.js'
import type { Conversation } from '../../core/messages.js'
import type { PriceBook } from '../../core/prices/book.js'
import { givenUpOf } from '../../core/prices/given-up.js'
import type { Cost } from '../../core/prices/cost.js'
import { price } from '../../core/prices/price.js'
import { maskSecrets } from '../../core/redact.js'
import { readUsage } from '../../core/usage-reader.js'
import { noUsage, type Usage } from '../../core/usage.js'
import { attemptFactsTuples, attemptTuples, passedOverTuples } from './attempts.js'
import { bodyText, type BodyText } from './decode-body.js'
import type { BodiesRow, CostLineTuple, Enriched, RequestRow } from './enriched.js'
import { completeUsage } from './estimate.js'
import { nothingKnown, type Known } from './known.js'
import { inputPreview, outputPreview, wellFormed } from './preview.js'
import { text, uint32 } from './columns.js'
import { traceIds } from './trace-ids.js'
import { trustsCostByDefault, type TrustsCost } from './trusts-cost.js'

const noUuid = '00000000-0000-0000-0000-000000000000'

const msOf = (us: number | null): number | null => (us === null ? null : uint32(us / 1000))

/** `2026-11-25T10:00:00.123Z` in ClickHouse's own form. */
const timestamp = (iso: string): string => iso.replace('T', ' ').replace('Z', '')

/**
 * Groups calls by prompt where none was named: the system text of a call, as its first 8 bytes of SHA-256. 0 without one.
 */
const promptHash = (conversation: Conversation | null): string => {
  const system = conversation?.messages.slice(0, conversation.answerAt).filter(({ role }) => role === 'system') ?? []
  const said = system.flatMap(({ blocks }) => blocks.map((block) => (block.type === 'text' ? block.text : ''))).join('\n')
  return said === '' ? '0' : BigInt(`0x${hash('sha256', said, 'hex').slice(0, 16)}`).toString()
}

/** The family whose form the bodies have; an API has one form at all providers. */
const familyOf = (api: string): string => {
  switch (api) {
    case 'messages':
    case 'count_tokens':
      return 'anthropic'
    case 'generate_content':
    case 'embed_content':
    case 'count_content_tokens':
    case 'interactions':
    case 'predict':
      return 'gemini'
    case 'responses':
      return 'openai-responses'
    default:
      return 'openai-chat'
  }
}

const costLineTuples = ({ lines }: Cost): readonly CostLineTuple[] =>
  lines.map((line) => [
    line.unit,
    line.model,
    line.attempt,
    line.part === null ? 0 : line.part + 1,
    String(line.quantity),
    line.unitPriceUsd,
    line.per,
    line.multiplier,
    line.amountUsd,
    line.from,
  ])

const marks = ({ marksUs, committedUs }: Exchange): Record<string, number> => {
  const reached: Record<string, number> = {}
  for (const [mark, us] of Object.entries(marksUs)) if (us !== null) reached[mark] = uint32(us)
  if (committedUs !== undefined) reached.committed = uint32(committedUs)
  return reached
}

/** Time spent in us: until the call was sent on, and after the last byte had come. */
const overheadUs = ({ marksUs: { sent, lastByte, closed } }: Exchange): number =>
  uint32((sent ?? closed ?? 0) + (sent !== null && lastByte !== null && closed !== null ? Math.max(0, closed - lastByte) : 0))

const headerTuples = (headers: Exchange['reqHeaders']): [string, string][] =>
  headers.map(([name, value]) => [name, maskSecrets(wellFormed(value))])

const bodiesRow = (exchange: Exchange, request: BodyText, response: BodyText): BodiesRow | null => {
  const { reqHeaders, resHeaders } = exchange
  if (request.state === 'none' && response.state === 'none' && reqHeaders.length + resHeaders.length === 0) return null
  return {
    tenant_id: exchange.tenant,
    ts: timestamp(exchange.startedAt),
    request_id: exchange.id,
    ver: 1,
    retention_days: exchange.retentionDays.bodies,
    request_body: maskSecrets(request.text),
    response_body: maskSecrets(response.text),
    request_state: request.state,
    response_state: response.state,
    request_sha256: exchange.sha256.req ?? '',
    response_sha256: exchange.sha256.res ?? '',
    spill: exchange.spill ?? '',
    request_headers: headerTuples(reqHeaders),
    response_headers: headerTuples(resHeaders),
  }
}

/** What was asked for and, of a response that was read again, what was charged for it before: exporters take the verdict from here. */
const priceFacts = ({ priceFacts: asked }: Exchange, { charged }: Known): Record<string, string> => {
  const facts = Object.fromEntries(Object.entries(asked).map(([fact, value]) => [fact, wellFormed(String(value))]))
  return charged === null ? facts : { ...facts, charged_usd: charged.usd, charged_source: charged.source }
}

/** `null` where a part is not known. */
const totalTokens = ({ inputTokens, outputTokens }: Usage): number | null =>
  inputTokens === null || outputTokens === null ? null : inputTokens + outputTokens

/** Where the event stood in its log: part of the row, so that a second delivery is the same row. */
export interface Position {
  readonly source: string
  readonly offset: number
}

interface EnrichOptions {
  readonly book: PriceBook
  readonly known?: Known
  /** Default: as of the built-in providers. */
  readonly trustsCost?: TrustsCost
}

/**
 * Works out everything a row holds from one `end` event: tokens, cost, trace, previews, decoded bodies.
 *
 * Pure: the same event, position, price book and knowledge give equal rows, byte for byte, so a batch that is sent twice is the same
 * batch. Never throws for what a provider or a caller sent.
 *
 * @param known What was asked for before (`prepare.ts`); without it, what nobody told is counted roughly.
 */
export const enrich = (
  exchange: Exchange,
  position: Position,
  { book, known = nothingKnown, trustsCost = trustsCostByDefault }: EnrichOptions,
): Enriched => {
  const { identity, api, counts } = exchange
  const request = bodyText(exchange.reqBody, counts.reqBytes)
  const response = bodyText(exchange.resBody, counts.resBytes)
  const conversation = readConversation({
    family: familyOf(api),
    api,
    requestBody: request.text,
    responseBody: response.text,
    streaming: exchange.streaming,
  })
  const told = known.usage ?? readUsage(exchange.provider, api, exchange.usageRaw, exchange)
  const isHit = exchange.cache?.status === 'hit'
  // What stands in the answer of a hit was used by the original: here it is what was saved.
  const usage = isHit ? noUsage('cached') : completeUsage(told, exchange, { counts: known.counts, conversation })
  const givenUp = exchange.attempts.length < 2 ? [] : givenUpOf(exchange.attempts.slice(0, -1), exchange.api, usage.inputTokens)
  const facts = {
    provider: exchange.provider,
    api,
    endpoint: exchange.endpoint,
    // Whatever became of it on the way to its client: nobody was asked.
    outcome: isHit ? 'cached' : exchange.outcome,
    status: exchange.status,
    // Who names the model to price names it whatever the answer calls itself.
    requestModel: identity.modelOverride ?? exchange.requestModel,
    responseModel: identity.modelOverride === null ? exchange.responseModel : null,
    serverAddress: exchange.serverAddress,
    asked: exchange.priceFacts,
    attempt: Math.max(1, exchange.attempts.length),
    trustCost: trustsCost(exchange.provider),
    charged: known.charged,
    ...(givenUp.length === 0 ? {} : { givenUp }),
  }
  const cost = price(isHit ? told : usage, facts, new Date(exchange.startedAt), book)
  const trace = traceIds(exchange)
  const row: RequestRow = {
    tenant_id: exchange.tenant,
    ts: timestamp(exchange.startedAt),
    request_id: exchange.id,
    ver: 1,
    source: position.source,
    source_offset: position.offset,
    retention_days: exchange.retentionDays.rows,
    client_request_id: text(identity.clientRequestId),
    trace_id: trace.traceId,
    parent_span_id: trace.parentSpanId,
    inbound_span_id: '',
    sampled: trace.sampled,
    server_address: exchange.serverAddress ?? '',
    session_id: text(identity.sessionId),
    session_name: text(identity.sessionName),
    session_path: text(identity.sessionPath),
    user_id: text(identity.userId),
    key_id: identity.keyId,
    properties: identity.properties,
    tags: identity.tags,
    operation: exchange.operation,
    provider: exchange.provider,
    api,
    endpoint: exchange.endpoint,
    target: text(exchange.target),
    request_model: text(exchange.requestModel),
    response_model: text(exchange.responseModel),
    model: text(identity.modelOverride ?? exchange.responseModel ?? exchange.requestModel),
    response_id: text(exchange.responseId),
    service_tier: text(usage.serviceTier),
    region: text(usage.region),
    streaming: exchange.streaming,
    status: exchange.status,
    outcome: exchange.outcome,
    error_kind: exchange.error?.kind ?? '',
    error_code: text(exchange.error?.code ?? null),
    error_message: text(exchange.error?.message ?? null),
    finish_reason: text(exchange.finishReason),
    attempts: attemptTuples(exchange, cost),
    attempt_facts: attemptFactsTuples(exchange, givenUp),
    passed_over: passedOverTuples(exchange),
    cache_status: exchange.cache?.status ?? '',
    cached_from: exchange.cache?.originalId ?? noUuid,
    saved_tokens: isHit ? totalTokens(told) : null,
    saved_ms: uint32(exchange.cache?.savedMs ?? 0),
    guardrails: exchange.guardrails,
    altered: exchange.altered,
    warnings: exchange.warnings,
    total_ms: msOf(exchange.marksUs.closed ?? exchange.marksUs.lastByte),
    time_to_first_chunk_ms: exchange.streaming ? msOf(exchange.marksUs.firstContent) : null,
    overhead_us: overheadUs(exchange),
    marks_us: marks(exchange),
    req_bytes: counts.reqBytes,
    res_bytes: counts.resBytes,
    tool_calls: Math.min(counts.toolCalls, 65_535),
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
    usage_notes: [...usage.notes, ...exchange.notes.filter((note) => !usage.notes.includes(note))],
    usage_raw: exchange.usageRaw.length === 0 ? '' : JSON.stringify(exchange.usageRaw),
    price_facts: priceFacts(exchange, known),
    cost_input: cost.inputUsd,
    cost_output: cost.outputUsd,
    cost_other: cost.otherUsd,
    cost_provider: cost.providerUsd,
    cost_total: cost.totalUsd,
    cost_saved: cost.savedUsd,
    cost_status: cost.status,
    cost_reason: cost.reason ?? '',
    price_id: cost.priceId,
    cost_lines: costLineTuples(cost),
    prompt_id: text(identity.promptId),
    prompt_version: text(identity.promptVersion),
    prompt_hash: promptHash(conversation),
    input_preview: conversation === null ? '' : maskSecrets(inputPreview(conversation)),
    output_preview: conversation === null ? '' : maskSecrets(outputPreview(conversation)),
  }
  return { exchange, usage, cost, row, bodies: bodiesRow(exchange, request, response) }
}
