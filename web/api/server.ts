import { createServer, type Server } from 'node:http'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express'
import { Registry } from 'prom-client'
import { DbError } from '../../clickhouse/db.js'
import { engineVersion } from '../../clickhouse/queries/engine-version.js'
import { controlStore } from '../../control/store.js'
import type { z } from 'zod'
import { accessOf } from '../../core/access.js'
import { inGeneral } from '../../core/health-causes.js'
import { type FindAsker, findAskerBy } from './asker.js'
import { withStore } from './causes.js'
import { hostGuard, originGuard, securityHeaders } from './guard.js'
import type { House } from './house.js'
import { createLive, type Live, liveNeeds } from './live.js'
import { loginHandlers } from './login.js'
import { webMetrics } from './metrics.js'
import { openApi } from './openapi.js'
import { ApiError, problemOf, type ProblemCode } from './problems.js'
import type { Route } from './route.js'
import { backupRoutes } from './routes/backup.js'
import { hubRoutes } from './routes/hub.js'
import { priceRoutes } from './routes/prices.js'
import { overviewRoutes } from './routes/overview.js'
import { requestRoutes } from './routes/requests.js'
import { sqlRoutes } from './routes/sql.js'
import { createSessions, type Sessions } from './sessions.js'
import { staticUi } from './static-ui.js'

/** What must be given, and what may be. */
export type WebOptions = Pick<House, 'config' | 'db' | 'health' | 'destinations' | 'stored' | 'now' | 'log'> &
  Partial<Omit<House, 'config' | 'db' | 'health' | 'destinations' | 'stored' | 'now' | 'log'>> & {
    /** Folder of the built UI. */
    readonly uiDir?: string
  }

/** Every JSON endpoint. /api/live, /api/session and /api/openapi.json stand beside it in `apiOf`. */
export const routes: readonly Route[] = [
  ...overviewRoutes,
  ...requestRoutes,
  ...hubRoutes,
  ...sqlRoutes,
  ...priceRoutes,
  ...backupRoutes,
]

const bodyLimit = 64 * 1024

const faultIn = (error: z.ZodError, code: 'bad_parameter' | 'bad_body'): ApiError => {
  const [issue] = error.issues
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const param = unknown ?? issue?.path.join('.') ?? ''
  const detail =
    unknown !== undefined
      ? `${unknown.slice(0, 64)} is not a parameter here.`
      : `${param === '' ? 'It' : param}: ${issue?.message ?? 'does not fit'}.`
  return new ApiError(code, detail, { param: param === '' ? null : param })
}

const checked = (schema: z.ZodType | null, value: unknown, code: 'bad_parameter' | 'bad_body'): unknown => {
  if (schema === null) return undefined
  const result = schema.safeParse(value)
  if (!result.success) throw faultIn(result.error, code)
  return result.data
}

const answering =
  (house: House, findAsker: FindAsker, { needs, query, params, body, handle }: Route) =>
  async (req: Request, res: Response): Promise<void> => {
    const asker = findAsker(req, needs === 'sql here' ? [house.access().sqlScope] : needs)
    const { tenant: _, ...ownQuery } = req.query
    const input = {
      asker,
      query: checked(query, ownQuery, 'bad_parameter'),
      params: checked(params, req.params, 'bad_parameter'),
      body: checked(body, req.body, 'bad_body'),
    }
    const answer: unknown = await handle(house, input as never)
    if (answer === undefined) res.status(204).end()
    else res.json(answer)
  }

/** Engine faults that mean the question was too big, not that the store is down: time, rows, bytes, memory. */
const tooLarge = new Set([158, 159, 160, 241, 307, 396])

/** Whatever was thrown, as one of our problems. Texts of engines and drivers go to the log alone. */
const asApiError = (cause: unknown): ApiError => {
  if (cause instanceof ApiError) return cause
  if (cause instanceof DbError) {
    if (tooLarge.has(cause.code))
      return new ApiError('question_too_large', 'The engine stopped at its limit of time, rows or memory.', { cause })
    return cause.code === 0
      ? new ApiError('analytics_unreachable', 'The analytics store gave no answer.', { cause })
      : new ApiError('internal', 'The analytics store refused the question.', { cause })
  }
  const { type, status } = cause as { type?: unknown; status?: unknown }
  if (type === 'entity.too.large') return new ApiError('body_too_large', 'The body is larger than 64 KiB.', { cause })
  if (type === 'entity.parse.failed' || status === 400)
    return new ApiError('bad_body', 'The request cannot be read as JSON, or its path is not well formed.', { cause })
  return new ApiError('internal', 'Something failed that should not.', { cause })
}

const problemHandler =
  ({ log }: House): ErrorRequestHandler =>
  (cause, req, res, _next) => {
    const error = asApiError(cause)
    const problem = problemOf(error)
    if (problem.status >= 500) log.error({ err: error.cause ?? error, code: error.code, path: req.path }, problem.detail)
    if (res.headersSent) {
      res.destroy()
      return
    }
    if (error.retryAfterSeconds !== null) res.setHeader('retry-after', error.retryAfterSeconds)
    res.status(problem.status).type('application/problem+json').send(JSON.stringify(problem))
  }

const refuse = (code: ProblemCode, detail: string) => (): never => {
  throw new ApiError(code, detail)
}

interface Guards {
  readonly sessions: Sessions
  readonly findAsker: FindAsker
}

