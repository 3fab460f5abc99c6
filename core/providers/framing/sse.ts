import { latin1 } from '../json-text.js'
import { HeldBytes } from './held-bytes.js'

/**
 * One event of a stream: `data` is its data as latin1 text (one character a byte: decode with `json-text.ts`), `name` its `event:`
 * field.
 */
export type OnEvent = (data: string, name: string | null) => void

/** Splits bytes into events. Chunks may be cut anywhere; nothing is kept of a chunk unless an event is cut by its end. */
export interface Splitter {
  push(chunk: Buffer): void
  /** Reads what is left: an event, line or element that lacks only its end. */
  end(): void
  /** True when the bytes so far end where an event could begin. */
  atBoundary(): boolean
}

/** The longest event that is read, unless told otherwise; a longer one is skipped with the note `event_too_large`. */
export const maxEventBytes = 8 * 1024 * 1024

const LF = 10
const CR = 13
const COLON = 58
const SPACE = 32

const isBreak = (code: number): boolean => code === LF || code === CR

/** Hands on the data and name of an event given as its raw lines (`text` from `start` to `end`). */
const dispatch = (text: string, start: number, end: number, onEvent: OnEvent): void => {
  let last = end
  while (last > start && isBreak(text.charCodeAt(last - 1))) last--
  let data: string | null = null
  let name: string | null = null
  let cr = text.indexOf('\r', start)
  for (let at = start; at < last;) {
    let stop = at
    const lf = text.indexOf('\n', at)
    stop = lf === -1 || lf > last ? last : lf
    if (cr !== -1 && cr < at) cr = text.indexOf('\r', at)
    if (cr !== -1 && cr < stop) stop = cr
    if (text.startsWith('data', at)) {
      let from = at + 4
      if (from === stop) data = data === null ? '' : `${data}\n`
      else if (text.charCodeAt(from) === COLON) {
        if (text.charCodeAt(++from) === SPACE && from < stop) from++
        const value = text.slice(from, stop)
        data = data === null ? value : `${data}\n${value}`
      }
    } else if (text.startsWith('event', at) && (at + 5 === stop || text.charCodeAt(at + 5) === COLON)) {
      const from = text.charCodeAt(at + 6) === SPACE ? at + 7 : at + 6
      name = from < stop ? text.slice(from, stop) : null
    }
    at = stop + 1
  }
  if (data !== null) onEvent(data, name)
}

/** The two shapes nearly every event has, lines ended by LF: `data: ...` alone, or behind its `event: ...`. */
const dispatchPlain = (text: string, start: number, end: number, onEvent: OnEvent): void => {
  if (text.startsWith('data: ', start)) {
    if (text.indexOf('\n', start) === end) return onEvent(text.slice(start + 6, end), null)
  } else if (text.startsWith('event: ', start)) {
    const line = text.indexOf('\n', start)
    if (text.startsWith('data: ', line + 1) && line > start + 7 && text.indexOf('\n', line + 1) === end)
      return onEvent(text.slice(line + 7, end), text.slice(start + 7, line))
  }
  dispatch(text, start, end, onEvent)
}

/**
 * Splits a server-sent event stream by the rules of WHATWG: LF, CRLF, CR, comments, a byte order mark. One deviation, for accounting
 * only: a last event without its blank line is read.
 *
 * Text stays latin1 until an event is parsed: making it costs a tenth of decoding UTF-8 to search it.
 */
export const sseSplitter = (onEvent: OnEvent, note: (note: string) => void, most = maxEventBytes): Splitter => {
  const held = new HeldBytes()
  let lineIsEmpty = true
  let skipLf = false
  let skipping = false
  let atStart = true

  const skip = (): void => {
    note('event_too_large')
    held.clear()
  }

  const finish = (text: string, start: number, end: number): void => {
    let from = start
    if (atStart) {
      atStart = false
      if (text.startsWith('\u00EF\u00BB\u00BF', from)) from += 3
    }
    dispatch(text, from, end, onEvent)
  }

  const flush = (text: string, chunk: Buffer, start: number, end: number): void => {
    if (skipping) skipping = false
    else if (held.bytes + end - start > most) skip()
    else if (held.bytes === 0) finish(text, start, end)
    else {
      const whole = held.take(chunk.subarray(start, end))
      finish(whole, 0, whole.length)
    }
  }

  return {
    push: (chunk) => {
      const text = latin1(chunk)
      const length = text.length
      let start = 0
      let at = 0
      if (skipLf && length > 0) {
        if (text.charCodeAt(0) === LF) start = at = 1
        skipLf = false
      }
      let cr = text.indexOf('\r', at)
      if (cr === -1 && held.bytes === 0 && lineIsEmpty && !skipping && !atStart)
        // Whole events, as providers send them: an empty line is LF LF.
        for (let end = text.indexOf('\n\n', start); end > start; end = text.indexOf('\n\n', start)) {
          if (end - start < most) dispatchPlain(text, start, end, onEvent)
          else note('event_too_large')
          start = at = end + 2
        }
      while (at < length) {
        if (cr !== -1 && cr < at) cr = text.indexOf('\r', at)
        let stop = text.indexOf('\n', at)
        if (cr !== -1 && (stop === -1 || cr < stop)) stop = cr
        if (stop === -1) {
          lineIsEmpty = false
          break
        }
        const blank = lineIsEmpty && stop === at
        const line = stop
        at = stop + 1
        if (text.charCodeAt(stop) === CR) {
          if (at === length) skipLf = true
          else if (text.charCodeAt(at) === LF) at++
        }
        lineIsEmpty = true
        if (blank) {
          flush(text, chunk, start, line)
          start = at
        }
      }
      if (start < length && !skipping) {
        if (held.bytes + length - start > most) {
          skip()
          skipping = true
        } else held.add(start === 0 ? chunk : chunk.subarray(start))
      }
    },
    end: () => {
      if (held.bytes > 0) flush('', Buffer.alloc(0), 0, 0)
      lineIsEmpty = true
    },
    atBoundary: () => held.bytes === 0 && !skipping && lineIsEmpty,
  }
}
