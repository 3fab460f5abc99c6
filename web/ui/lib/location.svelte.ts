import { address, isOurs, routeOf, type ParamChanges } from './routes.js'

let url = $state.raw(new URL(window.location.href))
const route = $derived(routeOf(url.pathname))

/** Where we are. The address bar is the only state of a page; read it here, change it with `go` or `change`. */
export const here = {
  get url(): URL {
    return url
  },
  get route() {
    return route
  },
  get params(): URLSearchParams {
    return url.searchParams
  },
}

/** Goes to an address of this site. `replace` leaves no step in the history, for what people do not think of as a step. */
export const go = (href: string, how: 'push' | 'replace' = 'push'): void => {
  const next = new URL(href, url)
  if (next.href === url.href) return
  if (how === 'replace') window.history.replaceState(null, '', next)
  else window.history.pushState(null, '', next)
  const samePage = next.pathname === url.pathname
  url = next
  if (!samePage && routeOf(next.pathname).page !== 'requests') window.scrollTo(0, 0)
}

/** Sets or removes parameters of the present address. */
export const change = (params: ParamChanges, how: 'push' | 'replace' = 'push'): void =>
  go(address(url.pathname, url.searchParams, params), how)

/** The parameters that mean the same on every page, so that a change of page keeps them. */
const shared = ['range', 'from', 'to']

/** The address of another page, in the same time range. */
export const page = (path: string, params: ParamChanges = {}): string =>
  address(path, new URLSearchParams([...url.searchParams].filter(([key]) => shared.includes(key))), params)

/** Follows links and the back button without loading the page again. Returns what takes the listeners off. */
export const startRouter = (): (() => void) => {
  const onPop = (): void => {
    url = new URL(window.location.href)
  }
  const onClick = (event: MouseEvent): void => {
    if (event.defaultPrevented || !(event.target instanceof Element)) return
    const link = event.target.closest('a')
    if (link === null || !link.hasAttribute('href')) return
    const click = {
      button: event.button,
      modified: event.metaKey || event.ctrlKey || event.shiftKey || event.altKey,
      target: link.target,
      download: link.hasAttribute('download'),
      href: link.href,
    }
    if (!isOurs(click, window.location.origin)) return
    event.preventDefault()
    go(link.href)
  }
  window.addEventListener('popstate', onPop)
  document.addEventListener('click', onClick)
  return () => {
    window.removeEventListener('popstate', onPop)
    document.removeEventListener('click', onClick)
  }
}
