import { isObject, listAt, parsed } from '../json-text.js'
import { bodyObject, takeErrorEvent, takeTold } from '../openai-chat/told.js'
import type { FamilyReader, Seen } from '../seen.js'

const typeOf = /"type" ?: ?"([^"]*)"/

/**
 * Pictures made, edited or varied: one body whose `data` holds them, or events that end in `.completed`, one per picture. How many
 * there were is kept as the source `images`: DALL-E and others tell nothing else.
 */
export const imagesReader = (family: string, status: number, seen: Seen): FamilyReader => {
  let made = 0
  const madeOne = (count: number): void => {
    made += count
    if (made === 0) return
    seen.content = true
    seen.raw('images', { count: made })
  }

  return {
    event: (data, name) => {
      if (data.startsWith('[DONE]')) {
        seen.terminal = true
        return
      }
      seen.events++
      const type = typeOf.exec(data)?.[1] ?? name ?? ''
      // Half-made pictures are megabytes of base64 and tell nothing.
      if (type.endsWith('.partial_image')) {
        seen.content = true
        return
      }
      const value = parsed(data)
      if (!isObject(value)) {
        seen.note('malformed')
        return
      }
      takeTold(value, family, status, seen)
      if (name === 'error') takeErrorEvent(value, family, status, seen)
      if (type.endsWith('.completed')) {
        madeOne(1)
        // Not the end of the stream: there may be another picture.
        seen.finished('completed')
      }
    },
    body: (value) => {
      const object = bodyObject(value, seen)
      if (object === null) return
      takeTold(object, family, status, seen)
      madeOne(listAt(object, 'data').length || listAt(object, 'images').length)
    },
  }
}
