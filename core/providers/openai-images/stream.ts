import { isObject, listAt, parsed, type JsonObject } from '../json-text.js'
import { bodyObject, takeErrorEvent, takeTold } from '../openai-chat/told.js'
import type { FamilyReader, Seen } from '../seen.js'

const picturesIn = (value: JsonObject): number => listAt(value, 'data').length || listAt(value, 'images').length

const typeOf = /"type" ?: ?"([^"]*)"/

/**
 * Pictures made, edited or varied: one body whose `data` holds them, or events that end in `.completed`, one per picture. How many
 * there were is kept as the source `images`: DALL-E and others tell nothing else.
 */
export const imagesReader = (family: string, status: number, seen: Seen): FamilyReader => {
  let count = 0
  const made = (pictures: number): void => {
    count += pictures
    if (count === 0) return
    seen.content = true
    seen.raw('images', { count })
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
      if (name === 'error' || type.endsWith('.failed')) takeErrorEvent(value, family, status, seen)
      if (type.endsWith('.completed')) {
        made(1)
        // Not the end of the stream: there may be another picture.
        seen.finished('completed')
      } else made(picturesIn(value))
    },
    body: (value) => {
      const object = bodyObject(value, seen)
      if (object === null) return
      takeTold(object, family, status, seen)
      made(picturesIn(object))
    },
  }
}
