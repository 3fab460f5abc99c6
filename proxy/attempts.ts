import { longestName, percentEncoded } from '../core/percent-encoded.js'
import type { Attempt, ErrorKind, Exchange, PassedOver } from '../core/exchange.js'

/** What one attempt, or a target that was passed over, looks like in `Weir-Attempts`. */
interface Said {
  /** Of the target. */
  readonly name: string
  /** 0 = none came. */
  readonly status: number
  readonly kind: ErrorKind
  readonly ms: number
  readonly replayed: boolean
}

/** Why a target was passed over without an attempt. */
export type Skipped = 'no_credential' | 'circuit_open' | 'denied' | 'body_unalterable'

const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
let [lastName, lastQuoted] = ['', '""']

const asQuoted = (name: string): string => `"${plain.test(name) ? name : percentEncoded(name, '/:@')}"`

/** A name, or its beginning, as a quoted string of a structured field. Calls come many to the same target. */
export const quoted = (name: string): string => {
  if (name !== lastName) [lastName, lastQuoted] = [name, asQuoted(name.slice(0, longestName))]
  return lastQuoted
}

/** One member of `Weir-Attempts` (headers.md §4). */
export const saidOf = ({ name, status, kind, ms, replayed }: Said): string => {
  let said = quoted(name)
  if (status !== 0) said += `;status=${status}`
  if (kind !== '') said += `;kind=${kind}`
  said += `;ms=${Math.max(0, Math.round(ms))}`
  return replayed ? `${said};replayed` : said
}

/** The attempts of a call that may make several, as its record keeps them. */
export class Attempts {
  /** Those that are over. One that is passed on to the client after all stands last. */
  over: Attempt[] = []
  /** What `Weir-Attempts` says of them and of targets passed over, in the order of time. */
  readonly said: string[] = []
  /** Targets that were passed over. */
  readonly passedOver: PassedOver[] = []
  /** Microseconds after the call's start at which the head went to the client; `null` = it has not. */
  committedUs: number | null = null
  /** An attempt is under way, or its answer is being relayed: the call's own end is its end. */
  open = false
  /** Microseconds after the call's start. */
  startUs = 0
  /** Name of the target of the attempt that is open. */
  name = ''
  /** What its answer turned out to be; `null` = its status says it. */
  kind: ErrorKind | null = null
  /** Position of the target among those of the call, 0 = the first; `null` = there is only one. */
  index: number | null = null
  /** Something was tried again, or elsewhere: nothing is left that a caller's own retry could gain. */
  spent = false

  /** Those before the one whose answer is the call's. */
  get earlier(): readonly Attempt[] {
    return this.open ? this.over : this.over.slice(0, -1)
  }

  /** What the row tells of them beside the attempts themselves. */
  facts(): Pick<Exchange, 'passedOver' | 'committedUs'> {
    return {
      ...(this.passedOver.length === 0 ? {} : { passedOver: this.passedOver }),
      ...(this.committedUs === null ? {} : { committedUs: this.committedUs }),
    }
  }

  skip(name: string, why: Skipped): void {
    this.said.push(`${quoted(name)};skipped=${why}`)
    this.passedOver.push({ target: name, reason: why, after: this.over.length })
  }

  close(attempt: Attempt, replayed: boolean): void {
    this.over.push(attempt)
    this.open = false
    this.said.push(
      saidOf({
        name: attempt.target,
        status: attempt.status,
        kind: attempt.errorKind,
        ms: (attempt.endUs - attempt.startUs) / 1000,
        replayed,
      }),
    )
  }

  /** The answer of an attempt that was over is the call's answer after all. */
  passOn(attempt: Attempt): void {
    this.over = [...this.over.filter((each) => each !== attempt), attempt]
  }
}
