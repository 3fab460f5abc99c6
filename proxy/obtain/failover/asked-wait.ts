import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import { isObject, listAt, objectAt, textAt } from '../../../core/providers/json-text.js'

/** What an upstream said about being asked again. */
export interface Advice {
  /** Milliseconds it wants to be left alone; 0 = nothing said. */
  readonly waitMs: number
  /** `x-should-retry`; `null` = nothing said. */
  readonly shouldRetry: boolean | null
}

const mostErrorBytes = 256 * 1024

/** RFC 9110 §5.6.7: IMF-fixdate, and the two forms that are obsolete. */
const dates = [
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
]

const number = (text: string): number => (/^\d+(?:\.\d+)?$/.test(text) ? Number(text) : 0)

/** Seconds, decimals too, or a date. What is neither, or past, is none. */
const retryAfterMs = (value: string, now: number): number => {
  const text = value.trim()
  if (/^\d/.test(text)) return number(text) * 1000
  if (!dates.some((form) => form.test(text))) return 0
  const at = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
  return Number.isNaN(at) ? 0 : Math.max(0, at - now)
}

const plainBytes = (body: Buffer, encoding: string): Buffer => {
  const options = { maxOutputLength: mostErrorBytes }
  if (encoding === 'gzip' || encoding === 'x-gzip') return gunzipSync(body, options)
  if (encoding === 'br') return brotliDecompressSync(body, options)
  return encoding === 'deflate' ? inflateSync(body, options) : body
}

/** `{"@type": ".../google.rpc.RetryInfo", "retryDelay": "3.5s"}` among the details of Google's error. */
const retryInfoMs = (body: Buffer, encoding: string): number => {
  try {
    const bytes = plainBytes(body, encoding)
    if (!bytes.includes('retryDelay')) return 0
    const value: unknown = JSON.parse(bytes.toString())
    const error = objectAt(Array.isArray(value) ? (value as unknown[])[0] : value, 'error')
    let longest = 0
    for (const detail of listAt(error, 'details')) {
      if (!isObject(detail) || textAt(detail, '@type')?.endsWith('RetryInfo') !== true) continue
      const delay = /^(\d+(?:\.\d+)?)s$/.exec(textAt(detail, 'retryDelay') ?? '')?.[1]
      if (delay !== undefined) longest = Math.max(longest, Number(delay) * 1000)
    }
    return longest
  } catch {
    // Cut, or not what it says it is: nothing was asked.
    return 0
  }
}

/**
 * What an answer asks of whoever comes again (routing.md §4): the longest of `retry-after-ms`, `Retry-After` and Gemini's RetryInfo.
 *
 * @param headers Flat pairs as they came.
 * @param body As it came, as far as it was read.
 * @param now Milliseconds since the epoch.
 */
export const adviceIn = (headers: readonly string[], body: Buffer, now: number): Advice => {
  let waitMs = 0
  let shouldRetry: boolean | null = null
  let encoding = ''
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1] as string
    switch ((headers[i] as string).toLowerCase()) {
      case 'retry-after':
        waitMs = Math.max(waitMs, retryAfterMs(value, now))
        break
      case 'retry-after-ms':
        waitMs = Math.max(waitMs, number(value.trim()))
        break
      case 'x-should-retry': {
        const word = value.trim().toLowerCase()
        if (word === 'true' || word === 'false') shouldRetry = word === 'true'
        break
      }
      case 'content-encoding':
        encoding = value.trim().toLowerCase()
    }
  }
  if (body.length > 0) waitMs = Math.max(waitMs, retryInfoMs(body, encoding))
  return { waitMs, shouldRetry }
}
