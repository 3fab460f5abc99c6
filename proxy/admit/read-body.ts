import { close, createReadStream, mkdirSync, open, openSync, read, unlinkSync, write, type ReadStream } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { WeirError } from '../../core/errors.js'
import type { BodyCopy } from '../body-copy.js'
import type { Deadlines, Watched } from '../deadlines.js'

/** A request body, whole: in memory, or in an unlinked file from which it can be read any number of times. */
export interface HeldBody {
  readonly length: number
  /** The whole body, or the beginning of a spilled one: 1 MiB, less when memory is short. */
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
  /** Bytes held by all calls together; over `poolBytes` bodies go to files. */
  readonly pool: { held: number }
  readonly poolBytes: number
  readonly spillDir: string
  readonly idleMs: number
  readonly deadlines: Deadlines
}

const headBytes = 1024 ** 2
/** Of a spilled body when memory is full: enough for the model and what else stands at its beginning. */
const leastHeadBytes = 64 * 1024

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
    /** Bytes of it in memory; those of a spilled one are of its head. */
    let held = 0
    let mostHead = headBytes
    let settled = false
    const idle: Watched = {
      slot: -1,
      dueAt: rules.deadlines.now() + rules.idleMs,
      expired: () =>
        fail(
          new WeirError(
            'request_timeout',
            `The request body stood still for ${rules.idleMs} ms (timeouts.uploadIdle in weir.yaml).`,
          ),
        ),
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
      rules.pool.held -= held
      reject(cause)
    }
    const hold = (chunk: Buffer): void => {
      chunks.push(chunk)
      held += chunk.length
      rules.pool.held += chunk.length
    }
    const toFile = (): void => {
      try {
        file = new SpillFile(rules.spillDir, fail)
      } catch (cause) {
        return fail(noRoom(rules.spillDir, cause))
      }
      rules.pool.held -= held
      held = 0
      mostHead =
        rules.pool.held + headBytes > rules.poolBytes
          ? leastHeadBytes
          : Math.max(leastHeadBytes, Math.min(headBytes, rules.memoryBytes))
      for (const chunk of chunks.splice(0)) {
        file.write(chunk)
        if (held < mostHead) hold(ownPart(chunk, mostHead - held))
      }
    }
    const onData = (chunk: Buffer): void => {
      idle.dueAt = rules.deadlines.now() + rules.idleMs
      copy.push(chunk)
      length += chunk.length
      if (length > rules.limitBytes) return fail(tooLarge(rules.limitBytes))
      if (file !== null) {
        if (held < mostHead) hold(ownPart(chunk, mostHead - held))
        if (!file.write(chunk)) {
          req.pause()
          file.onDrain = () => req.resume()
        }
        return
      }
      hold(chunk)
      if (length > rules.memoryBytes || declared > rules.memoryBytes || rules.pool.held > rules.poolBytes) toFile()
    }
    const onEnd = (): void => {
      if (!settle()) return
      if (file === null) return resolve(inMemory(chunks, length, rules.pool))
      const spilled = file
      const release = (): void => {
        spilled.release()
        rules.pool.held -= held
        held = 0
      }
      spilled.whenWritten((failed) => {
        if (failed === null) return resolve(inFile(spilled, Buffer.concat(chunks, held), length, release))
        release()
        reject(failed)
      })
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

const noRoom = (dir: string, cause: unknown): WeirError => {
  const { code = 'unknown' } = cause as NodeJS.ErrnoException
  return new WeirError(
    'saturated',
    `The request body does not fit into memory (ceilings.bodyMemory, ceilings.bodiesMemory in weir.yaml), and ${dir} takes no file (${code}). Make room there.`,
    { cause },
  )
}

/** A long chunk is not kept for its beginning. */
const ownPart = (chunk: Buffer, most: number): Buffer => (chunk.length <= most ? chunk : Buffer.from(chunk.subarray(0, most)))

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

const inFile = (file: SpillFile, head: Buffer, length: number, release: () => void): HeldBody => ({
  length,
  head,
  spilled: true,
  open: () => createReadStream('', { fd: file.fd, start: 0, autoClose: false, fs: keptOpen }),
  release,
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

/** Chunks that wait for the disk; the client waits with the next ones. */
const mostQueued = 4

/** A file without a name: gone with the process, whatever happens. */
class SpillFile {
  readonly fd: number
  onDrain: (() => void) | null = null
  #queue: Buffer[] = []
  #writing = false
  #at = 0
  #whenWritten: ((failed: Error | null) => void) | null = null
  #failed: Error | null = null
  #released = false
  readonly #dir: string
  readonly #fail: (cause: Error) => void

  constructor(dir: string, fail: (cause: Error) => void) {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const path = join(dir, `${process.pid}-${++spillNumber}`)
    this.fd = openSync(path, 'wx+', 0o600)
    unlinkSync(path)
    this.#dir = dir
    this.#fail = fail
  }

  /** @returns False when the caller should wait for `onDrain`. */
  write(chunk: Buffer): boolean {
    this.#queue.push(chunk)
    this.#next()
    return this.#queue.length < mostQueued
  }

  #next(): void {
    if (this.#writing || this.#released || this.#failed !== null) return
    const chunk = this.#queue.shift()
    if (chunk === undefined) {
      this.#whenWritten?.(null)
      this.#whenWritten = null
      return
    }
    this.#writing = true
    write(this.fd, chunk, 0, chunk.length, this.#at, (cause, written) => {
      this.#writing = false
      if (cause !== null) return this.#broke(noRoom(this.#dir, cause))
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

  /** The whole body may have come by now: whoever waits for it is told, or the call that is still sending. */
  #broke(cause: Error): void {
    this.#failed = cause
    this.#queue = []
    if (this.#whenWritten === null) return this.#fail(cause)
    this.#whenWritten(cause)
    this.#whenWritten = null
  }

  whenWritten(done: (failed: Error | null) => void): void {
    if (this.#failed !== null) return done(this.#failed)
    this.#whenWritten = done
    this.#next()
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    close(this.fd, () => undefined)
  }
}
