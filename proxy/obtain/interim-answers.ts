import type { Socket } from 'node:net'

interface Parser {
  onHeadersComplete(status: number, ...rest: unknown[]): unknown
}

let done = false

/**
 * Lets undici pass over a 100 (Continue) that nobody asked for, as it does over all other interim answers and as RFC 9110 §15.2 wants it:
 * by itself it closes the connection, and an answer that may have been paid for is lost. Its parser has no setting for that, so the one
 * method that minds is told another number. Where a later undici has no such parser, this does nothing.
 *
 * @param socket Any that this undici speaks HTTP/1 on. The first one is enough for all.
 */
export const takeEveryInterimAnswer = (socket: Socket): void => {
  if (done) return
  done = true
  for (const key of Object.getOwnPropertySymbols(socket)) {
    if (key.description !== 'parser') continue
    const parser: unknown = Reflect.get(socket, key)
    const prototype: unknown = typeof parser === 'object' && parser !== null ? Object.getPrototypeOf(parser) : null
    if (typeof prototype !== 'object' || prototype === null) return
    const { onHeadersComplete } = prototype as Parser
    if (typeof onHeadersComplete !== 'function') return
    Reflect.set(prototype, 'onHeadersComplete', function (this: Parser, status: number, ...rest: unknown[]): unknown {
      return onHeadersComplete.call(this, status === 100 ? 102 : status, ...rest)
    })
    return
  }
}
