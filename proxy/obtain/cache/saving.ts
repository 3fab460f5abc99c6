import type { TenantId } from '../../../core/tenant.js'
import type { Tap, TappedHead } from '../../cache-use.js'
import type { CallRecord } from '../../record.js'
import type { CacheEntry, CacheStore } from '../../state/cache-store.js'
import type { Flight } from './flight.js'
import { storedHead } from './stored-head.js'

/** Bytes of answers that are being collected by all calls together. */
export interface CollectedBytes {
  held: number
  readonly limitBytes: number
}

export interface SavingDeps {
  readonly store: CacheStore
  /** Of one answer. */
  readonly entryBytes: number
  readonly collected: CollectedBytes
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds of a clock that only goes forward. */
  readonly monotonic: () => number
}

export interface Place {
  readonly tenant: TenantId
  readonly key: string
  readonly slots: number
  readonly maxAgeMs: number
}

interface Collected {
  readonly chunks: Buffer[]
  readonly gapsMs: number[]
  bytes: number
  lastAt: number
  contentAt: number
}

/**
 * Collects an answer as it is delivered and keeps it once it is whole; tells those who wait for it meanwhile. A call whose answer is too
 * long, or for which there is no room, goes on as if it had not been asked for.
 */
export class Saving implements Tap {
  #head: TappedHead | null = null
  #collected: Collected | null
  #over = false
  readonly #deps: SavingDeps
  readonly #place: Place
  readonly #flight: Flight | null
  readonly #record: CallRecord

  constructor(deps: SavingDeps, place: Place, record: CallRecord, flight: Flight | null) {
    this.#deps = deps
    this.#place = place
    this.#record = record
    this.#flight = flight
    this.#collected = { chunks: [], gapsMs: [], bytes: 0, lastAt: 0, contentAt: -1 }
  }

  get awaited(): boolean {
    return this.#flight?.awaited === true
  }

  get deserted(): (() => void) | null {
    return this.#flight?.deserted ?? null
  }
  set deserted(told: (() => void) | null) {
    if (this.#flight !== null) this.#flight.deserted = told
  }

  begin(head: TappedHead): void {
    this.#head = { ...head, headers: storedHead(head.headers) }
    this.#flight?.begin(this.#head, this.#record.id, this.#record.attempts?.index ?? 0)
  }

  data(chunk: Buffer): void {
    if (chunk.length === 0 || this.#over) return
    if (this.#collected !== null) this.#collect(this.#collected, chunk)
    this.#flight?.data(chunk)
  }

  #collect(collected: Collected, chunk: Buffer): void {
    const pool = this.#deps.collected
    collected.bytes += chunk.length
    pool.held += chunk.length
    if (collected.bytes > this.#deps.entryBytes || pool.held > pool.limitBytes) return this.#letGo()
    const at = this.#deps.monotonic()
    collected.gapsMs.push(collected.chunks.length === 0 ? 0 : Math.round(at - collected.lastAt))
    collected.lastAt = at
    if (collected.contentAt < 0 && this.#head?.reader.content === true) collected.contentAt = collected.chunks.length
    collected.chunks.push(chunk)
  }

  #letGo(): void {
    this.#deps.collected.held -= this.#collected?.bytes ?? 0
    this.#collected = null
  }

  complete(whole: boolean): void {
    if (this.#over) return
    this.#over = true
    const [head, collected] = [this.#head, this.#collected]
    this.#letGo()
    const saved =
      whole && head !== null && collected !== null
        ? this.#deps.store
            .save(this.#place.tenant, this.#place.key, this.#place.slots, this.#entry(head, collected))
            .catch(() => undefined)
        : null
    this.#flight?.end()
    // Whoever comes in between finds one or the other.
    if (saved === null) this.#flight?.close()
    else void saved.then(() => this.#flight?.close())
  }

  fail(cause: Error): void {
    if (this.#over) return
    this.#over = true
    this.#letGo()
    this.#flight?.fail(cause)
  }

  #entry({ status, statusText, headers, reader }: TappedHead, collected: Collected): CacheEntry {
    const savedAt = this.#deps.now()
    return {
      id: this.#record.id,
      target: this.#record.attempts?.index ?? 0,
      savedAt,
      expiresAt: savedAt + this.#place.maxAgeMs,
      status,
      statusText,
      headers,
      // A copy of its own: chunks share memory with what came with them.
      body: Buffer.concat(collected.chunks, collected.bytes),
      chunkBytes: collected.chunks.map(({ length }) => length),
      gapsMs: collected.gapsMs,
      totalMs: Math.round(this.#record.elapsedMs()),
      contentAt: collected.contentAt,
      facts: reader.facts(),
    }
  }
}
