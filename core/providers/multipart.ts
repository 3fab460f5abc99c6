import { latin1, utf8 } from './json-text.js'

const maxParts = 128
const maxHeadBytes = 8 * 1024
const maxValueBytes = 1024

/** RFC 2046 §5.1.1 allows 70 characters; some clients take more. */
const boundaryOf = (contentType: string): string | null => {
  const found = /;\s*boundary=(?:"([^"]{1,256})"|([^\s;"]{1,256}))/i.exec(contentType)
  return found?.[1] ?? found?.[2] ?? null
}

const nameIn = (head: string): string | null => {
  const disposition = /^content-disposition:[^\r\n]*/im.exec(head)?.[0] ?? ''
  if (/;\s*filename\*?=/i.test(disposition)) return null
  const found = /;\s*name=(?:"([^"]*)"|([^\s;"]+))/i.exec(disposition)
  return found?.[1] ?? found?.[2] ?? null
}

/**
 * The short text fields of a `multipart/form-data` body, by name; the first of equal names counts. Files are stepped over, not read:
 * only their end is looked for.
 *
 * @param body The whole body, or its beginning.
 * @returns `null` when it is none.
 */
export const formFields = (body: Buffer, contentType: string): ReadonlyMap<string, string> | null => {
  const boundary = boundaryOf(contentType)
  if (boundary === null) return null
  const mark = Buffer.from(`--${boundary}`, 'latin1')
  let at = body.indexOf(mark)
  // Before the first boundary there may be a preamble, on lines of its own.
  if (at > 0 && body[at - 1] !== 10) return null
  if (at < 0) return null
  const fields = new Map<string, string>()
  const next = Buffer.from(`\r\n--${boundary}`, 'latin1')
  for (let parts = 0; parts < maxParts && at >= 0; parts++) {
    const from = at + mark.length
    if (body[from] === 0x2d && body[from + 1] === 0x2d) break
    const headEnd = body.subarray(from, from + maxHeadBytes).indexOf('\r\n\r\n')
    if (headEnd < 0) break
    const valueFrom = from + headEnd + 4
    // An empty value has its boundary right behind the head.
    const end = body.indexOf(next, valueFrom - 2)
    if (end < 0) break
    const name = nameIn(latin1(body, from, valueFrom))
    const length = Math.max(0, end - valueFrom)
    if (name !== null && length <= maxValueBytes && !fields.has(name))
      fields.set(name, utf8(body.subarray(valueFrom, valueFrom + length)))
    at = end + 2
  }
  return fields
}
