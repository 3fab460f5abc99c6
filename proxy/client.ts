import type { ServerResponse } from 'node:http'

/** The caller's side of a call: whether it is still there. */
export interface Client {
  readonly gone: boolean
  /** Called once when the client leaves before its answer was complete; replaced by each stage. */
  onGone: (() => void) | null
}

/** Listens on `res`, not `req`: 'close' of a fully read request may never fire, and the upstream would run on. */
export const watchClient = (res: ServerResponse): Client => {
  const client = { gone: false, onGone: null as (() => void) | null }
  res.on('close', () => {
    if (res.writableFinished) return
    client.gone = true
    const { onGone } = client
    client.onGone = null
    onGone?.()
  })
  return client
}
