import express, { type Express, type Request, type Response } from 'express'
import { Registry } from 'prom-client'
import { accessOf, letIn, type Access } from '../core/access.js'
import type { Config } from '../core/config.js'
import { inGeneral } from '../core/health-causes.js'
import type { ProxyMetrics } from './metrics.js'
import { proxyCauses, type ProxyState } from './proxy-causes.js'

export interface AdminDeps extends ProxyState {
  readonly config: () => Config
  readonly metrics: ProxyMetrics
  /** What the process tells of itself, beside the calls. */
  readonly processMetrics: Registry | null
}

/** What is not hot: health and metrics, on Express. */
export const adminApp = (deps: AdminDeps): Express => {
  let known: { readonly config: Config; readonly access: Access } | null = null
  /** Made anew when the configuration is another. */
  const accessNow = (): Access => {
    const config = deps.config()
    if (known?.config !== config) known = { config, access: accessOf(config, Date.now) }
    return known.access
  }
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')
  app.get(['/healthz', '/healthcheck'], (_req: Request, res: Response) => void res.json({ status: 'alive' }))
  /** Who may see figures: whoever may scrape them. */
  const refusedTo = (req: Request) =>
    letIn(accessNow(), /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1] ?? null, ['read-metrics']).refused
  app.get('/readyz', (req: Request, res: Response) => {
    const causes = proxyCauses(deps)
    const refuses = deps.config().journal.full === 'refuse' && deps.journal.state.full !== null
    const ready = !deps.draining() && !refuses && deps.controlStale()?.refuses !== true
    const status = ready ? (causes.length === 0 ? 'ready' : 'degraded') : 'not ready'
    // Anybody on the network may ask whether we are ready; addresses, paths and figures are not for all of them.
    if (refusedTo(req) !== null) return void res.status(ready ? 200 : 503).json({ status, causes: causes.map(inGeneral) })
    res.status(ready ? 200 : 503).json({
      status,
      causes,
      inFlight: deps.metrics.inFlight(),
      journal: deps.journal.state,
      ...(deps.shipping === null ? {} : { shipping: deps.shipping() }),
    })
  })
  app.get('/metrics', async (req: Request, res: Response) => {
    const refused = refusedTo(req)
    if (refused !== null)
      return void res.status(refused.fault === 'scope' ? 403 : 401).json({
        error: `${refused.message} /metrics takes it as \`Authorization: Bearer <key>\`; it needs the scope read-metrics.`,
      })
    const merged = Registry.merge([
      new Registry(),
      deps.metrics.registry,
      ...(deps.processMetrics === null ? [] : [deps.processMetrics]),
    ])
    res.type(merged.contentType).send(await merged.metrics())
  })
  return app
}
