import { usageOf } from '../support/processes.js'

interface Sample {
  readonly minutes: number
  readonly mb: number
}

/** How much the memory of a process grew a minute; `null` where too little was seen of it. */
export const slopeOf = (samples: readonly Sample[]): number | null => {
  if (samples.length < 3) return null
  const mean = (of: (sample: Sample) => number): number => samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length
  const [x, y] = [mean(({ minutes }) => minutes), mean(({ mb }) => mb)]
  const spread = samples.reduce((sum, { minutes }) => sum + (minutes - x) ** 2, 0)
  return samples.reduce((sum, { minutes, mb }) => sum + (minutes - x) * (mb - y), 0) / spread
}

export interface MemoryWatch {
  /** From now on it counts. */
  begin(): void
  stop(): ReadonlyMap<string, readonly Sample[]>
}

/** Looks at the memory of some processes every few seconds; one that is not there at the moment is passed over. */
export const watchMemory = (pids: () => Readonly<Record<string, number | null>>, everyMs: number): MemoryWatch => {
  const samples = new Map<string, Sample[]>()
  let since: number | null = null
  const timer = setInterval(() => {
    if (since === null) return
    const minutes = (performance.now() - since) / 60_000
    for (const [name, pid] of Object.entries(pids())) {
      if (pid === null) continue
      try {
        samples.set(name, [...(samples.get(name) ?? []), { minutes, mb: usageOf(pid).rssMiB * 1.048576 }])
      } catch {
        // It ended while we looked.
      }
    }
  }, everyMs)
  return {
    begin() {
      since = performance.now()
    },
    stop() {
      clearInterval(timer)
      return samples
    },
  }
}
