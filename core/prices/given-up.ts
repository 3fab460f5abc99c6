import type { Attempt } from '../exchange.js'
import { readUsage } from '../usage-reader.js'
import { noUsage, type Tokens, type Usage } from '../usage.js'
import type { GivenUp } from './price.js'

/** We gave up waiting: the model may have worked all the while. A connection that never opened reached no model. */
const waitedFor = new Set(['timeout_ttft', 'timeout_idle', 'timeout_total'])

const begun = ({ status }: Attempt): boolean => status >= 200 && status < 300

const isBilled = (attempt: Attempt): boolean => attempt.errorKind !== '' && (begun(attempt) || waitedFor.has(attempt.errorKind))

/** As far as it came: what it told, else the input of the call; output that was never told is unknown once it had begun. */
const usageOf = (attempt: Attempt, api: string, inputTokens: Tokens): Usage => {
  const told = attempt.usageRaw.length === 0 ? noUsage('cut') : readUsage(attempt.provider, api, attempt.usageRaw)
  return {
    ...told,
    inputTokens: told.inputTokens ?? inputTokens,
    outputTokens: told.outputTokens ?? (begun(attempt) ? null : 0),
    usageSource: 'estimated',
    reason: 'cut',
  }
}

/**
 * The attempts that a provider may bill, of those that were over before the last one began. HTTP errors and failures before a byte cost
 * nothing.
 *
 * @param attempts Without the last one.
 * @param inputTokens Of the call, as told or counted for its last attempt.
 */
export const givenUpOf = (attempts: readonly Attempt[], api: string, inputTokens: Tokens): readonly GivenUp[] =>
  attempts.flatMap((attempt, index) =>
    isBilled(attempt)
      ? [
          {
            attempt: index + 1,
            provider: attempt.provider,
            model: attempt.model,
            usage: usageOf(attempt, api, inputTokens),
          },
        ]
      : [],
  )
