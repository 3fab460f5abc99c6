import { providerError } from './errors.js'
import { amount } from './faults.js'
import type { Asked, Reply } from './reply.js'
import { createdAt, json } from './reply.js'

const block = Buffer.alloc(65_536, 'weir lets the water through and measures the flow\n')

/** The content of every file: the same 64 KiB again and again, `bytes` long. */
export const fileContent = function* (bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= block.length) yield left >= block.length ? block : block.subarray(0, left)
}

const field = (head: string, name: string): string | null =>
  new RegExp(`name="${name}"\\r\\n(?:[^\\r]+\\r\\n)*\\r\\n([^\\r]*)`).exec(head)?.[1] ?? null

/** What POST .../files answers: length and SHA-256 of the whole request body, as it came over the wire. */
const uploaded = (asked: Asked): Reply => {
  const head = asked.head.toString('latin1')
  return json({
    id: asked.id('file-', 22),
    object: 'file',
    bytes: asked.bodyBytes,
    created_at: createdAt,
    filename: /filename="([^"]*)"/.exec(head)?.[1] ?? 'upload.bin',
    purpose: field(head, 'purpose') ?? 'user_data',
    status: 'processed',
    sha256: asked.bodySha256,
  })
}

/** .../files, .../files/{id}, .../files/{id}/content?bytes=n. Content is made as it is sent, in constant memory. */
export const files = (asked: Asked, rest: string): Reply | { readonly content: Iterable<Buffer>; readonly bytes: number } => {
  const [, id = '', verb] = rest.split('/')
  if (asked.method === 'POST' && id === '') return uploaded(asked)
  if (asked.method === 'DELETE' && id !== '') return json({ id, object: 'file', deleted: true })
  if (asked.method === 'GET' && verb === 'content') {
    const bytes = Number(asked.query.get('bytes') ?? amount(asked.fake, 'bytes') ?? 1024)
    return { content: fileContent(bytes), bytes }
  }
  if (asked.method === 'GET' && id !== '')
    return json({ id, object: 'file', bytes: 1024, created_at: createdAt, filename: 'upload.bin', purpose: 'user_data' })
  if (asked.method === 'GET') return json({ object: 'list', data: [], has_more: false })
  return providerError('openai', asked, 405, 'Method not allowed.')
}
