/** A send that is under way, and can be ended from outside: by a drain whose time is up. */
export interface Running {
  /** Ends the upstream side; the client's side ends with `cause`. */
  giveUp(cause: Error): void
}
