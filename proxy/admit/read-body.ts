import { close, createReadStream, mkdirSync, open, openSync, read, unlinkSync, write, type ReadStream } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { WeirError } from '../../core/errors.js'
import type { BodyCopy } from '../body-copy.js'
import type { Deadlines, Watched } from '../deadlines.js'

/** A request body, whole: in memory, or in an unlinked file from which it can be read any number of times. */
export interface HeldBody {
  readonly length: number
  /** The whole body, or the first 1 MiB of a spilled one. */
  readonly head: Buffer
  readonly spilled: boolean
  /** For the upstream: a buffer, or a fresh stream over the file. */
  open(): Buffer | ReadStream
  release(): void
}

/** The client went away before its request was whole. */
export class ClientGone extends Error {
  constructor() {
    super('The client closed the connection.')
    this.name = 'ClientGone'
  }
}

export interface BodyRules {
  /** One over is refused with 413. */
  readonly limitBytes: number
  /** More than this of one body goes to a file. */
  readonly memoryBytes: number
  /** Bytes held by all calls together; when full, bodies go to files. */
  readonly pool: { held: number; readonly limitBytes: number }
  readonly spillDir: string
  readonly idleMs: number
  readonly deadlines: Deadlines
}

const headBytes = 1024 ** 2

const declaredLength = (req: IncomingMessage): number => Number(req.headers['content-length'] ?? Number.NaN)

const tooLarge = (limitBytes: number): WeirError =>
  new WeirError('body_too_large', `The request body is over ${limitBytes} bytes (ceilings.body in weir.yaml).`)

/**
 * Refuses by its declared length alone, so that the caller need not send it.
 *
 * @throws WeirError `body_too_large`
 */
export const checkDeclared = (req: IncomingMessage, { limitBytes }: BodyRules): void => {
  if (declaredLength(req) > limitBytes) throw tooLarge(limitBytes)
}

/**
 * Reads a request body whole: routing, resending and failover need it.
 *
 * @throws WeirError `body_too_large`, `request_timeout`; ClientGone.
 */
export const readBody = (req: IncomingMessage, copy: BodyCopy, rules: BodyRules): Promise<HeldBody> => {
  const declared = declaredLength(req)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    let file: SpillFile | null = null
    let settled = false
    const idle: Watched = {
      slot: -1,
      dueAt: rules.deadlines.now() + rules.idleMs,
      expired: () => fail(new WeirError('request_timeout', `The request body stood still for ${rules.idleMs} ms.`)),
    }
    rules.deadlines.add(idle)
    const settle = (): boolean => {
      if (settled) return false
      settled = true
      rules.deadlines.remove(idle)
      req.off('data', onData)
      req.off('end', onEnd)
      req.off('close', onClose)
      return true
    }
    const fail = (cause: Error): void => {
      if (!settle()) return
      file?.release()
      if (file === null) rules.pool.held -= length
      reject(cause)
    }
    const toFile = (): void => {
      file = new SpillFile(rules.spillDir, fail)
      for (const chunk of chunks) file.write(chunk)
      rules.pool.held -= length
    }
    const onData = (chunk: Buffer): void => {
      idle.dueAt = rules.deadlines.now() + rules.idleMs
      copy.push(chunk)
      length += chunk.length
      if (length > rules.limitBytes) return fail(tooLarge(rules.limitBytes))
      if (file !== null) {
        if (length - chunk.length < headBytes) chunks.push(chunk)
        if (!file.write(chunk)) {
          req.pause()
          file.onDrain = () => req.resume()
        }
        return
      }
      chunks.push(chunk)
      rules.pool.held += chunk.length
      if (length > rules.memoryBytes || declared > rules.memoryBytes || rules.pool.held > rules.pool.limitBytes) toFile()
    }
    const onEnd = (): void => {
      if (!settle()) return
      if (file === null) return resolve(inMemory(chunks, length, rules.pool))
      const spilled = file
      spilled.whenWritten(() => resolve(inFile(spilled, Buffer.concat(chunks).subarray(0, headBytes), length)))
    }
    const onClose = (): void => {
      if (!req.complete) fail(new ClientGone())
    }
    req.on('data', onData)
    req.on('end', onEnd)
    req.on('close', onClose)
    req.on('error', () => fail(new ClientGone()))
  })
}

const inMemory = (chunks: readonly Buffer[], length: number, pool: { held: number }): HeldBody => {
  const whole = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length)
  let released = false
  return {
    length,
    head: whole,
    spilled: false,
    open: () => whole,
    release: () => {
      if (!released) pool.held -= length
      released = true
    },
  }
}

/** Whoever sent the body destroys its stream, which closes the file whatever `autoClose` says: it is needed for the next attempt. */
const keptOpen = { open, read, close: (_: number, done: (cause: null) => void) => done(null) }

const inFile = (file: SpillFile, head: Buffer, length: number): HeldBody => ({
  length,
  head,
  spilled: true,
  open: () => createReadStream('', { fd: file.fd, start: 0, autoClose: false, fs: keptOpen }),
  release: () => file.release(),
})

/** The same body with other bytes, which are in memory. Released with it. */
export const replaced = (body: HeldBody, bytes: Buffer): HeldBody => ({
  length: bytes.length,
  head: bytes,
  spilled: false,
  open: () => bytes,
  release: body.release,
})

let spillNumber = 0

/** A file without a name: gone with the process, whatever happens. */
class SpillFile {
  readonly fd: number
  onDrain: (() => void) | null = null
  #queue: Buffer[] = []
  #writing = false
  #at = 0
  #whenWritten: (() => void) | null = null
  #released = false
  readonly #fail: (cause: Error) => void

  constructor(dir: string, fail: (cause: Error) => void) {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const path = join(dir, `${process.pid}-${++spillNumber}`)
    this.fd = openSync(path, 'wx+', 0o600)
    unlinkSync(path)
    this.#fail = fail
  }

  /** @returns False when the caller should wait for `onDrain`. */
  write(chunk: Buffer): boolean {
    this.#queue.push(chunk)
    this.#next()
    return this.#queue.length < 16
  }

  #next(): void {
    if (this.#writing || this.#released) return
    const chunk = this.#queue.shift()
    if (chunk === undefined) {
      this.#whenWritten?.()
      this.#whenWritten = null
      return
    }
    this.#writing = true
    write(this.fd, chunk, 0, chunk.length, this.#at, (cause, written) => {
      this.#writing = false
      if (cause !== null) return this.#fail(new WeirError('internal', 'The request body could not be kept on disk.', { cause }))
      this.#at += written
      if (written < chunk.length) this.#queue.unshift(chunk.subarray(written))
      else if (this.#queue.length === 0 && this.onDrain !== null) {
        const drained = this.onDrain
        this.onDrain = null
        drained()
      }
      this.#next()
    })
  }

  whenWritten(done: () => void): void {
    this.#whenWritten = done
    this.#next()
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    close(this.fd, () => undefined)
  }
}
