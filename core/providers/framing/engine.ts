import type { Transform } from 'node:stream'

/** Undoes one content coding. What comes out may come later than its input. */
export interface Engine {
  write(chunk: Buffer): void
  /** Calls back once all that was written has come out. */
  end(done: () => void): void
  /** Nothing comes out any more, and nothing fails. */
  stop(): void
}

/** Undoes a coding by a stream of `node:zlib`: beside the request loop. */
export const throughStream = (stream: Transform, out: (chunk: Buffer) => void, fail: () => void): Engine => {
  let finished: (() => void) | null = null
  let isOver = false
  const finish = (): void => {
    isOver = true
    finished?.()
    finished = null
  }
  stream.on('data', out)
  stream.on('error', () => {
    if (!isOver) fail()
    finish()
  })
  stream.on('end', finish)
  stream.on('close', finish)
  return {
    write: (chunk) => {
      if (!isOver) stream.write(chunk)
    },
    end: (done) => {
      if (isOver) return done()
      finished = done
      stream.end()
    },
    stop: () => {
      stream.off('data', out)
      isOver = true
      stream.destroy()
      finish()
    },
  }
}
