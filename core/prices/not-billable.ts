import type { Usage } from '../usage.js'
import type { CallFacts } from './call-facts.js'

const freeApis = new Set(['count_tokens', 'count_content_tokens'])

/** Why an API owes nothing for a call that has used nothing, as its reader found. */
const withoutUsage: Partial<Record<string, string>> = {
  // A connection costs nothing beside its responses, as long as they could be read.
  realtime_session: 'connection',
  moderations: 'free',
  // Still being made: the read that finds it done tells its usage.
  responses: 'poll',
}

/** Why nothing is owed for a call, whatever the prices say; `null` when something may be. */
export const notBillable = (usage: Usage, { outcome, api, status, endpoint }: CallFacts): string | null => {
  if (outcome === 'refused') return 'refused'
  if (outcome === 'cached') return 'cached'
  if (freeApis.has(api)) return 'free'
  // A batch repeats its sum at every poll.
  if (api === 'batch') return 'poll'
  if (status >= 400) return 'http_error'
  // Failures before a response byte cost nothing, except where we gave up waiting: the model may have worked all the while.
  if (status === 0 && (outcome === 'upstream_abort' || outcome === 'client_abort')) return 'no_answer'
  // Model lists, file reads, polls. A WebSocket (101) begins with a GET and is billed all the same.
  if (api === '' && status !== 101 && /^(?:GET|HEAD|DELETE|OPTIONS) /.test(endpoint)) return 'read'
  if (usage.usageSource === 'none' && usage.reason === 'not_applicable') return withoutUsage[api] ?? null
  return null
}
