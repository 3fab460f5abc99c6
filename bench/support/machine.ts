import { cpus, loadavg, totalmem } from 'node:os'

export interface Machine {
  readonly date: string
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  /** Over the last minute: what else ran here. */
  readonly load: number
}

export const machine = (): Machine => ({
  date: new Date().toISOString().slice(0, 16).replace('T', ' '),
  node: process.version,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 1024 ** 3),
  load: loadavg()[0] ?? 0,
})

export const machineText = ({ date, node, cpu, cores, memoryGiB, load }: Machine): string =>
  `${date} UTC, Node ${node}, ${cores} x ${cpu}, ${memoryGiB} GiB, load average ${load.toFixed(1)} before the run`
