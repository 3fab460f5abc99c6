declare const brand: unique symbol

/** Whose data. Branded, so that no store, query or cache method can be called with any other text in its place. */
export type TenantId = string & { readonly [brand]: 'TenantId' }

const form = /^[a-z0-9][a-z0-9_-]{0,63}$/

/**
 * @throws RangeError unless `text` is 1 to 64 lower-case letters, digits, `_` or `-`.
 */
export const tenantId = (text: string): TenantId => {
  if (!form.test(text))
    throw new RangeError(`"${text.slice(0, 64)}" is not a tenant: 1 to 64 lower-case letters, digits, "_" or "-".`)
  return text as TenantId
}

/** The one tenant of an installation without Weir keys. */
export const defaultTenant: TenantId = tenantId('default')
