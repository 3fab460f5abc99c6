import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib'
import { Decompress } from 'fzstd'

/** Why decoding stopped; the bytes before it were handed on. */
export type DecodeNote = 'unreadable' | 'wrong_encoding_label'

/** Undoes content codings of a side copy. Output arrives later than its input; `end` resolves after the last of it. */
export interface Decoder {
  push(chunk: Buffer): void
  end(): Promise<void>
}

export const maxDecodedBytes = 64 * 1024 * 1024
const maxRatio = 100
const ratioFromBytes = 1024 * 1024
export const maxZstdWindow = 8 * 1024 * 1024

interface Engine {
  write(chunk: Buffer): void
  end(done: () => void): void
  stop(): void
}

type Out = (chunk: Buffer) => void

const throughStream = (
  stream: ReturnType<typeof createGunzip> | ReturnType<typeof createBrotliDecompress>,
  out: Out,
  fail: () => void,
): Engine => {
  let finished: (() => void) | null = null
  let over = false
  const finish = (): void => {
    over = true
    finished?.()
    finished = null
  }
  stream.on('data', out)
  stream.on('error', () => {
    if (!over) fail()
    finish()
  })
  stream.on('end', finish)
  stream.on('close', finish)
  return {
    write: (chunk) => {
      if (!over) stream.write(chunk)
    },
    end: (done) => {
      if (over) return done()
      finished = done
      stream.end()
    },
    stop: () => {
      stream.destroy()
      finish()
    },
  }
}

/** Window_Size a zstd frame asks for, in bytes; `null` when the header is not whole yet. RFC 8878 §3.1.1.1. */
export const zstdWindow = (head: Buffer): number | null => {
  if (head.length < 6) return null
  const magic = head.readUInt32LE(0)
  if (magic >>> 4 === 0x184d2a5) return 0
  const descriptor = head[4] as number
  const single = (descriptor & 0x20) !== 0
  if (!single) {
    const window = head[5] as number
    const base = 2 ** (10 + (window >>> 3))
    return base + (base / 8) * (window & 7)
  }
  const dictionary = [0, 1, 2, 4][descriptor & 3] as number
  const sizeFlag = descriptor >>> 6
  const at = 5 + dictionary
  const sizeBytes = sizeFlag === 0 ? 1 : 2 ** sizeFlag
  if (head.length < at + sizeBytes) return null
  if (sizeBytes === 1) return head[at] as number
  if (sizeBytes === 2) return head.readUInt16LE(at) + 256
  if (sizeBytes === 4) return head.readUInt32LE(at)
  return Number(head.readBigUInt64LE(at))
}

// Node has zstd from 22.15 only. fzstd is plain JavaScript and allocates the window a frame asks for, up to 2 GB: it is checked first.
const throughZstd = (out: Out, fail: () => void): Engine => {
  let head: Buffer | null = Buffer.alloc(0)
  let over = false
  const inner = new Decompress((chunk) => out(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)))
  const stop = (): void => {
    over = true
  }
  const feed = (chunk: Buffer): void => {
    try {
      inner.push(chunk)
    } catch {
      if (!over) fail()
      stop()
    }
  }
  return {
    write: (chunk) => {
      if (over) return
      if (head === null) return feed(chunk)
      head = Buffer.concat([head, chunk])
      const window = zstdWindow(head)
      if (window === null) return
      if (window > maxZstdWindow) {
        fail()
        return stop()
      }
      const whole = head
      head = null
      feed(whole)
    },
    end: (done) => {
      if (!over && head === null)
        try {
          inner.push(new Uint8Array(0), true)
        } catch {
          // A cut body keeps what was inflated before the cut.
        }
      else if (!over && head !== null && head.length > 0) fail()
      done()
    },
    stop,
  }
}

const sync = { finishFlush: constants.Z_SYNC_FLUSH }

/** @returns `null` when the first bytes show that the label is wrong and the body is plain. */
const engineFor = (coding: string, first: Buffer, out: Out, fail: () => void): Engine | null => {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return first[0] === 0x1f && (first.length < 2 || first[1] === 0x8b) ? throughStream(createGunzip(sync), out, fail) : null
    case 'deflate':
      // Both are sent under this name: RFC 9110 means zlib's wrapper, many servers send the bare stream.
      return throughStream(((first[0] as number) & 0x0f) === 8 ? createInflate(sync) : createInflateRaw(sync), out, fail)
    case 'br':
      return throughStream(createBrotliDecompress({ finishFlush: constants.BROTLI_OPERATION_FLUSH }), out, fail)
    case 'zstd':
      return (first[0] === 0x28 && (first.length < 2 || first[1] === 0xb5)) || ((first[0] as number) & 0xf0) === 0x50
        ? throughZstd(out, fail)
        : null
    default:
      return null
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

const one = (
  coding: string,
  out: Out,
  note: (note: DecodeNote) => void,
): { write: Out; end: (done: () => void) => void; stop: () => void } => {
  let engine: Engine | 'plain' | null = null
  let failed = false
  const fail = (): void => {
    failed = true
    note('unreadable')
  }
  return {
    write: (chunk) => {
      if (failed || chunk.length === 0) return
      if (engine === null) {
        engine = engineFor(coding, chunk, out, fail) ?? 'plain'
        if (engine === 'plain') note('wrong_encoding_label')
      }
      if (engine === 'plain') out(chunk)
      else engine.write(chunk)
    },
    end: (done) => {
      if (engine === null || engine === 'plain') done()
      else engine.end(done)
    },
    stop: () => {
      failed = true
      if (engine !== null && engine !== 'plain') engine.stop()
    },
  }
}

/**
 * A decoder for one or two codings. Bounds: 64 MiB out, and 100:1 once 1 MiB is out; beyond them reading stops with the note
 * `unreadable`. Whoever relays the bytes is never held up.
 */
export const decoder = (codings: readonly string[], out: Out, note: (note: DecodeNote) => void): Decoder => {
  let inBytes = 0
  let outBytes = 0
  let stopped = false
  const bounded: Out = (chunk) => {
    if (stopped) return
    outBytes += chunk.length
    if (outBytes > maxDecodedBytes || (outBytes > ratioFromBytes && outBytes > inBytes * maxRatio)) {
      stopped = true
      note('unreadable')
      for (const stage of stages) stage.stop()
      return
    }
    out(chunk)
  }
  const stages: ReturnType<typeof one>[] = []
  // `a, b`: a was applied first, so b is undone first.
  let next: Out = bounded
  for (const coding of codings) {
    const stage = one(coding, next, note)
    stages.unshift(stage)
    next = stage.write
  }
  return {
    push: (chunk) => {
      inBytes += chunk.length
      if (!stopped) next(chunk)
    },
    end: async () => {
      for (const stage of stages) if (!stopped) await new Promise<void>((resolve) => stage.end(resolve))
    },
  }
}
