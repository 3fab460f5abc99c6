import type { Flags, Values } from '../../cli/command.js'
import type { Report } from './report.js'

/** One question about speed. A bench checks that the answers are right before its clock starts, and stops all it started. */
export interface Bench {
  readonly question: string
  /** How long it takes with its defaults, about. */
  readonly takes: string
  /** How it is measured, for `--help`. */
  readonly about: string
  readonly flags: Flags
  /**
   * @param say Progress, one line at a time; not part of the result.
   * @throws Error when an answer is wrong, a call is lost, or something that it needs does not start.
   */
  run(values: Values, say: (line: string) => void): Promise<Report>
}

/** A bench whose result would be worthless. */
export class BenchFailed extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'BenchFailed'
  }
}
