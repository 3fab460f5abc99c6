import { listAt, type JsonObject } from '../json-text.js'
import { bodyObject, takeErrorEvent, takeTold, typedEvent } from '../openai-chat/told.js'
import type { FamilyReader, Seen } from '../seen.js'

const picturesIn = (value: JsonObject): number => listAt(value, 'data').length || listAt(value, 'images').length

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
      // Half-made pictures are megabytes of base64.
      const told = typedEvent(data, name, '.partial_image', seen)
      if (told === null) return
      const { type, value } = told
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
