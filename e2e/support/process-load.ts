import { readdirSync, readFileSync } from 'node:fs'
import { until } from './wait.js'

/** Open files and sockets of a process. Linux only. */
export const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length

/** Its memory in RAM, in bytes; `peak` since it began. */
export const memoryOf = (pid: number): { readonly now: number; readonly peak: number } => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024
  return { now: read('VmRSS'), peak: read('VmHWM') }
}

/** Lower than `most`, or as low as before: nothing of what happened is left (reliability.md R7). */
export const descriptorsBackTo = (pid: number, most: number): Promise<number> =>
  until(
    `the descriptors of ${pid} to be ${most} again`,
    () => {
      const open = descriptorsOf(pid)
      return open <= most ? open : false
    },
    { timeoutMs: 20_000, everyMs: 100 },
  )

/** One figure of a proxy's /metrics; 0 while it is not told. */
export const figureOf = async (url: string, series: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? 0 : Number(line.slice(series.length + 1))
}
