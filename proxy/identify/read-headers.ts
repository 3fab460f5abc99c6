import { hopByHop } from '../../core/headers.js'
import { isStoredHeader } from '../../core/redact.js'

/** What happens to a request header; decided once per name. */
type Fate = 'forward' | 'drop' | 'ours' | 'trace' | 'encoding' | 'connection' | 'credential' | 'te' | 'caching'

interface Known {
  readonly lower: string
  readonly fate: Fate
  readonly stored: boolean
}

/** One of our headers as it came: `rest` is the lower-case name behind its prefix. */
export interface OwnHeader {
  readonly dialect: 'weir' | 'helicone'
  readonly rest: string
  /** As sent, for messages. */
  readonly name: string
  readonly value: string
}

export interface ReadHeaders {
  /** Flat pairs that may go upstream, credentials included. */
  readonly forward: string[]
  readonly own: OwnHeader[]
  readonly stored: (readonly [string, string])[]
  readonly traceparent: string | null
  readonly contentEncoding: string | null
  readonly authorization: string | null
  /** The last of `x-api-key`, `api-key`, `x-goog-api-key`. */
  readonly apiKey: string | null
  /** How many headers hold a key, `Authorization` among them. */
  readonly credentials: number
  readonly hop: string | null
  /** Forwarded, too. */
  readonly cacheControl: string | null
  /** `TE: trailers`: they may follow a chunked answer. */
  readonly trailers: boolean
}

const gatewayCredentials = new Set(['aws-access-key', 'aws-secret-key', 'aws-session-token'])
const fateOf = (lower: string): Fate => {
  if (lower.startsWith('weir-') || lower.startsWith('helicone-')) return 'ours'
  if (lower === 'connection') return 'connection'
  if (lower === 'te') return 'te'
  if (hopByHop.has(lower) || lower.startsWith('proxy-') || lower.startsWith('__helicone-') || gatewayCredentials.has(lower))
    return 'drop'
  if (lower === 'host' || lower === 'content-length' || lower === 'expect') return 'drop'
  if (lower === 'accept-encoding') return 'encoding'
  if (lower === 'cache-control') return 'caching'
  if (lower === 'traceparent' || lower === 'tracestate' || lower === 'baggage') return 'trace'
  if (lower === 'authorization' || lower === 'x-api-key' || lower === 'api-key' || lower === 'x-goog-api-key') return 'credential'
  return 'forward'
}

const readable = new Set(['gzip', 'x-gzip', 'deflate', 'br', 'zstd', 'identity', '*'])
/** `accept-encoding` without the codings the side copy could not be read in. */
const readableEncodings = (value: string): string => {
  const kept = value.split(',').filter((part) => readable.has((part.split(';', 1)[0] as string).trim().toLowerCase()))
  return kept.length === 0 ? 'identity' : kept.map((part) => part.trim()).join(', ')
}
const plainEncodings = new Map<string, string>()
const encodings = (value: string): string => {
  let known = plainEncodings.get(value)
  if (known === undefined) {
    known = readableEncodings(value)
    if (plainEncodings.size < 256) plainEncodings.set(value, known)
  }
  return known
}

const neverNamed = /^(authorization|host|content-)/

/**
 * Sorts the headers of a request in one pass. Names are decided once and remembered (4,096 of them).
 */
export const headerReader = (): ((raw: readonly string[]) => ReadHeaders) => {
  const known = new Map<string, Known>()
  const look = (name: string): Known => {
    let found = known.get(name)
    if (found === undefined) {
      const lower = name.toLowerCase()
      found = { lower, fate: fateOf(lower), stored: isStoredHeader(lower) }
      if (known.size < 4096) known.set(name, found)
    }
    return found
  }
  return (raw) => {
    const forward: string[] = []
    const own: OwnHeader[] = []
    const stored: (readonly [string, string])[] = []
    let traceparent: string | null = null
    let contentEncoding: string | null = null
    let authorization: string | null = null
    let apiKey: string | null = null
    let credentials = 0
    let hop: string | null = null
    let connection: string | null = null
    let cacheControl: string | null = null
    let trailers = false
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i] as string
      const value = raw[i + 1] as string
      const { lower, fate, stored: keep } = look(name)
      if (keep) stored.push([lower, value])
      switch (fate) {
        case 'forward':
          if (lower === 'content-encoding') contentEncoding = value.toLowerCase()
          forward.push(name, value)
          break
        case 'credential':
          credentials++
          if (lower === 'authorization') authorization = value
          else apiKey = value
          forward.push(name, value)
          break
        case 'caching':
          cacheControl = cacheControl === null ? value : `${cacheControl}, ${value}`
          forward.push(name, value)
          break
        case 'encoding':
          forward.push(name, encodings(value))
          break
        case 'ours':
          if (lower === 'weir-hop') hop = value
          else {
            const dialect = lower.startsWith('weir-') ? 'weir' : 'helicone'
            own.push({ dialect, rest: lower.slice(dialect.length + 1), name, value })
          }
          break
        case 'trace':
          if (lower === 'traceparent') traceparent = value
          break
        case 'te':
          if (/(?:^|[,\s])trailers(?:$|[,\s])/i.test(value)) trailers = true
          break
        case 'connection':
          if (value.length > 10 || !/^(keep-alive|close|upgrade)$/i.test(value)) connection = value
          break
        case 'drop':
          break
      }
    }
    if (connection !== null) {
      const named = new Set(connection.split(',').map((part) => part.trim().toLowerCase()))
      for (let i = forward.length - 2; i >= 0; i -= 2) {
        const lower = (forward[i] as string).toLowerCase()
        if (named.has(lower) && !neverNamed.test(lower)) forward.splice(i, 2)
      }
    }
    return { forward, own, stored, traceparent, contentEncoding, authorization, apiKey, credentials, hop, cacheControl, trailers }
  }
}
