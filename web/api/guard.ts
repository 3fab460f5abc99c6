import type { RequestHandler } from 'express'
import helmet from 'helmet'
import { isLoopback } from '../../core/config.js'
import { ApiError } from './problems.js'

/** Headers of every answer (security.md §6). HSTS stays off: whoever puts TLS in front decides for how long. */
export const securityHeaders: RequestHandler = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'self'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      // Positions in charts and virtual lists are set as attributes; they cannot load anything.
      styleSrcAttr: ["'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      objectSrc: ["'none'"],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  referrerPolicy: { policy: 'no-referrer' },
  strictTransportSecurity: false,
  xFrameOptions: { action: 'deny' },
})

const hostName = (host: string | undefined): string => {
  const text = (host ?? '').toLowerCase()
  return /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/.exec(text)?.[1]?.replace(/\.$/, '') ?? ''
}

/**
 * On a loopback bind only local names are served: a foreign name that resolves to 127.0.0.1 (DNS rebinding) would let any web page
 * read everything. Off loopback the admin secret guards instead.
 */
export const hostGuard = (bind: string, allowedHosts: readonly string[]): RequestHandler => {
  const served = new Set(['localhost', '127.0.0.1', '[::1]', ...allowedHosts.map((name) => name.toLowerCase())])
  return (req, _res, next) => {
    if (isLoopback(bind) && !served.has(hostName(req.headers.host)))
      throw new ApiError('foreign_host', 'This Weir serves its own machine, and the Host header names another one.')
    next()
  }
}

const reads = new Set(['GET', 'HEAD', 'OPTIONS'])

/** State changes come from our own pages or from no page at all. Browsers send these headers and pages cannot forge them. */
export const originGuard: RequestHandler = (req, _res, next) => {
  if (reads.has(req.method)) return next()
  const site = req.headers['sec-fetch-site']
  const origin = req.headers.origin
  const foreignSite = site !== undefined && site !== 'same-origin' && site !== 'none'
  const foreignOrigin =
    origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== req.headers.host?.toLowerCase())
  if (foreignSite || foreignOrigin) throw new ApiError('foreign_origin', 'The request was made by a page of another site.')
  next()
}
