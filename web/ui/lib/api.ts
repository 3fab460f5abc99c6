import type {
  Bodies,
  DemoCall,
  Errors,
  Exports,
  Fields,
  Health,
  NewView,
  Overview,
  RequestCount,
  RequestDetail,
  RequestPage,
  RequestSort,
  Series,
  SeriesMetric,
  Session,
  Top,
  View,
  Views,
} from '../../api/contract.js'
import { problemFrom, unreachable } from './problem.js'

/** A question to the API: its address, which is also what tells two questions apart. `T` is the answer. */
export interface Ask<T> {
  readonly href: string
  /** Never there; carries the type. */
  readonly answer?: T
}

/** What a page looks at: a time range (ISO instants), a filter in the grammar of core/filter.ts and words in the bodies; `''` = all. */
export interface Scope {
  readonly from: string
  readonly to: string
  readonly filter: string
  readonly q: string
}

const ask = <T>(path: string, params: Readonly<Record<string, string | null>> = {}): Ask<T> => {
  const kept = Object.entries(params).filter((pair): pair is [string, string] => pair[1] !== null && pair[1] !== '')
  const query = new URLSearchParams(kept).toString()
  return { href: query === '' ? path : `${path}?${query}` }
}

const scoped = ({ from, to, filter, q }: Scope): Record<string, string> => ({ from, to, filter, q })

/** Every question the pages ask. */
export const api = {
  session: (): Ask<Session> => ask('/api/session'),
  health: (): Ask<Health> => ask('/api/health'),
  overview: (scope: Scope): Ask<Overview> => ask('/api/overview', scoped(scope)),
  series: (scope: Scope, metric: SeriesMetric, group = 'none'): Ask<Series> =>
    ask('/api/series', { ...scoped(scope), metric, group }),
  top: (scope: Scope, by: string): Ask<Top> => ask('/api/top', { ...scoped(scope), by, limit: '10' }),
  errors: (scope: Scope): Ask<Errors> => ask('/api/errors', scoped(scope)),
  requests: (scope: Scope, sort: RequestSort, cursor: string | null = null, limit = 100): Ask<RequestPage> =>
    ask('/api/requests', { ...scoped(scope), sort, cursor, limit: String(limit) }),
  requestCount: (scope: Scope): Ask<RequestCount> => ask('/api/requests/count', scoped(scope)),
  request: (id: string): Ask<RequestDetail> => ask(`/api/requests/${encodeURIComponent(id)}`),
  bodies: (id: string): Ask<Bodies> => ask(`/api/requests/${encodeURIComponent(id)}/bodies`),
  fields: (): Ask<Fields> => ask('/api/fields'),
  views: (): Ask<Views> => ask('/api/views'),
  exports: (): Ask<Exports> => ask('/api/exports'),
}

const send = async <T>(href: string, init: RequestInit): Promise<T> => {
  let answer: Response
  try {
    answer = await fetch(href, { ...init, credentials: 'same-origin' })
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
    throw unreachable()
  }
  const body: unknown = answer.status === 204 ? null : await answer.json().catch(() => null)
  if (!answer.ok) throw problemFrom(answer.status, body)
  return body as T
}

/**
 * Asks once.
 *
 * @throws ApiError, or the AbortError of `signal`.
 */
export const answerTo = <T>({ href }: Ask<T>, signal?: AbortSignal): Promise<T> =>
  send<T>(href, { headers: { accept: 'application/json' }, ...(signal === undefined ? {} : { signal }) })

const post = <T>(href: string, body: unknown): Promise<T> =>
  send<T>(href, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
  })

/** Everything the pages change. */
export const act = {
  signIn: (secret: string): Promise<unknown> => post('/api/session', { secret }),
  demoCall: (): Promise<DemoCall> => post('/api/demo-call', {}),
  saveView: (view: NewView): Promise<View> => post('/api/views', view),
  deleteView: (id: string): Promise<unknown> => send(`/api/views/${encodeURIComponent(id)}`, { method: 'DELETE' }),
}
