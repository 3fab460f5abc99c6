import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** What is under way for a client, and has to end when it leaves. */
export interface Leavable {
  clientLeft(): void
  /** Only time passes: nothing is under way upstream. */
  readonly idle?: boolean
}

/** The caller's side of a call: whether it is still there. */
export interface Client {
  readonly gone: boolean
  /** It is not there any more, and what is under way is read to its end all the same: nothing new is begun. */
  readonly left?: boolean
  /** Told once when the client leaves before its answer was complete; each stage puts itself here. */
  serving: Leavable | null
}

class ClientOf implements Client {
  gone = false
  serving: Leavable | null = null
  readonly #res: ServerResponse

  constructor(res: ServerResponse) {
    this.#res = res
    res.on('close', () => this.#closed())
    // What was said last may be left untaken, when nothing watches the call any more: `server.timeout` is how long.
    res.on('timeout', (socket: Socket) => {
      if (res.writableEnded && socket.writableLength > 0) socket.destroy()
    })
  }

  #closed(): void {
    if (this.#res.writableFinished) return
    this.gone = true
    const { serving } = this
    this.serving = null
    serving?.clientLeft()
  }
}

/** Listens on `res`, not `req`: 'close' of a fully read request may never fire, and the upstream would run on. */
export const watchClient = (res: ServerResponse): Client => new ClientOf(res)
