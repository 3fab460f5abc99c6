import type { TenantId } from '../core/tenant.js'

/** Events apart by whose they are, so that each question to the store is about one tenant. In order, no list is empty. */
export const byTenant = <T>(events: readonly T[], tenantOf: (event: T) => string): ReadonlyMap<TenantId, readonly T[]> => {
  const apart = new Map<TenantId, T[]>()
  for (const event of events) {
    // Proxies write nothing but a TenantId into their events; on the way through the log it is a text.
    const tenant = tenantOf(event) as TenantId
    const known = apart.get(tenant)
    if (known === undefined) apart.set(tenant, [event])
    else known.push(event)
  }
  return apart
}
