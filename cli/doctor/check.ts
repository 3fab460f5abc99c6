export interface Check {
  readonly name: string
  readonly state: 'ok' | 'warn' | 'fail'
  readonly message: string
  /** What to do; `null` when nothing is wrong. */
  readonly mend: string | null
}

/** The checks of one subject, under its name. */
export interface Verdicts {
  ok(message: string): Check
  warn(message: string, mend: string): Check
  fail(message: string, mend: string): Check
}

export const verdicts = (name: string): Verdicts => ({
  ok: (message) => ({ name, state: 'ok', message, mend: null }),
  warn: (message, mend) => ({ name, state: 'warn', message, mend }),
  fail: (message, mend) => ({ name, state: 'fail', message, mend }),
})
