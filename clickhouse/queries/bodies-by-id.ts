import type { TenantId } from '../../core/tenant.js'
import type { Db } from '../db.js'

export interface StoredBodies {
  readonly request: string
  readonly response: string
  readonly requestState: string
  readonly responseState: string
  readonly requestSha256: string
  readonly responseSha256: string
  /** Name and value, in the order they came in. */
  readonly requestHeaders: readonly (readonly [string, string])[]
  readonly responseHeaders: readonly (readonly [string, string])[]
}

/** The stored bodies of a call of that very time; `null` when none were stored or they are past their retention. */
export const bodiesById = async (
  db: Db,
  tenant: TenantId,
  { id, at }: { id: string; at: string },
): Promise<StoredBodies | null> => {
  const [row] = await db.rows<StoredBodies>(
    'bodies-by-id',
    `SELECT request_body AS request, response_body AS response, request_state AS requestState, response_state AS responseState,
      request_sha256 AS requestSha256, response_sha256 AS responseSha256,
      arrayMap(h -> [toString(h.name), h.value], request_headers) AS requestHeaders,
      arrayMap(h -> [toString(h.name), h.value], response_headers) AS responseHeaders
    FROM request_bodies WHERE tenant_id = {tenant:String} AND ts = {at:DateTime64(3, 'UTC')} AND request_id = {id:UUID}
    ORDER BY ver DESC LIMIT 1`,
    { tenant, id, at: new Date(at) },
  )
  return row ?? null
}
