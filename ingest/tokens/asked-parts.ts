import { isObject, listAt, objectAt, textAt, type JsonObject } from '../../core/providers/json-text.js'

/** Something in a request that is no text. `data` is the base64 of a picture; `null` where only the provider has it. */
export interface AskedMedia {
  readonly kind: 'image' | 'other'
  readonly data: string | null
  readonly detail: string | null
}

export interface AskedParts {
  readonly media: readonly AskedMedia[]
  /** Text that lies where a picture or file may: documents given as plain text. */
  readonly texts: readonly string[]
  /** Earlier turns, cached content or a stored prompt that the request names and does not hold. */
  readonly namesMore: boolean
}

/** Messages do not nest deeper than this; a deeper request is somebody's game. */
const maxDepth = 24

const inlined = (url: string | null): string | null => /^data:image\/[^,]*;base64,([\s\S]*)$/.exec(url ?? '')?.[1] ?? null

/** Where parts of messages lie, in the request forms of all families. What a tool was called with is not among them. */
const holders = [
  'messages',
  'message',
  'contents',
  'content',
  'parts',
  'requests',
  'input',
  'output',
  'system',
  'systemInstruction',
  'system_instruction',
  'toolResult',
]

const isToolCall = (type: string): boolean => type.endsWith('_use') || (type.endsWith('_call') && type !== 'mcp_call')

const firstData = (...candidates: readonly (string | null)[]): string | null => candidates.find((data) => data !== null) ?? null

/** Finds what is no text in a request, whichever family's form it has. Never throws. */
export const askedParts = (request: unknown): AskedParts => {
  const media: AskedMedia[] = []
  const texts: string[] = []
  const image = (data: string | null, detail: string | null = null): void => {
    media.push({ kind: 'image', data, detail })
  }
  const more = (): void => {
    media.push({ kind: 'other', data: null, detail: null })
  }

  const ofMimeType = (type: string, data: string | null): void => (type.startsWith('image/') ? image(data) : more())

  const document = (source: JsonObject | null, depth: number): void => {
    const data = textAt(source, 'data')
    if (source !== null && source.type === 'text' && data !== null) texts.push(data)
    else if (source !== null && source.type === 'content') walk(source.content, depth)
    else more()
  }

  /** Whether the value is a part that is no text. */
  const typed = (value: JsonObject, depth: number): boolean => {
    const detail = textAt(value, 'detail')
    switch (value.type) {
      case 'image_url': {
        const inner = objectAt(value, 'image_url')
        image(inlined(textAt(value, 'image_url') ?? textAt(inner, 'url')), textAt(inner, 'detail') ?? detail)
        return true
      }
      case 'input_image':
        image(inlined(textAt(value, 'image_url')), detail)
        return true
      case 'image': {
        const source = objectAt(value, 'source')
        image(firstData(textAt(source, 'data'), textAt(value, 'data')))
        return true
      }
      case 'document':
        document(objectAt(value, 'source'), depth)
        return true
      case 'input_audio':
      case 'audio':
      case 'audio_url':
      case 'video':
      case 'video_url':
      case 'input_video':
      case 'file':
      case 'input_file':
      case 'document_url':
      case 'container_upload':
        more()
        return true
      default:
        return false
    }
  }

  /** Gemini's and Bedrock's parts are told by the name of their one key. */
  const named = (value: JsonObject): boolean => {
    const inline = objectAt(value, 'inlineData') ?? objectAt(value, 'inline_data')
    const file = objectAt(value, 'fileData') ?? objectAt(value, 'file_data')
    const mime = textAt(inline ?? file, 'mimeType') ?? textAt(inline ?? file, 'mime_type') ?? ''
    if (inline !== null || file !== null) ofMimeType(mime, textAt(inline, 'data'))
    else if (objectAt(value, 'image') !== null) image(textAt(objectAt(objectAt(value, 'image'), 'source'), 'bytes'))
    else if (objectAt(value, 'document') !== null || objectAt(value, 'video') !== null) more()
    else return false
    return true
  }

  const walk = (value: unknown, depth: number): void => {
    if (depth > maxDepth) return
    if (Array.isArray(value)) for (const entry of value) walk(entry, depth + 1)
    if (!isObject(value) || typed(value, depth) || named(value)) return
    // Ollama: pictures of a message, in base64.
    for (const data of listAt(value, 'images')) image(typeof data === 'string' ? data : null)
    if (typeof value.type === 'string' && isToolCall(value.type)) return
    for (const holder of holders) if (value[holder] !== undefined) walk(value[holder], depth + 1)
  }

  walk(request, 0)
  const asked = isObject(request) ? request : {}
  const namesMore =
    ['previous_response_id', 'conversation', 'cachedContent', 'cached_content'].some(
      (key) => asked[key] !== undefined && asked[key] !== null,
    ) || textAt(objectAt(asked, 'prompt'), 'id') !== null
  return { media, texts, namesMore }
}
