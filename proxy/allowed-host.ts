const loopbackHost = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i

/** Whether a `Host` may be asked for on a loopback bind: it stops DNS rebinding (security.md §1). */
export const isAllowedHost = (host: string | undefined, allowed: readonly string[]): boolean =>
  host !== undefined && (loopbackHost.test(host) || allowed.includes(host.replace(/:\d+$/, '').toLowerCase()))
