import { proxyFactsSchema, type ProxyFacts } from '../../core/internal/facts.js'
import { askRole, RoleRefused, type RoleAddress } from './ask-role.js'

/** What a proxy says of itself. Never throws. @returns A sentence where it says nothing. */
export const askProxy = async (proxy: RoleAddress): Promise<ProxyFacts | string> => {
  try {
    // Roles that share no secret know of each other what everybody may know.
    const path = proxy.token === null ? '/readyz' : '/internal/facts'
    return proxyFactsSchema.parse(await askRole(proxy, { method: 'GET', path, timeoutMs: 1000 }))
  } catch (cause) {
    return cause instanceof RoleRefused
      ? `The proxy at ${proxy.url} answers, and tells nothing: it has another WEIR_ADMIN_SECRET, or is of another version.`
      : `The proxy does not answer at ${proxy.url}: calls to it fail.`
  }
}
