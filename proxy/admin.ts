import { timingSafeEqual } from 'node:crypto'
import express, { type Express, type Request, type Response } from 'express'
import { isLoopback, type Config } from '../core/config.js'
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
}

/** Causes for which the proxy is degraded or not ready (reliability.md §9). */
export const proxyCauses = ({
  journal,
  shipping,
  saturated,
}: Pick<AdminDeps, 'journal' | 'shipping' | 'saturated'>): readonly { cause: string; detail: string }[] => {
  const { full, shedsBodies, bytes, limitBytes } = journal.state
  const busy = saturated()
  const trouble = shipping?.().trouble ?? null
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
    ...(busy === null ? [] : [{ cause: 'saturated', detail: busy }]),
  ]
}

/** What is not hot: health and metrics, on Express. */
export const adminApp = (deps: AdminDeps): Express => {
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
    const { host, adminSecret } = deps.config()
    if (!isLoopback(host) && !bearerIs(req.headers.authorization, adminSecret))
      return void res.status(401).json({ error: 'Off loopback /metrics wants `Authorization: Bearer <WEIR_ADMIN_SECRET>`.' })
    res.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics())
  })
  return app
}

const bearerIs = (header: string | undefined, secret: string | null): boolean => {
  if (header === undefined || secret === null) return false
  const given = Buffer.from(header.replace(/^Bearer\s+/i, ''))
  const wanted = Buffer.from(secret)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}
