import type { Config } from '../core/config.js'

const loopbackHost = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i

/** Whether a `Host` may be asked for on a loopback bind: it stops DNS rebinding (security.md §1). */
export const isAllowedHost = (
  host: string | undefined,
  { allowedHosts, hostRouting }: Pick<Config, 'allowedHosts' | 'hostRouting'>,
): boolean => {
  if (host === undefined) return false
  if (loopbackHost.test(host)) return true
  const bare = host.replace(/:\d+$/, '').toLowerCase()
  return allowedHosts.includes(bare) || hostRouting.some((name) => bare.endsWith(`.${name}`))
}
