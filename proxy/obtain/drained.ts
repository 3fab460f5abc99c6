import type { Client, Leavable } from '../client.js'
import { isDrained, type Drains } from '../drains.js'
import type { CallRecord } from '../record.js'
import type { Stage } from './stage.js'

/** A client, as the stages behind see it: what is under way for it goes on when it has left. */
class DrainedClient implements Client, Leavable {
  gone = false
  left = false
  serving: Leavable | null = null
  readonly #record: CallRecord
  readonly #drains: Drains

  constructor(client: Client, record: CallRecord, drains: Drains) {
    this.#record = record
    this.#drains = drains
    client.serving = this
    if (client.gone) this.clientLeft()
  }

  clientLeft(): void {
    this.left = true
    // Nothing is to be read where nothing was sent, or only a retry is waited for.
    const drain = this.serving === null || this.serving.idle === true ? null : this.#drains.enter()
    if (drain === null) return this.#leave()
    this.#record.drain = drain
    drain.over = () => this.#leave()
  }

  #leave(): void {
    this.gone = true
    this.serving?.clientLeft()
  }
}

/** Reads an answer to its end although its client has left before it began, where that is asked for (routing.md §6). */
export const drainedBy =
  (drains: Drains): Stage =>
  (next) =>
  (admitted, record, client) =>
    isDrained(admitted.call, admitted.target)
      ? next(admitted, record, new DrainedClient(client, record, drains))
      : next(admitted, record, client)
