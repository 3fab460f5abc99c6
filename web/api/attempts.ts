import type { StoredRequest } from '../../clickhouse/queries/request-by-id.js'
import type { Attempt } from './contract.js'

/** The attempts of a call, each with what is known of it: the tokens of the last one are the call's. */
export const attemptsOf = (row: StoredRequest): Attempt[] =>
  row.attemptList.map(({ error_kind, start_us, end_us, cost, ...attempt }, index) => {
    const facts = row.attemptFacts.find(({ n }) => n === attempt.n)
    const { input_tokens, output_tokens } =
      index === row.attemptList.length - 1
        ? { input_tokens: row.inputTokens, output_tokens: row.outputTokens }
        : (facts ?? { input_tokens: null, output_tokens: null })
    return {
      ...attempt,
      errorKind: error_kind,
      startUs: start_us,
      endUs: end_us,
      inputTokens: input_tokens,
      outputTokens: output_tokens,
      costUsd: cost,
      replayed: facts?.replayed ?? false,
    }
  })
