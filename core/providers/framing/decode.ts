import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib'
import { throughStream, type Engine } from './engine.js'
import { isZstd } from './zstd-frames.js'
import { zstdEngine } from './zstd.js'

/** Why decoding stopped; the bytes before it were handed on. */
export type DecodeNote = 'unreadable' | 'wrong_encoding_label'

/** Undoes content codings of a side copy. Output arrives later than its input; `end` resolves after the last of it. */
export interface Decoder {
  push(chunk: Buffer): void
  end(): Promise<void>
}

export const maxDecodedBytes = 64 * 1024 * 1024
const maxRatio = 100
/** How much may come out of each coding, in bytes and as a multiple of what went in. */
export interface DecodeBounds {
  readonly bytes: number
  readonly ratio: number
}
const usual: DecodeBounds = { bytes: maxDecodedBytes, ratio: maxRatio }
const ratioFromBytes = 1024 * 1024

type Out = (chunk: Buffer) => void

const sync = { finishFlush: constants.Z_SYNC_FLUSH }

const isGzip = (head: Buffer): boolean | null => {
  if (head.length === 0) return null
  if (head[0] !== 0x1f) return false
  return head.length === 1 ? null : head[1] === 0x8b
}

/** Do the first bytes fit their label? `null` = more are needed. Only gzip and zstd can be told from plain text. */
const fitsLabel = (coding: string, head: Buffer): boolean | null => {
  if (coding === 'zstd') return isZstd(head)
  if (coding === 'gzip' || coding === 'x-gzip') return isGzip(head)
  return head.length > 0 ? true : null
}

const engineFor = (coding: string, first: Buffer, out: Out, fail: () => void): Engine => {
  switch (coding) {
    case 'zstd':
      return zstdEngine(out, fail)
    case 'br':
      return throughStream(createBrotliDecompress({ finishFlush: constants.BROTLI_OPERATION_FLUSH }), out, fail)
    case 'deflate':
      // Both are sent under this name: RFC 9110 means zlib's wrapper, many servers send the bare stream.
      return throughStream(((first[0] as number) & 0x0f) === 8 ? createInflate(sync) : createInflateRaw(sync), out, fail)
    default:
      return throughStream(createGunzip(sync), out, fail)
  }
}

const known = new Set(['gzip', 'x-gzip', 'deflate', 'br', 'zstd'])

/** The codings of a `content-encoding`, outermost last, without `identity`. */
export const codingsOf = (contentEncoding: string | null | undefined): readonly string[] =>
  (contentEncoding ?? '')
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity')

/** True when the side copy of an answer with this `content-encoding` can be read. */
export const isReadable = (codings: readonly string[]): boolean =>
  codings.length <= 2 && codings.every((coding) => known.has(coding))

/** Plain bytes under a wrong label. */
const plain = (out: Out): Engine => ({ write: out, end: (done) => done(), stop: () => undefined })

/** One coding of a body, opened by its first bytes. */
const stageFor = (coding: string, out: Out, fail: () => void, note: (note: DecodeNote) => void): Engine => {
  let engine: Engine | null = null
  let head: Buffer = Buffer.alloc(0)
  let isOver = false
  const open = (fits: boolean): Engine => {
    if (!fits) note('wrong_encoding_label')
    engine = fits ? engineFor(coding, head, out, fail) : plain(out)
    engine.write(head)
    return engine
  }
  return {
    write: (chunk) => {
      if (isOver || chunk.length === 0) return
      if (engine !== null) return engine.write(chunk)
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
      const fits = fitsLabel(coding, head)
      if (fits !== null) open(fits)
    },
    end: (done) => {
      if (isOver || engine === null) return done()
      engine.end(done)
    },
    stop: () => {
      isOver = true
      engine?.stop()
    },
  }
}

/**
 * A decoder for one or two codings. Bounds for what comes out of each: 64 MiB, and 100:1 once 1 MiB is out, or as told; beyond them
 * reading stops with the note `unreadable`, as it does at bytes that cannot be read. Whoever relays the bytes is never held up.
 */
export const decoder = (
  codings: readonly string[],
  out: Out,
  note: (note: DecodeNote) => void,
  most: DecodeBounds = usual,
): Decoder => {
  let inBytes = 0
  /** In the order in which they are undone: the last coding that was applied is the first. */
  const stages: Engine[] = []
  let next = out
  for (const [place, coding] of codings.entries()) {
    const into = next
    let outBytes = 0
    // A stage that failed takes no more, but what it has unpacked still comes, and is read by those behind it.
    const giveUp = (stopped: readonly Engine[]): void => {
      note('unreadable')
      for (const stage of stopped) stage.stop()
    }
    const bounded: Out = (chunk) => {
      outBytes += chunk.length
      if (outBytes > most.bytes || (outBytes > ratioFromBytes && outBytes > inBytes * most.ratio))
        giveUp(stages.slice(0, codings.length - place))
      else into(chunk)
    }
    const stage = stageFor(coding, bounded, () => giveUp(stages.slice(0, codings.length - place - 1)), note)
    stages.unshift(stage)
    next = stage.write
  }
  return {
    push: (chunk) => {
      inBytes += chunk.length
      next(chunk)
    },
    end: async () => {
      for (const stage of stages) await new Promise<void>((resolve) => stage.end(resolve))
    },
  }
}
