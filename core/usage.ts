/** Tokens: an integer >= 0, or `null` = the provider did not tell. */
export type Tokens = number | null

/**
 * What a call used, in one shape for all providers (wire.md §3). `inputTokens` and `outputTokens` are ALL tokens: input with
 * cache reads, cache writes and tool-use prompt; output with reasoning. The others are parts of these two.
 */
export interface Usage {
  readonly inputTokens: Tokens
  readonly outputTokens: Tokens
  readonly cacheReadTokens: Tokens
  readonly cacheWriteTokens: Tokens
  /** Parts of `cacheWriteTokens`; `null` = the lifetime was not told. */
  readonly cacheWrite5mTokens: Tokens
  readonly cacheWrite1hTokens: Tokens
  readonly reasoningTokens: Tokens
  readonly inputAudioTokens: Tokens
  readonly outputAudioTokens: Tokens
  readonly inputImageTokens: Tokens
  readonly outputImageTokens: Tokens
  readonly cacheReadAudioTokens: Tokens
  readonly cacheReadImageTokens: Tokens
  /** Other counted things: `web_search_requests`, `tool_use_prompt_tokens`, `images`, `pages`, `audio_seconds` ... */
  readonly extra: Readonly<Record<string, number>>
  /** Anthropic iterations, each at its own model; the totals above are their sum. */
  readonly parts: readonly UsagePart[]
  readonly serviceTier: string | null
  readonly region: string | null
  /** Decimal USD told on the wire. */
  readonly providerCostUsd: string | null
  readonly usageSource: 'wire' | 'header' | 'estimated' | 'none'
  /** Explains `none` and `estimated`. */
  readonly reason: null | 'not_on_wire' | 'cut' | 'unreadable' | 'cached' | 'refused' | 'lost' | 'not_applicable'
  /** `clamped_cache_read`, `total_mismatch`, `malformed` ... */
  readonly notes: readonly string[]
}

export interface UsagePart extends Omit<Usage, 'parts'> {
  readonly type: string
  readonly model: string | null
}

/** A usage in which nothing is known, for the given reason. */
export const noUsage = (reason: NonNullable<Usage['reason']>, notes: readonly string[] = []): Usage => ({
  inputTokens: null,
  outputTokens: null,
  cacheReadTokens: null,
  cacheWriteTokens: null,
  cacheWrite5mTokens: null,
  cacheWrite1hTokens: null,
  reasoningTokens: null,
  inputAudioTokens: null,
  outputAudioTokens: null,
  inputImageTokens: null,
  outputImageTokens: null,
  cacheReadAudioTokens: null,
  cacheReadImageTokens: null,
  extra: {},
  parts: [],
  serviceTier: null,
  region: null,
  providerCostUsd: null,
  usageSource: 'none',
  reason,
  notes,
})
