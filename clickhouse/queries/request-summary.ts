import { iso } from './scope.js'

export interface RequestSummary {
  readonly id: string
  readonly at: string
  readonly operation: string
  readonly provider: string
  readonly api: string
  readonly endpoint: string
  readonly target: string
  readonly requestModel: string
  readonly responseModel: string
  readonly model: string
  readonly streaming: boolean
  readonly status: number
  readonly outcome: string
  readonly errorKind: string
  readonly errorCode: string
  readonly errorMessage: string
  readonly finishReason: string
  readonly userId: string
  readonly sessionId: string
  readonly sessionName: string
  readonly sessionPath: string
  readonly keyId: string
  readonly clientRequestId: string
  readonly traceId: string
  readonly properties: Record<string, string>
  readonly tags: string[]
  readonly costUsd: string | null
  readonly costStatus: string
  readonly costReason: string
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  readonly cacheReadTokens: number | null
  readonly cacheWriteTokens: number | null
  readonly reasoningTokens: number | null
  readonly usageSource: string
  readonly usageReason: string
  readonly totalMs: number | null
  readonly firstChunkMs: number | null
  readonly attempts: number
  readonly cacheStatus: string
  readonly toolCalls: number
  readonly inputPreview: string
  readonly outputPreview: string
}

/** A summary as the engine writes it: the time in milliseconds, as text. */
export type SummaryRow = Omit<RequestSummary, 'at' | 'attempts'> & { readonly atMs: string; readonly sent: string }

/** The columns of a summary, named as its fields. */
export const summaryColumns = `toString(request_id) AS id, toUnixTimestamp64Milli(ts) AS atMs, operation, provider, api, endpoint, target,
  request_model AS requestModel, response_model AS responseModel, model, streaming, status, outcome, error_kind AS errorKind,
  error_code AS errorCode, error_message AS errorMessage, finish_reason AS finishReason, user_id AS userId, session_id AS sessionId,
  session_name AS sessionName, session_path AS sessionPath, key_id AS keyId, client_request_id AS clientRequestId, trace_id AS traceId,
  properties, tags, toString(cost_total) AS costUsd, cost_status AS costStatus, cost_reason AS costReason, input_tokens AS inputTokens,
  output_tokens AS outputTokens, cache_read_tokens AS cacheReadTokens, cache_write_tokens AS cacheWriteTokens,
  reasoning_tokens AS reasoningTokens, usage_source AS usageSource, usage_reason AS usageReason, total_ms AS totalMs,
  time_to_first_chunk_ms AS firstChunkMs, length(attempts) AS sent, cache_status AS cacheStatus, tool_calls AS toolCalls,
  input_preview AS inputPreview, output_preview AS outputPreview`

export const summaryOf = ({ atMs, sent, ...rest }: SummaryRow): RequestSummary => ({
  ...rest,
  at: iso(atMs),
  attempts: Number(sent),
})
