import type { z } from 'zod'
import type { Scope } from '../../core/config/weir-key.js'
import type { Asker } from './asker.js'
import type { House } from './house.js'

/** What a route asks of a key: scopes, all of them; or what SQL wants here. */
type Needs = readonly Scope[] | 'sql here'

interface Input<Q, P, B> {
  readonly asker: Asker
  readonly query: Q
  readonly params: P
  readonly body: B
}

/** One line of the route table: what is accepted, what is answered, and how. The OpenAPI document is made from it. */
export interface Route {
  readonly method: 'get' | 'post' | 'delete'
  /** In Express' form: `/api/requests/:id`. */
  readonly path: string
  readonly summary: string
  readonly needs: Needs
  readonly query: z.ZodType | null
  readonly params: z.ZodType | null
  readonly body: z.ZodType | null
  /** `null`: 204, nothing. */
  readonly answer: z.ZodType | null
  readonly handle: (house: House, input: Input<never, never, never>) => unknown
}

interface RouteOptions<Q, P, B, A> {
  readonly summary: string
  readonly needs: Needs
  readonly query?: z.ZodType<Q>
  readonly params?: z.ZodType<P>
  readonly body?: z.ZodType<B>
  readonly answer: z.ZodType<A> | null
  readonly handle: (house: House, input: Input<Q, P, B>) => Promise<A>
}

const route = <Q, P, B, A>(method: Route['method'], path: string, options: RouteOptions<Q, P, B, A>): Route => ({
  method,
  path,
  summary: options.summary,
  needs: options.needs,
  query: options.query ?? null,
  params: options.params ?? null,
  body: options.body ?? null,
  answer: options.answer,
  handle: options.handle,
})

/** Routes whose handler is typed by what they accept and answer. */
export const get = <Q, P, A>(path: string, options: RouteOptions<Q, P, undefined, A>): Route => route('get', path, options)
export const post = <Q, P, B, A>(path: string, options: RouteOptions<Q, P, B, A>): Route => route('post', path, options)
export const remove = <Q, P>(path: string, options: RouteOptions<Q, P, undefined, void>): Route => route('delete', path, options)
