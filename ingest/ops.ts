import express, { type Express, type Request, type Response } from 'express'
import { Registry } from 'prom-client'
import { letIn, type Access } from '../core/access.js'
import { degradedMetric } from '../core/degraded.js'
import { inGeneral, type Cause } from '../core/health-causes.js'
import { metricMaker } from '../core/metric-maker.js'

export interface OpsDeps {
  readonly access: () => Access
  readonly causes: () => readonly Cause[]
  /** Asked each time: after a reload of the configuration the registries are others. */
  readonly registries: () => readonly Registry[]
}

/** Liveness, readiness and metrics of an ingest that runs alone. It is ready whatever is away: it waits, and nobody waits for it. */
export const opsApp = ({ access, causes, registries }: OpsDeps): Express => {
  const own = new Registry()
  degradedMetric(metricMaker(own), () => ({ tellers: ['ingest'], causes: causes() }))
  const refusedTo = (req: Request) =>
    letIn(access(), /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1] ?? null, ['read-metrics']).refused
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')
  app.get('/healthz', (_req: Request, res: Response) => void res.json({ status: 'alive' }))
  app.get('/readyz', (req: Request, res: Response) => {
    const held = causes()
    res.json({
      status: held.length === 0 ? 'ready' : 'degraded',
      causes: refusedTo(req) === null ? held : held.map(inGeneral),
    })
  })
  app.get('/metrics', async (req: Request, res: Response) => {
    const refused = refusedTo(req)
    if (refused !== null)
      return void res.status(refused.fault === 'scope' ? 403 : 401).json({
        error: `${refused.message} /metrics takes it as \`Authorization: Bearer <key>\`; it needs the scope read-metrics.`,
      })
    const merged = Registry.merge([new Registry(), own, ...registries()])
    res.type(merged.contentType).send(await merged.metrics())
  })
  return app
}
