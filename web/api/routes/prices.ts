import { z } from 'zod'
import { unpricedCalls } from '../../../clickhouse/queries/unpriced-calls.js'
import { defaultTenant } from '../../../core/tenant.js'
import { newRepriceSchema, type RepriceJob, repriceJobSchema, unpricedSchema } from '../contract.js'
import type { House, RepriceJobs } from '../house.js'
import { askedOf, scopeParams } from '../params.js'
import { ApiError } from '../problems.js'
import { get, post, remove } from '../route.js'

const jobsOf = ({ reprice }: House): RepriceJobs => {
  if (reprice === null) throw new ApiError('no_ingest', 'This process shows the store, and does not fill it.')
  return reprice
}

const found = (job: RepriceJob | null): RepriceJob => {
  if (job === null)
    throw new ApiError('unknown_job', 'No re-pricing has this id, or the hub was started anew since.', { param: 'id' })
  return job
}

const byId = z.object({ id: z.uuid() })

export const priceRoutes = [
  get('/api/unpriced', {
    summary: 'Calls whose cost is not known, by model and reason',
    query: z.strictObject({ from: scopeParams.from, to: scopeParams.to }),
    answer: unpricedSchema,
    handle: async ({ db, now }, { query }) => {
      const { period } = askedOf(query, now())
      const models = await unpricedCalls(db, defaultTenant, period)
      return {
        period: { from: period.from.toISOString(), to: period.to.toISOString(), source: 'rows' as const },
        requests: models.reduce((sum, { requests }) => sum + requests, 0),
        models,
      }
    },
  }),

  post('/api/reprice', {
    summary: 'Prices the stored calls of a period again, with the prices of now',
    body: newRepriceSchema,
    answer: repriceJobSchema,
    handle: (house, { body }) => {
      const { period } = askedOf({ from: body.from, to: body.to }, house.now())
      const job = jobsOf(house).begin({ ...period, model: body.model ?? null, dryRun: body.dryRun })
      if (job === null)
        throw new ApiError('reprice_running', 'One re-pricing is under way; a second would count its differences twice.')
      return Promise.resolve(job)
    },
  }),

  get('/api/reprice/:id', {
    summary: 'How far a re-pricing is, and what it changes',
    params: byId,
    answer: repriceJobSchema,
    handle: (house, { params }) => Promise.resolve(found(jobsOf(house).find(params.id))),
  }),

  remove('/api/reprice/:id', {
    summary: 'Stops a re-pricing; what it has written stays, and the same call goes on from there',
    params: byId,
    answer: null,
    handle: async (house, { params }) => {
      found(jobsOf(house).find(params.id))
      await jobsOf(house).stop(params.id)
    },
  }),
]
