import { readFlags, UsageError, type Flags } from '../cli/command.js'
import { nearest } from '../core/nearest.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { machine, machineText } from './support/machine.js'
import { stopAll } from './support/processes.js'
import { reportText, type Report } from './support/report.js'

const benches: Readonly<Record<string, () => Promise<{ readonly bench: Bench }>>> = {
  overhead: () => import('./overhead.js'),
  'cache-hit': () => import('./cache-hit.js'),
  fallback: () => import('./fallback.js'),
  sustained: () => import('./sustained.js'),
  kafka: () => import('./kafka.js'),
  idle: () => import('./idle.js'),
  outage: () => import('./outage.js'),
  soak: () => import('./soak.js'),
  'sse-many': () => import('./sse-many.js'),
  ingest: () => import('./ingest.js'),
  journal: () => import('./journal.js'),
  start: () => import('./start.js'),
  pricing: () => import('./pricing.js'),
}

const common: Flags = { json: { type: 'boolean', help: 'print the result as one line of JSON' } }

const aligned = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`).join('\n')
}

const overview = async (): Promise<string> => {
  const rows: [string, string][] = []
  for (const [name, load] of Object.entries(benches)) rows.push([name, (await load()).bench.question])
  return `usage: npm run bench -- <name> [options]\n\n${aligned(rows)}\n\n\`npm run bench -- <name> --help\` tells the options. Linux only.\n`
}

const helpOf = (name: string, { question, takes, about, flags }: Bench): string =>
  `${name}: ${question}\n\n${about.trim()}\n\nTakes about ${takes} with the defaults; exit code 3 when a target is missed, 1 when an answer or a count is wrong.\n\noptions:\n${aligned(
    Object.entries({ ...flags, ...common }).map(([flag, { value, help }]) => [
      `--${flag}${value === undefined ? '' : ` <${value}>`}`,
      help,
    ]),
  )}\n`

/** For whoever reads many runs: one line, the targets alone. */
const resultLine = (name: string, args: readonly string[], { targets }: Report): string =>
  `RESULT ${JSON.stringify({ bench: name, command: args.join(' '), met: targets.every(({ met }) => met), targets })}`

const main = async ([name, ...rest]: readonly string[]): Promise<number> => {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(await overview())
    return 0
  }
  const load = Object.hasOwn(benches, name) ? benches[name] : undefined
  if (load === undefined) {
    const near = nearest(name, Object.keys(benches))
    throw new UsageError(`"${name}" is not a bench.${near === null ? '' : ` Did you mean "${near}"?`} --help lists them.`)
  }
  const { bench } = await load()
  const values = readFlags({ ...bench.flags, ...common }, rest)
  if (values.help === true) {
    process.stdout.write(helpOf(name, bench))
    return 0
  }
  if (process.platform !== 'linux') throw new UsageError('The benches read /proc: they run on Linux only.')
  const about = machine()
  const report = await bench.run(values, (line) => void process.stderr.write(`${line}\n`))
  process.stdout.write(
    values.json === true
      ? `${JSON.stringify({ bench: name, command: rest.join(' '), machine: about, ...report })}\n`
      : `${machineText(about)}\n\n${reportText(report)}\n\n${resultLine(name, rest, report)}\n`,
  )
  return report.targets.every(({ met }) => met) ? 0 : 3
}

// What a bench has started ends before it does, also when it is interrupted; the second time it is not waited for.
let told = false
const interrupted = (): void => {
  if (told) process.exit(130)
  told = true
  void stopAll().then(() => process.exit(130))
}
process.on('SIGINT', interrupted)
process.on('SIGTERM', interrupted)
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (cause) {
  const expected = cause instanceof UsageError || cause instanceof BenchFailed
  process.stderr.write(`${expected ? cause.message : String((cause as Error).stack)}\n`)
  process.exitCode = cause instanceof UsageError ? 2 : 1
}
