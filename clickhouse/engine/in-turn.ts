/** Runs at most `lanes` pieces of work at a time, first come, first served. */
export const inTurn = (lanes: number) => {
  const waiting: (() => void)[] = []
  let free = lanes
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    }
  }
}
