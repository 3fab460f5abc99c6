import type { IncomingMessage } from 'node:http'
import { letIn, type Access } from '../../core/access.js'
import { isLoopback } from '../../core/config.js'

/** A request turned away before its SQL is read: the HTTP status, and ClickHouse's code and words for it. */
export interface TurnedAway {
  readonly status: 401 | 403
  readonly code: number
  readonly message: string
}

export interface Door {
  /** The address the front is bound to. */
  readonly address: string
  readonly access: Access
  /** Names, beside localhost, that may be used on a loopback bind. */
  readonly allowedHosts: readonly string[]
}

const nameOf = (host: string): string => host.toLowerCase().replace(/:\d+$/, '')

const hostRefusal = (req: IncomingMessage, { allowedHosts }: Door): TurnedAway | null => {
  const name = nameOf(req.headers.host ?? '')
  const known = ['localhost', '127.0.0.1', '[::1]', ...allowedHosts.map((host) => host.toLowerCase())]
  if (known.includes(name)) return null
  return {
    status: 403,
    code: 516,
    message: `The host name ${JSON.stringify(name)} is not one this address answers to. Use localhost, or add the name to allowedHosts in weir.yaml.`,
  }
}

// A page of another origin can send a query to localhost without asking; it shall not even cost a query.
const originRefusal = (req: IncomingMessage): TurnedAway | null => {
  const { origin, host } = req.headers
  const site = req.headers['sec-fetch-site']
  const foreign =
    (origin !== undefined && origin.replace(/^https?:\/\//, '').toLowerCase() !== host?.toLowerCase()) || site === 'cross-site'
  return foreign ? { status: 403, code: 516, message: 'Web pages of another origin may not ask here.' } : null
}

const keysGiven = (req: IncomingMessage, params: URLSearchParams): string[] => {
  const [scheme = '', credentials = ''] = (req.headers.authorization ?? '').split(' ', 2)
  const basic = scheme.toLowerCase() === 'basic' ? Buffer.from(credentials, 'base64').toString() : ''
  const given = [
    req.headers['x-clickhouse-key'],
    basic.includes(':') ? basic.slice(basic.indexOf(':') + 1) : undefined,
    scheme.toLowerCase() === 'bearer' ? credentials : undefined,
    params.get('password') ?? undefined,
  ]
  return given.filter((key): key is string => typeof key === 'string' && key !== '')
}

/** Turns away what a web page of another origin sends, and on a loopback bind a foreign host name: it stops DNS rebinding. */
export const strayed = (req: IncomingMessage, door: Door): TurnedAway | null =>
  originRefusal(req) ?? (isLoopback(door.address) ? hostRefusal(req, door) : null)

/**
 * A key is asked for wherever access is not open, and on every address but loopback. It must hold `sql`; off loopback `admin`, because
 * the front shows every tenant.
 */
export const unauthorised = (req: IncomingMessage, params: URLSearchParams, { address, access }: Door): TurnedAway | null => {
  const isLocal = isLoopback(address)
  if (isLocal && access.isOpen) return null
  const wanted = { ...access, isOpen: false }
  const needs = [isLocal ? access.sqlScope : 'admin'] as const
  const [first = null, ...others] = keysGiven(req, params)
  const { refused } = letIn(wanted, first, needs)
  if (refused === null || others.some((key) => letIn(wanted, key, needs).refused === null)) return null
  return refused.fault === 'none'
    ? {
        status: 401,
        code: 194,
        message: `${refused.message} It goes in the place of the password; the user name does not matter.`,
      }
    : { status: 403, code: 516, message: `Authentication failed: ${refused.message}` }
}
