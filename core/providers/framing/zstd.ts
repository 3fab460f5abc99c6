import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { Decompress } from 'fzstd'
import { throughStream, type Engine } from './engine.js'
import { ZstdFrames, maxZstdWindow, type FrameHead } from './zstd-frames.js'

/** fzstd moves its whole window for each block, however small: one answer may keep the processor for some two seconds in all. */
const maxMovedBytes = 16 * 1024 ** 3

/** Unpacks in plain JavaScript, on the spot; `out` gets at most 128 KiB at a time. A cut body keeps its whole blocks. */
export const plainZstd = (out: (chunk: Buffer) => void, fail: () => void): Engine => {
  let frame: FrameHead | null = null
  let inner: Decompress | null = null
  let movedBytes = 0
  let isOver = false
  const frames = new ZstdFrames((bytes, of, isLast) => {
    if (frame !== of || inner === null) {
      frame = of
      inner = new Decompress((chunk) => {
        if (!isOver && chunk.length > 0) out(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
      })
    }
    movedBytes += of.window
    if (movedBytes > maxMovedBytes) throw new RangeError('Too much work for what comes out.')
    inner.push(bytes, isLast)
  })
  return {
    write: (chunk) => {
      if (!frames.push(chunk)) fail()
    },
    end: (done) => done(),
    stop: () => {
      isOver = true
      frames.stop()
    },
  }
}

type Options = { readonly params: Readonly<Record<number, number>>; readonly finishFlush: number }
/** Node's types of 20 do not know it. */
const native = zlib as unknown as {
  readonly createZstdDecompress?: (options: Options) => Transform
  readonly constants: { readonly ZSTD_d_windowLogMax: number; readonly ZSTD_e_flush: number }
}

/** Unpacks by Node's own means, beside the request loop: from Node 22.15 on; before it, in plain JavaScript. */
export const zstdEngine = (out: (chunk: Buffer) => void, fail: () => void): Engine => {
  if (native.createZstdDecompress === undefined) return plainZstd(out, fail)
  const { ZSTD_d_windowLogMax: windowLogMax, ZSTD_e_flush: finishFlush } = native.constants
  const params = { [windowLogMax]: Math.log2(maxZstdWindow) }
  const inner = throughStream(native.createZstdDecompress({ params, finishFlush }), out, fail)
  // It takes the end of a frame for the end of all, unless the next one comes in a write of its own.
  const frames = new ZstdFrames((bytes) => inner.write(bytes))
  return {
    write: (chunk) => {
      if (!frames.push(chunk)) fail()
    },
    end: (done) => inner.end(done),
    stop: () => {
      frames.stop()
      inner.stop()
    },
  }
}

/**
 * Unpacks a whole body, or the beginning of one.
 *
 * @throws RangeError when nothing of it can be read, or more than `maxBytes` would come out.
 */
export const unpackZstd = (bytes: Buffer, maxBytes: number): Buffer => {
  const chunks: Buffer[] = []
  let left = maxBytes
  let isBroken = false
  const engine = plainZstd(
    (chunk) => {
      left -= chunk.length
      if (left < 0) engine.stop()
      else chunks.push(chunk)
    },
    () => (isBroken = true),
  )
  engine.write(bytes)
  if (left < 0) throw new RangeError(`More than ${maxBytes} bytes would come out.`)
  if (isBroken && chunks.length === 0) throw new RangeError('No zstd that can be read.')
  return Buffer.concat(chunks)
}
