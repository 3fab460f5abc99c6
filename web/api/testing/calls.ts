/** Calls made up by the tests, and what they add up to. Nothing here asks the store: figures are worked out from the calls in memory. */
export interface MadeCall {
  readonly id: string
  readonly atMs: number
  readonly source: string
  readonly offset: number
  readonly provider: string
  readonly model: string
  readonly userId: string
  readonly sessionId: string
  readonly feature: string | null
  readonly outcome: string
  readonly errorKind: string
  readonly status: number
  readonly costPico: bigint | null
  readonly costStatus: string
  readonly savedPico: bigint
  readonly savedMs: number
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  readonly cacheReadTokens: number | null
  readonly usageSource: string
  readonly totalMs: number | null
  readonly firstChunkMs: number | null
  readonly inputPreview: string
}

/** Numbers that look random and are the same each time. */
export const dice = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

/** A UUIDv7 of that time whose tail is `n`. */
export const idAt = (ms: number, n: number): string => {
  const time = ms.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${((n * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0')}${n.toString(16).padStart(4, '0')}`
}

const models = [
  { provider: 'openai', model: 'gpt-5', inPico: 1_250_000n, outPico: 10_000_000n },
  { provider: 'openai', model: 'gpt-5-mini', inPico: 250_000n, outPico: 2_000_000n },
  { provider: 'anthropic', model: 'claude-sonnet-4-6', inPico: 3_000_000n, outPico: 15_000_000n },
  { provider: 'gemini', model: 'gemini-3-flash', inPico: 300_000n, outPico: 2_500_000n },
  { provider: 'my-vllm', model: 'llama-own', inPico: null, outPico: null },
] as const
const users = ['ada', 'grace', 'linus', 'müller', "o'hara", '']
const features = ['search', 'smart chat', null, 'a=b']
const kinds = ['rate_limit', 'server', 'timeout_ttft'] as const

/** `count` calls spread over the `spanMs` before `endMs`, several in the same millisecond. */
export const madeCalls = ({
  count,
  endMs,
  spanMs,
  seed = 7,
  source = 'w1',
}: {
  count: number
  endMs: number
  spanMs: number
  seed?: number
  source?: string
}): MadeCall[] => {
  const roll = dice(seed)
  return Array.from({ length: count }, (_, i) => {
    const of = models[roll(models.length)] as (typeof models)[number]
    const fate = roll(20)
    const failed = fate < 3
    const cached = fate === 3
    const inputTokens = failed || cached ? null : 50 + roll(4000)
    const outputTokens = failed || cached ? null : 1 + roll(900)
    const priced = of.inPico !== null && inputTokens !== null && outputTokens !== null
    // Every third call shares its millisecond with the one before.
    const step = Math.floor((i - (i % 3 === 2 ? 1 : 0)) * (spanMs / count))
    const atMs = Math.floor(endMs - spanMs + step)
    const totalMs = failed && fate === 0 ? null : 100 + roll(5000)
    const billable = priced ? BigInt(inputTokens) * of.inPico + BigInt(outputTokens) * of.outPico : null
    return {
      id: idAt(atMs, i),
      atMs,
      source,
      offset: (i + 1) * 100,
      provider: of.provider,
      model: of.model,
      userId: users[roll(users.length)] as string,
      sessionId: roll(3) === 0 ? '' : `s-${String(roll(25))}`,
      feature: features[roll(features.length)] as string | null,
      outcome: cached ? 'cached' : failed && fate === 0 ? 'client_abort' : 'complete',
      errorKind: failed ? (kinds[fate % 3] as string) : '',
      status: failed ? (fate === 1 ? 500 : 429) : 200,
      costPico: failed || cached ? 0n : billable,
      costStatus: failed || cached ? 'not_billable' : priced ? 'exact' : 'unpriced',
      savedPico: cached ? 1_234_567_890n : 0n,
      savedMs: cached ? 800 : 0,
      inputTokens,
      outputTokens,
      cacheReadTokens: inputTokens === null ? null : Math.floor(inputTokens / 3),
      usageSource: inputTokens === null ? 'none' : roll(15) === 0 ? 'estimated' : 'wire',
      totalMs,
      firstChunkMs: totalMs === null || roll(2) === 0 ? null : Math.floor(totalMs / 4),
      inputPreview: `question ${String(i)} of the user`,
    }
  })
}

/** 10^-12 USD as the API writes it: no trailing zeros. */
export const usd = (pico: bigint): string => {
  const text = pico.toString().padStart(13, '0')
  return `${text.slice(0, -12)}.${text.slice(-12)}`.replace(/\.?0+$/, '')
}

const stamp = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace('Z', '')

/** A line of JSONEachRow for the table `requests`. */
export const rowOf = (call: MadeCall, tenant = 'default'): Record<string, unknown> => ({
  tenant_id: tenant,
  ts: stamp(call.atMs),
  request_id: call.id,
  ver: 1,
  source: call.source,
  source_offset: call.offset,
  retention_days: 400,
  properties: call.feature === null ? {} : { feature: call.feature },
  user_id: call.userId,
  session_id: call.sessionId,
  session_name: call.sessionId === '' ? '' : `Session ${call.sessionId}`,
  operation: 'chat',
  provider: call.provider,
  api: 'chat',
  endpoint: 'POST /v1/chat/completions',
  request_model: call.model,
  response_model: call.model,
  model: call.model,
  streaming: call.firstChunkMs !== null,
  status: call.status,
  outcome: call.outcome,
  error_kind: call.errorKind,
  total_ms: call.totalMs,
  time_to_first_chunk_ms: call.firstChunkMs,
  saved_ms: call.savedMs,
  input_tokens: call.inputTokens,
  output_tokens: call.outputTokens,
  cache_read_tokens: call.cacheReadTokens,
  usage_source: call.usageSource,
  cost_total: call.costPico === null ? null : usd(call.costPico),
  cost_saved: usd(call.savedPico),
  cost_status: call.costStatus,
  cost_reason: call.costStatus === 'unpriced' ? 'no price' : '',
  input_preview: call.inputPreview,
})

export const linesOf = (rows: readonly Record<string, unknown>[]): Buffer =>
  Buffer.from(rows.map((row) => JSON.stringify(row)).join('\n'))

export const sum = (calls: readonly MadeCall[], of: (call: MadeCall) => number | null): number =>
  calls.reduce((total, call) => total + (of(call) ?? 0), 0)
export const cost = (calls: readonly MadeCall[]): string => usd(calls.reduce((total, call) => total + (call.costPico ?? 0n), 0n))

/** Calls by key, dearest first. */
export const byCost = (
  calls: readonly MadeCall[],
  key: (call: MadeCall) => string | null,
): { key: string; calls: MadeCall[]; costUsd: string }[] => {
  const groups = new Map<string, MadeCall[]>()
  for (const call of calls) {
    const k = key(call)
    if (k !== null) groups.set(k, [...(groups.get(k) ?? []), call])
  }
  return [...groups]
    .map(([k, of]) => ({
      key: k,
      calls: of,
      costUsd: cost(of),
      pico: of.reduce((total, call) => total + (call.costPico ?? 0n), 0n),
    }))
    .sort((a, b) => (a.pico === b.pico ? b.calls.length - a.calls.length : a.pico < b.pico ? 1 : -1))
    .map(({ key: k, calls: of, costUsd }) => ({ key: k, calls: of, costUsd }))
}
