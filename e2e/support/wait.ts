interface Patience {
  readonly timeoutMs?: number
  readonly everyMs?: number
}

/**
 * Waits for a condition: asks until the answer is neither `null`, `undefined` nor `false`.
 *
 * @param what Stands in the error when the time is over.
 */
export const until = async <T>(
  what: string,
  ask: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  { timeoutMs = 30_000, everyMs = 50 }: Patience = {},
): Promise<T> => {
  const giveUpAt = Date.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const answer = await ask()
      if (answer !== null && answer !== undefined && answer !== false) return answer
    } catch (cause) {
      last = cause
    }
    if (Date.now() > giveUpAt) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}.`, { cause: last })
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
