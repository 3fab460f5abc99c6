import { z } from 'zod'
import { causeOf } from '../../core/health-causes.js'
import { ingestFactsSchema, type IngestFacts } from '../../core/internal/facts.js'
import { repriceJobSchema } from '../../web/api/contract.js'
import type { HubFacts, RepriceJobs } from '../../web/api/house.js'
import { ApiError } from '../../web/api/problems.js'
import { askRole, RoleRefused, type RoleAddress } from './ask-role.js'

/** An ingest that runs elsewhere, as `weir web` sees it. */
export interface DistantIngest {
  /** Never throws: that it does not answer is a cause. */
  health(): Promise<Pick<HubFacts, 'causes' | 'ingest' | 'pricesDate'>>
  /** @throws ApiError `ingest_unreachable` */
  destinations(): Promise<IngestFacts['destinations']>
  readonly reprice: RepriceJobs
}

const jobOf = z.object({ job: repriceJobSchema.nullable() })

const sentence = (url: string, cause: unknown): string =>
  cause instanceof RoleRefused
    ? `The ingest at ${url} answers, and tells nothing: it has another WEIR_ADMIN_SECRET, or is of another version.`
    : `The ingest does not answer at ${url}: calls wait in the log.`

export const distantIngest = (ingest: RoleAddress): DistantIngest => {
  const asked = async <T>(question: Promise<T>): Promise<T> => {
    try {
      return await question
    } catch (cause) {
      throw new ApiError('ingest_unreachable', sentence(ingest.url, cause), { cause })
    }
  }
  const facts = async (): Promise<IngestFacts> =>
    ingestFactsSchema.parse(await askRole(ingest, { method: 'GET', path: '/internal/facts', timeoutMs: 1000 }))
  const post = (path: string, body: unknown): Promise<unknown> =>
    asked(askRole(ingest, { method: 'POST', path, body, timeoutMs: 10_000 }))
  return {
    async health() {
      try {
        const { causes, ingest: figures, pricesDate } = await facts()
        return { causes, ingest: figures, pricesDate }
      } catch (cause) {
        return { causes: [causeOf('ingest_unreachable', sentence(ingest.url, cause))], ingest: null, pricesDate: null }
      }
    },
    destinations: async () => (await asked(facts())).destinations,
    reprice: {
      begin: async (whose, { from, to, ...ask }) =>
        jobOf.parse(await post('/internal/reprice', { whose, from: from.toISOString(), to: to.toISOString(), ...ask })).job,
      find: async (whose, id) => jobOf.parse(await post('/internal/reprice/find', { whose, id })).job,
      stop: async (whose, id) => void (await post('/internal/reprice/stop', { whose, id })),
    },
  }
}
