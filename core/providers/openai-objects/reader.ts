import { listAt, textAt } from '../json-text.js'
import { chatReader } from '../openai-chat/stream.js'
import { bodyObject, takeTold } from '../openai-chat/told.js'
import type { FamilyReader, Seen } from '../seen.js'

/** APIs that answer with one object and nothing to stream: embeddings, moderations, rerank, OCR, a batch. */
export const objectReader = (family: string, api: string, status: number, seen: Seen): FamilyReader => ({
  event: chatReader(family, 'chat', status, seen).event,
  body: (value) => {
    const object = bodyObject(value, seen)
    if (object === null) return
    takeTold(object, family, status, seen)
    if (api === 'batch') seen.finished(textAt(object, 'status'))
    for (const page of listAt(object, 'pages')) seen.delivered(textAt(page, 'markdown')?.length ?? 0)
  },
})
