import { z } from 'zod'
import { errorsByKind } from '../../../clickhouse/queries/errors-by-kind.js'
import { overviewFigures } from '../../../clickhouse/queries/overview-figures.js'
import { periodTotals } from '../../../clickhouse/queries/period-totals.js'
import { periodBefore, rollups, scopeOf } from '../../../clickhouse/queries/scope.js'
import { rollupOfSeries, series } from '../../../clickhouse/queries/series.js'
import { rollupOfSpender, topSpenders } from '../../../clickhouse/queries/top-spenders.js'
import { unpricedModels } from '../../../clickhouse/queries/unpriced-models.js'
import { errorsSchema, overviewSchema, seriesMetrics, seriesSchema, topSchema } from '../contract.js'
import { askedOf, checkedStep, groupOf, periodOf, scopeParams, stepFor } from '../params.js'
import { get } from '../route.js'

/** 0 to 1. The only place where money meets a float: a share is drawn, not added up. */
const share = (part: string | number, whole: string | number): number | null =>
  Number(whole) === 0 ? null : Number(part) / Number(whole)

const units = { cost: 'usd', requests: 'count', errors: 'count', latency: 'ms', first_chunk: 'ms', tokens: 'tokens' } as const

export const overviewRoutes = [
  get('/api/overview', {
    summary: 'Figures of a period, and of the one before it',
    needs: ['read-metrics'],
    query: z.strictObject({ ...scopeParams, compare: z.enum(['previous', 'none']).default('previous') }),
    answer: overviewSchema,
    handle: async ({ db, now }, { asker, query }) => {
      const { tenant } = asker
      const scope = scopeOf(askedOf(asker, query, now()), rollups.model)
      const before = periodBefore(scope)
      const [current, previous, models] = await Promise.all([
        overviewFigures(db, tenant, scope),
        query.compare === 'none' ? null : overviewFigures(db, tenant, before),
        unpricedModels(db, tenant, scope),
      ])
      return {
        period: periodOf(scope),
        current,
        previous: previous === null ? null : { period: periodOf(before), figures: previous },
        unpricedModels: models,
      }
    },
  }),

  get('/api/series', {
    summary: 'One figure over time, stacked by group',
    needs: ['read-metrics'],
    query: z.strictObject({
      ...scopeParams,
      metric: z.enum(seriesMetrics).default('cost'),
      group: z.string().max(160).default('none').describe('none, model, provider, user, outcome, error_kind or property:<key>'),
      step: z.coerce
        .number()
        .int()
        .min(1)
        .max(31 * 86_400)
        .optional()
        .describe('Seconds; default by the range.'),
    }),
    answer: seriesSchema,
    handle: async ({ db, now }, { asker, query }) => {
      const { tenant } = asker
      const { metric } = query
      const { word: group, property } = groupOf(
        query.group,
        ['none', 'model', 'provider', 'user', 'outcome', 'error_kind'],
        'group',
      )
      const asked = askedOf(asker, query, now())
      const rollup = rollupOfSeries(metric, group)
      const scope = scopeOf(asked, rollup, query.step ?? null)
      const grain = { rows: 1, hours: 3600, days: 86_400 }[scope.source]
      const stepSeconds = query.step === undefined ? stepFor(scope, grain) : checkedStep(scope, query.step)
      const { times, lines } = await series(db, tenant, { scope, metric, group, property, stepSeconds })
      return {
        metric,
        group: query.group,
        unit: units[metric],
        period: periodOf(scope),
        stepSeconds,
        times: [...times],
        lines: lines.map((line) => ({ ...line, values: [...line.values] })),
      }
    },
  }),

  get('/api/top', {
    summary: 'Who or what cost most',
    needs: ['read-metrics'],
    query: z.strictObject({
      ...scopeParams,
      by: z.string().max(160).default('user').describe('user, session, model or property:<key>'),
      limit: z.coerce.number().int().min(1).max(1000).default(10),
    }),
    answer: topSchema,
    handle: async ({ db, now }, { asker, query }) => {
      const { tenant } = asker
      const { word: kind, property } = groupOf(query.by, ['user', 'session', 'model'], 'by')
      const asked = askedOf(asker, query, now())
      const scope = scopeOf(asked, rollupOfSpender(kind))
      const whole = scopeOf({ ...asked, period: scope.period }, rollups.model)
      const [rows, totals] = await Promise.all([
        topSpenders(db, tenant, { scope, kind, property, limit: query.limit }),
        periodTotals(db, tenant, whole),
      ])
      return {
        by: query.by,
        period: periodOf(scope),
        totalUsd: totals.costUsd,
        rows: rows.map((row) => ({ ...row, share: share(row.costUsd, totals.costUsd) })),
      }
    },
  }),

  get('/api/errors', {
    summary: 'Failed calls by kind of error',
    needs: ['read-metrics'],
    query: z.strictObject(scopeParams),
    answer: errorsSchema,
    handle: async ({ db, now }, { asker, query }) => {
      const { tenant } = asker
      const scope = scopeOf(askedOf(asker, query, now()), rollups.model)
      const [kinds, totals] = await Promise.all([errorsByKind(db, tenant, scope), periodTotals(db, tenant, scope)])
      return {
        period: periodOf(scope),
        requests: totals.requests,
        errors: totals.errors,
        rows: kinds.map((kind) => ({ ...kind, providers: [...kind.providers], share: share(kind.requests, totals.errors) ?? 0 })),
      }
    },
  }),
]
