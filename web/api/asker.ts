import type { Request } from 'express'
import { letIn, type Access, type NotLetIn } from '../../core/access.js'
import type { Scope } from '../../core/config/weir-key.js'
import { tenantId, type TenantId } from '../../core/tenant.js'
import { ApiError, type ProblemCode } from './problems.js'
import type { Sessions } from './sessions.js'

/** Who asks, and whose data that is about. */
export interface Asker {
  /** Whose data is shown: the key's tenant, or the one that was named. */
  readonly tenant: TenantId
  /** What a chore is about: the tenant; `null` = every tenant, for who holds the admin secret and names none. */
  readonly whose: TenantId | null
  has(scope: Scope): boolean
}

/** Finds out who asks. @throws ApiError not_signed_in, unknown_key, missing_scope, other_tenant, bad_parameter. */
export type FindAsker = (req: Request, needs: readonly Scope[]) => Asker

const codes: Record<NotLetIn['fault'], ProblemCode> = {
  none: 'not_signed_in',
  unknown: 'unknown_key',
  expired: 'unknown_key',
  scope: 'missing_scope',
}

/** @throws ApiError not_signed_in, unknown_key, missing_scope. */
export const notLetIn = ({ fault, message }: NotLetIn): ApiError => new ApiError(codes[fault], message)

const bearer = (req: Request): string | null => {
  const { authorization } = req.headers
  // What stands there decides, also when it is no key: a cookie beside it is not looked at.
  return authorization === undefined ? null : (/^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '-')
}

/** `?tenant=`, which every question takes. */
const namedTenant = (value: unknown): TenantId | null => {
  if (value === undefined) return null
  try {
    if (typeof value === 'string') return tenantId(value)
  } catch (cause) {
    if (cause instanceof RangeError) throw new ApiError('bad_parameter', cause.message, { param: 'tenant', cause })
    throw cause
  }
  throw new ApiError('bad_parameter', 'tenant stands there more than once.', { param: 'tenant' })
}

/** By the bearer's key or that of the browser's session; a key is looked up each time, so that one that was taken away is of no use. */
export const findAskerBy =
  (access: () => Access, sessions: Sessions): FindAsker =>
  (req, needs) => {
    const { holder, refused } = letIn(access(), bearer(req) ?? sessions.keyOf(req.headers.cookie), needs)
    if (refused !== null) throw notLetIn(refused)
    const named = namedTenant(req.query.tenant)
    if (named !== null && !holder.everyTenant && named !== holder.tenant)
      throw new ApiError('other_tenant', `The Weir key ${holder.name} is of another tenant.`, { param: 'tenant' })
    const tenant = named ?? holder.tenant
    return { tenant, whose: holder.everyTenant ? named : tenant, has: (scope) => holder.scopes.has(scope) }
  }