const apiOf = (house: House, live: Live, { sessions, findAsker }: Guards): express.Router => {
  const { access, now, version } = house
  const api = express.Router()
  const login = loginHandlers({ access, sessions, findAsker, now })
  const document = JSON.stringify(openApi(routes, version))

  api.use((_req, res, next) => {
    res.setHeader('cache-control', 'no-store')
    next()
  })
  api.use(originGuard)
  const needsJson = refuse('not_json', 'The body must be JSON.')
  api.use((req, _res, next) => (req.method === 'POST' && !req.is('application/json') ? needsJson() : next()))
  api.use(express.json({ limit: bodyLimit }))
  api.get('/api/session', login.show)
  api.post(['/api/session', '/api/login'], login.begin)
  api.delete('/api/session', login.end)
  // Whoever is nobody is not even told what there is.
  api.use((req, _res, next) => {
    findAsker(req, [])
    next()
  })
  api.get('/api/openapi.json', (_req, res) => void res.type('application/json').send(document))
  api.get('/api/live', (req, res) => live.listen(req, res, () => findAsker(req, liveNeeds)))
  for (const route of routes) api[route.method](route.path, answering(house, findAsker, route))
  const known = new Set(['/api/live', '/api/session', '/api/login', '/api/openapi.json', ...routes.map(({ path }) => path)])
  for (const path of known) api.all(path, refuse('method_not_allowed', 'The path is known, the method is not.'))
  api.use(refuse('unknown_path', 'No endpoint has this path.'))
  return api
}

/** What holds now, and whether the store answers. */
const stateOf = async (house: House) => {
  const [{ causes, ingest }, answers] = await Promise.all([
    house.health(),
    engineVersion(house.db).then(
      () => true,
      () => false,
    ),
  ])
  return { causes: withStore(causes, answers), ingest, answers }
}

/** Liveness, readiness and metrics, for supervisors and Prometheus. */
const opsOf = (house: House, { findAsker }: Guards, own: Registry): express.Router => {
  const ops = express.Router()
  const mayRead = (req: Request): boolean => {
    try {
      findAsker(req, ['read-metrics'])
      return true
    } catch {
      return false
    }
  }
  ops.get('/healthz', (_req, res) => void res.json({ status: 'alive' }))
  ops.get('/readyz', async (req, res) => {
    const { causes, answers } = await stateOf(house)
    const status = answers ? (causes.length === 0 ? 'ready' : 'degraded') : 'not ready'
    // Anybody may ask whether we are ready; addresses and figures are not for all of them.
    res.status(answers ? 200 : 503).json({ status, causes: mayRead(req) ? causes : causes.map(inGeneral) })
  })
  ops.get('/metrics', async (req, res) => {
    findAsker(req, ['read-metrics'])
    const merged = Registry.merge([new Registry(), own, ...house.metrics])
    res.type(merged.contentType).send(await merged.metrics())
  })
  return ops
}

const appOf = (house: House, live: Live, uiDir: string): Express => {
  const app = express()
  app.disable('x-powered-by')
  app.set('query parser', 'simple')
  app.set('etag', false)
  app.use(securityHeaders)
  app.use(hostGuard(house.config.host, house.config.allowedHosts))
  const own = webMetrics(() => stateOf(house))
  const sessions = createSessions(house.now)
  const guards: Guards = { sessions, findAsker: findAskerBy(house.access, sessions) }
  app.use(opsOf(house, guards, own.registry))
  app.use(own.count)
  const api = apiOf(house, live, guards)
  app.use((req, res, next) => (req.path === '/api' || req.path.startsWith('/api/') ? api(req, res, next) : next()))
  app.use(staticUi(uiDir))
  app.use(refuse('unknown_path', 'Nothing has this path.'))
  app.use(problemHandler(house))
  return app
}

const here = fileURLToPath(import.meta.url)
/** Beside this file when built; run from the sources, the last build. */
const builtUi = here.endsWith('.ts') ? join(dirname(here), '../../dist/web/ui') : join(dirname(here), '../ui')

/**
 * The web server: API, pages, health and metrics. The caller listens; `close()` ends the live streams too, and the control store
 * when it was not given.
 */
export const createWebServer = (options: WebOptions): Server => {
  const { config } = options
  const control = options.control ?? controlStore(config)
  const access = accessOf(config, options.now)
  const house: House = {
    ...options,
    access: options.access ?? (() => access),
    control,
    version: options.version ?? '',
    env: options.env ?? {},
    // Asked each time: after a reload of the configuration the registries are others.
    get metrics() {
      return options.metrics ?? []
    },
    demoCall: options.demoCall ?? null,
    purge: options.purge ?? null,
    reprice: options.reprice ?? null,
    backup: options.backup ?? null,
    proxyUrl: options.proxyUrl ?? `http://${config.host}:${String(config.proxyPort)}`,
    sqlUrl: options.sqlUrl ?? null,
  }
  const live = createLive(house)
  const server = createServer(appOf(house, live, options.uiDir ?? builtUi))
  const close = server.close.bind(server)
  server.close = (done) => {
    live.close()
    return close((failure) => {
      if (options.control !== undefined) return done?.(failure)
      control.close().then(
        () => done?.(failure),
        (cause: unknown) => done?.(cause as Error),
      )
    })
  }
  return server
}
