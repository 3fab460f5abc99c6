/** What a client gets, as reliability.md §4 says it. */
export interface Expected {
  readonly status: number
  /** `ours`: an error of ours. `A`, `B`: what that upstream sent, and nothing else. */
  readonly bytes: 'A' | 'B' | 'ours'
  /** `event`: a clean end behind an error event of ours. */
  readonly end: 'clean' | 'broken' | 'event'
  /** Of our error or error event. */
  readonly code?: string
  readonly row: {
    readonly outcome: string
    readonly errorKind: string
    /** Of each attempt: status (0 = no head came) and kind of its failure. Where there are two, the second is at B. */
    readonly attempts: readonly (readonly [status: number, kind: string])[]
    readonly warning?: string
    readonly note?: string
  }
  /**
   * `A`, `B`: exactly what that upstream told. `waited`, `begun`: the same of B, and on the bill an attempt at A as well, by its input:
   * we gave up waiting for it, or its answer had begun, and what came of it nobody told. `cut`: counted of what came. `unread`: not known, for a reason. `none`: nothing was used. `any`: not of this table.
   */
  readonly usage: 'A' | 'B' | 'waited' | 'begun' | 'cut' | 'unread' | 'none' | 'any'
  /** Whether the cache has it for the next one who asks. */
  readonly kept: boolean
}

/** An error of ours before any byte of an answer. */
export const failed = (status: number, code: string, outcome: string, kind: string): Expected => ({
  status,
  bytes: 'ours',
  end: 'clean',
  code,
  row: { outcome, errorKind: kind, attempts: [[0, kind]] },
  usage: 'none',
  kept: false,
})

/** A failed, and the answer is B's alone. */
export const servedByB = (status: number, kind: string, usage: 'B' | 'waited' | 'begun' = 'B'): Expected => ({
  status: 200,
  bytes: 'B',
  end: 'clean',
  row: {
    outcome: 'complete',
    errorKind: '',
    attempts: [
      [status, kind],
      [200, ''],
    ],
  },
  usage,
  // What a later target answers is not what was asked for (routing.md §8).
  kept: false,
})

/** A's answer as it should be. */
export const whole: Expected = {
  status: 200,
  bytes: 'A',
  end: 'clean',
  row: { outcome: 'complete', errorKind: '', attempts: [[200, '']] },
  usage: 'A',
  kept: true,
}

/** A's error answer, unchanged. */
export const errorAnswer = (status: number, kind: string): Expected => ({
  status,
  bytes: 'A',
  end: 'clean',
  row: { outcome: 'complete', errorKind: kind, attempts: [[status, kind]] },
  usage: 'none',
  kept: false,
})

/** A 200 with an error in it, unchanged. */
export const errorInside: Expected = {
  status: 200,
  bytes: 'A',
  end: 'clean',
  row: { outcome: 'error_event', errorKind: 'server', attempts: [[200, 'server']] },
  usage: 'any',
  kept: false,
}

/** What came of an answer that broke off. */
export const cut = (
  end: Expected['end'],
  { outcome = 'upstream_abort', kind = 'network', code = 'upstream_reset' } = {},
): Expected => ({
  status: 200,
  bytes: 'A',
  end,
  ...(end === 'event' ? { code } : {}),
  row: { outcome, errorKind: kind, attempts: [[200, kind]] },
  usage: 'cut',
  kept: false,
})
