import type { NextFunction, Request, Response } from 'express'
import { Registry } from 'prom-client'
import { degradedMetric } from '../../core/degraded.js'
import type { Cause } from '../../core/health-causes.js'
import { metricMaker } from '../../core/metric-maker.js'
import type { HubFacts } from './house.js'

export interface WebMetrics {
  readonly registry: Registry
  /** Counts what passes. */
  readonly count: (req: Request, res: Response, next: NextFunction) => void
}

/**
 * What the web server tells at /metrics of itself, and `weir_degraded` for all that is in its process.
 *
 * @param health What holds now: its own causes, and those of an ingest beside it.
 */
export const webMetrics = (
  health: () => Promise<Pick<HubFacts, 'ingest'> & { readonly causes: readonly Cause[] }>,
): WebMetrics => {
  const registry = new Registry()
  const make = metricMaker(registry)
  const requests = make.counter('weir_web_requests_total')
  const seconds = make.histogram('weir_web_request_seconds')
  degradedMetric(make, async () => {
    const { causes, ingest } = await health()
    return { tellers: ingest === null ? ['web'] : ['ingest', 'web'], causes }
  })
  return {
    registry,
    count: (req, res, next) => {
      const startedAt = performance.now()
      const timed = req.path.startsWith('/api/') && req.path !== '/api/live'
      res.once('finish', () => {
        requests.inc({ status: `${Math.floor(res.statusCode / 100)}xx` })
        if (timed) seconds.observe((performance.now() - startedAt) / 1000)
      })
      next()
    },
  }
}
