import { z } from 'zod'
import { anyRequest } from '../../../clickhouse/queries/any-request.js'
import { engineVersion } from '../../../clickhouse/queries/engine-version.js'
import { deleteView, saveView, savedViews } from '../../../control/queries/saved-views.js'
import type { ControlDb, ControlStore } from '../../../control/store.js'
import { uuidv7 } from '../../../core/ids.js'
import { effectiveSettings } from '../../../core/settings.js'
import type { TenantId } from '../../../core/tenant.js'
import type { Asker } from '../asker.js'
import { storeSilent, withStore } from '../causes.js'
import {
  type Cause,
  cachePurgeSchema,
  demoCallSchema,
  exportsSchema,
  type Health,
  healthSchema,
  newViewSchema,
  viewSchema,
  viewsSchema,
} from '../contract.js'
import type { House } from '../house.js'
import { ApiError } from '../problems.js'
import { get, post, remove } from '../route.js'

const controlFailed = (cause: unknown): ApiError =>
  new ApiError('control_unreachable', 'The store of saved views cannot be opened or does not answer.', { cause })

const reading = async <T>(control: ControlStore, question: (db: ControlDb) => Promise<T>, nothing: T): Promise<T> => {
  try {
    return await control.read(question, nothing)
  } catch (cause) {
    throw controlFailed(cause)
  }
}
const writing = async <T>(control: ControlStore, change: (db: ControlDb) => Promise<T>): Promise<T> => {
  try {
    return await control.write(change)
  } catch (cause) {
    throw controlFailed(cause)
  }
}

interface Analytics {
  readonly engine: string | null
  readonly hasRows: boolean
  readonly cause: Cause | null
}

const analyticsOf = async ({ db, log }: House, tenant: TenantId): Promise<Analytics> => {
  try {
    return { engine: await engineVersion(db), hasRows: await anyRequest(db, tenant), cause: null }
  } catch (cause) {
    log.warn({ err: cause }, 'The analytics store does not answer.')
    return { engine: null, hasRows: false, cause: storeSilent }
  }
}

const healthOf = async (house: House, { asker }: { readonly asker: Asker }): Promise<Health> => {
  const { config, control, demoCall, env, proxyUrl, sqlUrl, version } = house
  const [facts, analytics] = await Promise.all([house.health(), analyticsOf(house, asker.tenant)])
  const causes = withStore(facts.causes, analytics.cause === null)
  const journal = facts.journal ?? null
  const controlState = control.state()
  const isTopic = config.kafkaBrokers !== null
  const full = causes.find(({ cause }) => cause === 'journal_full' || (isTopic && cause === 'kafka_unreachable'))
  const away = causes.find(({ cause }) => cause === 'store_unreachable')
  return {
    ok: causes.length === 0,
    causes,
    stores: [
      {
        role: 'log',
        kind: isTopic ? 'kafka' : 'journal',
        state: full === undefined ? 'ok' : 'failing',
        message: full?.effect ?? (isTopic ? `topic ${config.kafka.topic}` : 'on disk'),
      },
      {
        role: 'analytics',
        kind: config.clickhouseUrl === null ? 'chdb' : 'clickhouse',
        state: analytics.cause === null ? 'ok' : 'failing',
        message: analytics.cause?.effect ?? `engine ${analytics.engine ?? ''}`,
      },
      {
        role: 'state',
        kind: config.redisUrl === null ? 'memory' : 'redis',
        state: away === undefined ? 'ok' : 'failing',
        message: away?.effect ?? (config.redisUrl === null ? 'in the proxy' : 'shared by the proxies'),
      },
      { role: 'control', kind: control.kind, ...controlState },
    ],
    proxies: [...(facts.proxies ?? [])],
    journal,
    ingest: facts.ingest,
    versions: { weir: version, node: process.versions.node, engine: analytics.engine },
    pricesDate: facts.pricesDate ?? null,
    hasRows: analytics.hasRows,
    demoCall: demoCall !== null,
    proxyUrl,
    sqlUrl,
    // What the operator set is no tenant's business.
    configFile: asker.has('admin') ? config.file : null,
    settings: asker.has('admin') ? effectiveSettings(config, env).map((setting) => ({ ...setting })) : null,
  }
}

export const hubRoutes = [
  get('/api/health', {
    summary: 'State of the stores, of ingest, and the effective configuration',
    needs: ['read-metrics'],
    query: z.strictObject({}),
    answer: healthSchema,
    handle: healthOf,
  }),

  get('/api/exports', {
    summary: 'Trace destinations and how they are doing',
    needs: ['admin'],
    query: z.strictObject({}),
    answer: exportsSchema,
    handle: async ({ destinations }) => ({ destinations: [...(await destinations())] }),
  }),

  post('/api/cache/purge', {
    summary: 'Forgets every kept answer of the tenant, at all proxies',
    needs: ['admin'],
    body: z.strictObject({}),
    answer: cachePurgeSchema,
    handle: async ({ purge }, { asker }) => {
      if (purge === null) throw new ApiError('no_proxy', 'This process has no proxy that it could tell.')
      const { removed, failed } = await purge(asker.tenant)
      if (failed.length > 0)
        throw new ApiError('purge_failed', `These proxies did not do it, or not wholly: ${failed.join(', ')}.`)
      return { removed }
    },
  }),

  post('/api/demo-call', {
    summary: 'Makes one call to the built-in provider',
    needs: ['admin'],
    body: z.strictObject({}),
    answer: demoCallSchema,
    handle: async ({ demoCall }) => {
      if (demoCall === null) throw new ApiError('no_demo', 'This Weir was started without the built-in provider.')
      try {
        const { id } = await demoCall()
        return { id }
      } catch (cause) {
        throw new ApiError('demo_failed', 'The proxy or the built-in provider did not answer as it should.', { cause })
      }
    },
  }),

  get('/api/views', {
    summary: 'Saved views, by name',
    needs: ['read-metrics'],
    query: z.strictObject({}),
    answer: viewsSchema,
    handle: async ({ control }, { asker }) => ({ views: await reading(control, (db) => savedViews(db, asker.tenant), []) }),
  }),

  post('/api/views', {
    summary: 'Saves a view; one of the same name on the same page is replaced',
    needs: ['admin'],
    body: newViewSchema,
    answer: viewSchema,
    handle: async ({ control, now }, { asker, body }) => {
      const view = { ...body, id: uuidv7(now()), createdAt: new Date(now()).toISOString() }
      const saved = await writing(control, (db) => saveView(db, asker.tenant, view))
      if (saved === null) throw new ApiError('too_many_views', 'There are 500 saved views.')
      return saved
    },
  }),

  remove('/api/views/:id', {
    summary: 'Deletes a saved view',
    needs: ['admin'],
    params: z.object({ id: z.uuid() }),
    answer: null,
    handle: async ({ control }, { asker, params }) => {
      const gone = await reading(control, (db) => deleteView(db, asker.tenant, params.id), false)
      if (!gone) throw new ApiError('unknown_view', 'No view has this id.', { param: 'id' })
    },
  }),
]
