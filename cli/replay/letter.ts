/** Something that ingest, or the shipper, set aside. */
export interface Letter {
  readonly reason: string
  /** What refused it, in its own words. */
  readonly error: string
  /** When it was set aside; ISO 8601. */
  readonly at: string
  /** Position of the record in the log it came from. */
  readonly first: number
  readonly payload: Buffer
  /** Remembers that it was sent again. Durable when it resolves. */
  done(): Promise<void>
}

/** Letters of one place, oldest first. */
export type Letters = AsyncIterable<Letter>
