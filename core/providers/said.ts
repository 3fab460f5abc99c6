import type { Block, Conversation, Message } from '../messages.js'
import { closedJson } from './framing/cut-json.js'
import { jsonArraySplitter } from './framing/json-array.js'
import { ndjsonSplitter } from './framing/ndjson.js'
import { sseSplitter, type OnEvent } from './framing/sse.js'
import { parsed, textAt } from './json-text.js'

/** A parsed event of a stored stream. */
export interface SaidEvent {
  readonly name: string | null
  readonly value: unknown
}

/** A stored answer: one body, or the events of a stream. */
export type Answered =
  | { readonly form: 'none' }
  | { readonly form: 'body'; readonly value: unknown }
  | { readonly form: 'events'; readonly events: readonly SaidEvent[] }

/** The JSON of a request; `undefined` when it is none. */
export const requestOf = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** Reads a stored answer by what its text looks like: JSON, server-sent events, an array of elements, or JSON lines. */
export const answerOf = (text: string, notes: Set<string>): Answered => {
  const trimmed = text.trimStart()
  if (trimmed === '') return { form: 'none' }
  if (trimmed.startsWith('{') || trimmed.startsWith('[')) {
    const value = requestOf(trimmed)
    if (Array.isArray(value)) return { form: 'events', events: value.map((element: unknown) => ({ name: null, value: element })) }
    if (value !== undefined) return { form: 'body', value }
    // Cut off: what it says as far as it came. Of an array the elements that are whole are found below.
    const closed = trimmed.startsWith('{') ? closedJson(trimmed) : null
    const said = closed === null ? undefined : requestOf(closed)
    if (said !== undefined) return { form: 'body', value: said }
  }
  const events: SaidEvent[] = []
  const onEvent: OnEvent = (data, name) => {
    if (data.startsWith('[DONE]')) return
    const value = parsed(data)
    if (value === undefined) notes.add('event_unreadable')
    else events.push({ name, value })
  }
  const note = (word: string): void => {
    notes.add(word)
  }
  const splitter = trimmed.startsWith('{')
    ? ndjsonSplitter(onEvent, note)
    : trimmed.startsWith('[')
      ? jsonArraySplitter(onEvent, note)
      : sseSplitter(onEvent, note)
  splitter.push(Buffer.from(text))
  splitter.end()
  if (events.length === 0) notes.add('answer_unreadable')
  return { form: 'events', events }
}

/** A value nobody taught us, kept as it is. */
export const other = (label: string, value: unknown): Block => ({ type: 'other', label, json: JSON.stringify(value) ?? 'null' })

/** Bytes that base64 stands for. */
export const sizeOfBase64 = (text: string): number =>
  Math.floor((text.length * 3) / 4) - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0)

type MediaKind = Extract<Block, { type: 'media' }>['kind']

const kindOf = (mediaType: string, fallback: MediaKind): MediaKind => {
  const kind = mediaType.split('/')[0]
  return kind === 'image' || kind === 'audio' || kind === 'video' ? kind : fallback
}

/** A picture, sound or file by its base64 data or its URL; a `data:` URL counts as data. */
export const media = (
  fallback: MediaKind,
  source: { data?: string | null; url?: string | null; mediaType?: string | null },
): Block => {
  const { data = null, url = null, mediaType = '' } = source
  const inline = url === null ? null : /^data:([^;,]*)[^,]*,/.exec(url)
  if (inline !== null && url !== null)
    return {
      type: 'media',
      kind: kindOf(inline[1] ?? '', fallback),
      mediaType: inline[1] ?? '',
      url: null,
      bytes: sizeOfBase64(url.slice(inline[0].length)),
    }
  return {
    type: 'media',
    kind: kindOf(mediaType ?? '', fallback),
    mediaType: mediaType ?? '',
    url,
    bytes: data === null ? null : sizeOfBase64(data),
  }
}

/** A string that may be missing. */
export const word = (value: unknown, key: string): string => textAt(value, key) ?? ''

/** Text of JSON arguments: a string stays as it came, everything else is written out. */
export const argumentsText = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value)

/** Puts request and answer together; an answer of no blocks is none. */
export const conversation = (
  asked: readonly Message[],
  answered: readonly Message[],
  notes: ReadonlySet<string>,
): Conversation => {
  const said = answered.filter((message) => message.blocks.length > 0)
  return { messages: [...asked, ...said], answerAt: asked.length, notes: [...notes] }
}

/** Grows the text of pieces that arrive one by one, in the order in which each began. */
export class Growing {
  private readonly blocks = new Map<string, { block: Block; text: string[] }>()

  /** Adds `text` to the block under `key`; the first call says what it is. */
  add(key: string, first: Block, text: string): void {
    const found = this.blocks.get(key)
    if (found === undefined) this.blocks.set(key, { block: first, text: [text] })
    else found.text.push(text)
  }

  /** Replaces what a block is, but keeps the text it has. */
  is(key: string, block: Block): void {
    const found = this.blocks.get(key)
    if (found === undefined) this.blocks.set(key, { block, text: [] })
    else found.block = block
  }

  at(key: string): Block | undefined {
    return this.blocks.get(key)?.block
  }

  done(): readonly Block[] {
    return Array.from(this.blocks.values(), ({ block, text }): Block => {
      const joined = text.join('')
      switch (block.type) {
        case 'text':
        case 'refusal':
        case 'thinking':
          return { ...block, text: block.text + joined }
        case 'tool_call':
          return { ...block, arguments: block.arguments + joined }
        default:
          return block
      }
    }).filter((block) => !((block.type === 'text' || block.type === 'refusal') && block.text === ''))
  }
}
