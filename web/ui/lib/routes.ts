/** The pages, by the path they answer to. */
export type Route =
  | { readonly page: 'overview' }
  | { readonly page: 'start' }
  | { readonly page: 'requests'; readonly id: string | null }
  | { readonly page: 'exports' }
  | { readonly page: 'settings' }
  | { readonly page: 'unknown' }

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** Which page a path means. A trailing slash does not matter; what no page answers to is `unknown`. */
export const routeOf = (pathname: string): Route => {
  const [first, second, third] = pathname.split('/').filter((segment) => segment !== '')
  if (third !== undefined) return { page: 'unknown' }
  if (first === undefined) return { page: 'overview' }
  if (first === 'requests') return { page: 'requests', id: second === undefined ? null : decoded(second) }
  if (second !== undefined) return { page: 'unknown' }
  if (first === 'start' || first === 'exports' || first === 'settings') return { page: first }
  return { page: 'unknown' }
}

/** Parameters to set; `null` takes one out, an array writes one pair for each item. */
export type ParamChanges = Readonly<Record<string, string | readonly string[] | null>>

/**
 * An address of this site.
 *
 * @param params Where to start from: the present parameters to keep them, empty to drop them.
 * @returns Path and query, keys in a fixed order, so that the same view always has the same address.
 */
export const address = (path: string, params: URLSearchParams, changes: ParamChanges = {}): string => {
  const kept = [...params].filter(([key]) => !Object.hasOwn(changes, key))
  const added = Object.entries(changes).flatMap(([key, value]) =>
    value === null ? [] : typeof value === 'string' ? [[key, value]] : value.map((item) => [key, item]),
  )
  const pairs = [...kept, ...added].map(([key = '', value = '']): [string, string] => [key, value])
  const query = new URLSearchParams(pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))).toString()
  return query === '' ? path : `${path}?${query}`
}

export interface Click {
  readonly button: number
  readonly modified: boolean
  readonly target: string
  readonly download: boolean
  readonly href: string
}

/** Whether a click on a link is ours to follow without a page load: plain, same origin, same tab, not the API. */
export const isOurs = ({ button, modified, target, download, href }: Click, origin: string): boolean => {
  if (button !== 0 || modified || download || (target !== '' && target !== '_self')) return false
  const url = new URL(href, origin)
  return url.origin === origin && !url.pathname.startsWith('/api/')
}
