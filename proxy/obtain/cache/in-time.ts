const notYet = Symbol('not yet')
const already = Promise.resolve(notYet)

/**
 * Waits for a store, but not for long. What is there at once costs no timer.
 *
 * A loop that was busy finds the deadline and the answer due in the same turn: the answer is looked for once more before it counts as
 * late.
 *
 * @returns `null` when nothing came in time, or it failed.
 */
export const inTime = async <T>(asked: Promise<T>, limitMs: number): Promise<T | null> => {
  let timer: NodeJS.Timeout | null = null
  try {
    const atOnce = await Promise.race([asked, already])
    if (atOnce !== notYet) return atOnce as T
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => setImmediate(() => resolve(null)), limitMs)
    })
    return await Promise.race([asked, late])
  } catch {
    return null
  } finally {
    if (timer !== null) clearTimeout(timer)
  }
}
