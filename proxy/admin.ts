import express, { type Express, type Request, type Response } from 'express'
import { accessOf, letIn, type Access } from '../core/access.js'
import type { Config } from '../core/config.js'
import type { ShippingState } from '../journal/kafka/shipper-thread.js'
import type { JournalWriter } from '../journal/port.js'
import type { ProxyMetrics } from './metrics.js'

export interface AdminDeps {
  readonly config: () => Config
  readonly journal: JournalWriter
  /** `null` = nothing is shipped: ingest reads the journal itself. */
  readonly shipping: (() => ShippingState) | null
  readonly metrics: ProxyMetrics
  readonly draining: () => boolean
  /** Why new calls are refused for now; `null` = they are not. */
  readonly saturated: () => string | null
  /** What of Redis does not answer; `null` = all does, or there is none. */
  readonly storeAway: () => string | null
}

/** Causes for which the proxy is degraded or not ready (reliability.md §9). */
export const proxyCauses = ({
  journal,
  shipping,
  saturated,
  storeAway,
}: Pick<AdminDeps, 'journal' | 'shipping' | 'saturated' | 'storeAway'>): readonly { cause: string; detail: string }[] => {
  const { full, shedsBodies, bytes, limitBytes } = journal.state
  const busy = saturated()
  const trouble = shipping?.().trouble ?? null
  const away = storeAway()
  return [
    ...(trouble === null ? [] : [{ cause: 'kafka_unreachable', detail: `Events wait in the journal: ${trouble.message}` }]),
    ...(full !== null ? [{ cause: 'journal_full', detail: full.message }] : []),
    ...(full === null && shedsBodies
      ? [
          {
            cause: 'journal_high',
            detail: `${Math.round((100 * bytes) / limitBytes)} % of the journal's limit is used; bodies are left out.`,
          },
        ]
      : []),
    ...(away === null ? [] : [{ cause: 'store_unreachable', detail: away }]),
    ...(busy === null ? [] : [{ cause: 'saturated', detail: busy }]),
  ]
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
  app.get('/readyz', (_req: Request, res: Response) => {
    const causes = proxyCauses(deps)
    const refuses = deps.config().journal.full === 'refuse' && deps.journal.state.full !== null
    const ready = !deps.draining() && !refuses
    res.status(ready ? 200 : 503).json({
      status: ready ? (causes.length === 0 ? 'ready' : 'degraded') : 'not ready',
      causes: deps.draining() ? [{ cause: 'draining', detail: 'The process is about to stop.' }, ...causes] : causes,
      inFlight: deps.metrics.inFlight(),
      journal: deps.journal.state,
      ...(deps.shipping === null ? {} : { shipping: deps.shipping() }),
    })
  })
  app.get('/metrics', async (req: Request, res: Response) => {
    const key = /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1] ?? null
    const { refused } = letIn(accessNow(), key, ['read-metrics'])
    if (refused !== null)
      return void res.status(refused.fault === 'scope' ? 403 : 401).json({
        error: `${refused.message} /metrics takes it as \`Authorization: Bearer <key>\`; it needs the scope read-metrics.`,
      })
    res.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics())
  })
  return app
}
