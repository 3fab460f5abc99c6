/** What a reader of one direction of a WebSocket tells, while the bytes pass. */
export interface FrameSink {
  /** One message, its fragments joined and its mask undone. A view into the chunk where that needed no copy. */
  message(payload: Buffer): void
  /** A close frame: the code is `null` where it told none. */
  close(code: number | null, reason: string): void
  /** `message_too_large`: one was passed over. `unreadable`: what came is no frame, or of an extension; nothing more is read. */
  note(word: string): void
}

/** A longer message is passed over. */
const maxMessageBytes = 16 * 1024 * 1024
const longestHead = 14
const nothing = Buffer.alloc(0)

const continuation = 0
const text = 1
const binary = 2
const closing = 8
const pong = 10

/**
 * Reads the frames of one direction of a WebSocket (RFC 6455) from a copy of its bytes: fragments, masks, control frames between them,
 * lengths of 64 bits, cut anywhere.
 *
 * Never writes into a chunk, which is being relayed: what is masked is unmasked into a buffer of its own. (`ws`'s Receiver unmasks in
 * place, ends at the first message that is too long, and may tell of a message later than the chunk it came in.) Never throws of itself.
 */
export class WebSocketReader {
  readonly #sink: FrameSink
  readonly #limit: number
  readonly #head = Buffer.alloc(longestHead)
  #headLength = 0
  #headNeeded = 2
  /** Of the frame under way. */
  #opcode = 0
  #final = true
  #masked = false
  #left = 0
  #at = 0
  /** Of the message under way: its data frames so far. */
  #open = false
  #pieces: Buffer[] = []
  #bytes = 0
  #skipping = false
  #control: Buffer[] = []
  #stopped = false

  /** @param limit Bytes of a message; a longer one is passed over. */
  constructor(sink: FrameSink, limit = maxMessageBytes) {
    this.#sink = sink
    this.#limit = limit
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length && !this.#stopped) {
      if (this.#headLength < this.#headNeeded) {
        this.#head[this.#headLength++] = chunk[at++] as number
        if (this.#headLength === this.#headNeeded) this.#headRead()
        continue
      }
      const end = Math.min(chunk.length, at + this.#left)
      this.#payload(chunk, at, end)
      this.#left -= end - at
      at = end
      if (this.#left === 0) this.#frameEnded()
    }
  }

  /** Nothing more is read: whoever was told of a message could not bear it. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#pieces = []
    this.#control = []
    this.#sink.note('unreadable')
  }

  /** The head has all the bytes it was known to need; two bytes in, it may turn out to need more. */
  #headRead(): void {
    const first = this.#head[0] as number
    const second = this.#head[1] as number
    const short = second & 0x7f
    const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0
    this.#masked = (second & 0x80) !== 0
    const needed = 2 + lengthBytes + (this.#masked ? 4 : 0)
    if (this.#headNeeded < needed) {
      this.#headNeeded = needed
      if (this.#headLength < needed) return
    }
    this.#final = (first & 0x80) !== 0
    this.#opcode = first & 0x0f
    const length =
      lengthBytes === 8
        ? this.#head.readUInt32BE(2) * 0x1_0000_0000 + this.#head.readUInt32BE(6)
        : lengthBytes === 2
          ? this.#head.readUInt16BE(2)
          : short
    const isControl = this.#opcode >= closing
    const isLawful = isControl
      ? this.#opcode <= pong && this.#final && length <= 125
      : (this.#opcode === continuation) === this.#open && this.#opcode <= binary
    // A reserved bit belongs to an extension nobody was offered.
    if ((first & 0x70) !== 0 || !isLawful || length > Number.MAX_SAFE_INTEGER) return this.stop()
    if (!isControl) {
      if (this.#opcode === text || this.#opcode === binary) {
        this.#open = true
        this.#bytes = 0
        this.#skipping = false
      }
      this.#bytes += length
      if (this.#bytes > this.#limit && !this.#skipping) {
        this.#skipping = true
        this.#pieces = []
        this.#sink.note('message_too_large')
      }
    }
    this.#left = length
    this.#at = 0
    if (length === 0) this.#frameEnded()
  }

  #payload(chunk: Buffer, from: number, to: number): void {
    const isControl = this.#opcode >= closing
    if (isControl || !this.#skipping) {
      const piece = this.#masked ? this.#unmasked(chunk, from, to) : chunk.subarray(from, to)
      ;(isControl ? this.#control : this.#pieces).push(piece)
    }
    this.#at += to - from
  }

  #unmasked(chunk: Buffer, from: number, to: number): Buffer {
    const keyAt = this.#headNeeded - 4
    // Turned, so that its first byte is the one for the first byte of this piece.
    const key = (nth: number): number => this.#head[keyAt + ((this.#at + nth) & 3)] as number
    const [a, b, c, d] = [key(0), key(1), key(2), key(3)]
    const plain = Buffer.allocUnsafe(to - from)
    const whole = plain.length & ~3
    let i = 0
    for (let j = from; i < whole; i += 4, j += 4) {
      plain[i] = (chunk[j] as number) ^ a
      plain[i + 1] = (chunk[j + 1] as number) ^ b
      plain[i + 2] = (chunk[j + 2] as number) ^ c
      plain[i + 3] = (chunk[j + 3] as number) ^ d
    }
    for (; i < plain.length; i++) plain[i] = (chunk[from + i] as number) ^ key(i)
    return plain
  }

  #frameEnded(): void {
    this.#headLength = 0
    this.#headNeeded = 2
    if (this.#opcode >= closing) {
      const payload = joined(this.#control)
      this.#control = []
      if (this.#opcode === closing)
        this.#sink.close(payload.length < 2 ? null : payload.readUInt16BE(0), payload.toString('utf8', 2))
      return
    }
    if (!this.#final) return
    this.#open = false
    if (this.#skipping) return
    const payload = joined(this.#pieces)
    this.#pieces = []
    this.#sink.message(payload)
  }
}

const joined = (pieces: readonly Buffer[]): Buffer =>
  pieces.length === 1 ? (pieces[0] as Buffer) : pieces.length === 0 ? nothing : Buffer.concat(pieces)
