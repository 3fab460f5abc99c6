import { z } from 'zod'
import { unpricedCalls } from '../../../clickhouse/queries/unpriced-calls.js'
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
    needs: ['read-metrics'],
    query: z.strictObject({ from: scopeParams.from, to: scopeParams.to }),
    answer: unpricedSchema,
    handle: async ({ db, now }, { asker, query }) => {
      const { period } = askedOf(asker, query, now())
      const models = await unpricedCalls(db, asker.tenant, period)
      return {
        period: { from: period.from.toISOString(), to: period.to.toISOString(), source: 'rows' as const },
        requests: models.reduce((sum, { requests }) => sum + requests, 0),
        models,
      }
    },
  }),

  post('/api/reprice', {
    summary: 'Prices the stored calls of a period again, with the prices of now',
    needs: ['admin'],
    body: newRepriceSchema,
    answer: repriceJobSchema,
    handle: async (house, { asker, body }) => {
      const { period } = askedOf(asker, { from: body.from, to: body.to }, house.now())
      const job = await jobsOf(house).begin(asker.whose, { ...period, model: body.model ?? null, dryRun: body.dryRun })
      if (job === null)
        throw new ApiError('reprice_running', 'One re-pricing is under way; a second would count its differences twice.')
      return job
    },
  }),

  get('/api/reprice/:id', {
    summary: 'How far a re-pricing is, and what it changes',
    needs: ['admin'],
    params: byId,
    answer: repriceJobSchema,
    handle: async (house, { asker, params }) => found(await jobsOf(house).find(asker.whose, params.id)),
  }),

  remove('/api/reprice/:id', {
    summary: 'Stops a re-pricing; what it has written stays, and the same call goes on from there',
    needs: ['admin'],
    params: byId,
    answer: null,
    handle: async (house, { asker, params }) => {
      found(await jobsOf(house).find(asker.whose, params.id))
      await jobsOf(house).stop(asker.whose, params.id)
    },
  }),
]
