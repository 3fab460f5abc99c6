import { hopByHop } from '../core/headers.js'
import { isStoredHeader } from '../core/redact.js'

interface Known {
  readonly lower: string
  readonly relayed: boolean
  readonly stored: boolean
}

export interface AnswerHeaders {
  /** Flat pairs for the client. */
  readonly relayed: string[]
  readonly stored: (readonly [string, string])[]
  readonly contentType: string | null
  readonly contentEncoding: string | null
  /** What an Azure deployment stands for. */
  readonly servedModel: string | null
  /** What kind of error it is, where AWS answers. */
  readonly errorType: string | null
  /** -1 = not told. */
  readonly contentLength: number
  readonly hasDate: boolean
}

const known = new Map<string, Known>()
const dropped = new Set(['set-cookie', 'set-cookie2', 'alt-svc', 'strict-transport-security'])
const look = (name: string): Known => {
  let found = known.get(name)
  if (found === undefined) {
    const lower = name.toLowerCase()
    found = {
      lower,
      relayed: !hopByHop.has(lower) && !dropped.has(lower) && !lower.startsWith('weir-') && !lower.startsWith('proxy-'),
      stored: isStoredHeader(lower),
    }
    if (known.size < 4096) known.set(name, found)
  }
  return found
}

/** Sorts the head of an upstream's answer (wire.md §1.2): what the client gets, and what the record may keep. */
export const sortAnswerHeaders = (flat: readonly string[]): AnswerHeaders => {
  const relayed: string[] = []
  const stored: (readonly [string, string])[] = []
  let contentType: string | null = null
  let contentEncoding: string | null = null
  let servedModel: string | null = null
  let errorType: string | null = null
  let contentLength = -1
  let hasDate = false
  let named: Set<string> | null = null
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string
    const value = flat[i + 1] as string
    const { lower, relayed: passes, stored: keep } = look(name)
    if (keep) stored.push([lower, value])
    if (lower === 'content-type') contentType = value
    else if (lower === 'content-encoding') contentEncoding = value.toLowerCase()
    else if (lower === 'content-length') contentLength = Number(value)
    else if (lower === 'date') hasDate = true
    else if (lower === 'x-ms-served-model') servedModel = value.slice(0, 256)
    else if (lower === 'x-amzn-errortype') errorType = value.slice(0, 256)
    else if (lower === 'connection' && !/^(keep-alive|close)$/i.test(value))
      named = new Set(value.split(',').map((part) => part.trim().toLowerCase()))
    if (passes) relayed.push(name, value)
  }
  if (named !== null)
    for (let i = relayed.length - 2; i >= 0; i -= 2) {
      const lower = (relayed[i] as string).toLowerCase()
      if (named.has(lower) && !lower.startsWith('content-')) relayed.splice(i, 2)
    }
  return { relayed, stored, contentType, contentEncoding, servedModel, errorType, contentLength, hasDate }
}
