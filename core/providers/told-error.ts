import type { ErrorKind } from '../exchange.js'

/** An error as a family's body or event told it; `kind` is empty where the words alone do not say which. */
export interface Told {
  readonly kind: ErrorKind
  readonly code: string
  readonly message: string
}
