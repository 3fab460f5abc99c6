const stepMs = 0.1
const steps = 100_000

/** Quantiles of any number of delays in memory that does not grow: steps of 0.1 ms up to 10 s. */
export interface Delays {
  add(ms: number): void
  /** The upper end of the step it lies in; `NaN` of none. */
  quantile(q: number): number
}

export const createDelays = (): Delays => {
  const counts = new Uint32Array(steps + 1)
  let total = 0
  return {
    add(ms) {
      const step = Math.min(steps, Math.max(0, Math.floor(ms / stepMs)))
      counts[step] = (counts[step] ?? 0) + 1
      total++
    },
    quantile(q) {
      if (total === 0) return Number.NaN
      let left = q * total
      for (let step = 0; step <= steps; step++) {
        left -= counts[step] ?? 0
        if (left <= 0) return (step + 1) * stepMs
      }
      return steps * stepMs
    },
  }
}
