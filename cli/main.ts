#!/usr/bin/env node
import { nearest } from '../core/nearest.js'
import type { Command } from './command.js'
import { helpText, readLine, UsageError } from './command.js'
import { hideSecretsOf } from './hide-secrets.js'
import { isExpected, sentenceOf } from './start-error.js'
import { version } from './version.js'

// Loaded one by one, when asked for: the proxy must not pay for the hub's database, nor `--help` for either.
const commands: Readonly<Record<string, readonly [summary: string, load: () => Promise<{ readonly command: Command }>]>> = {
  start: ['everything on this machine: proxy, ingest, web', () => import('./start.js')],
  demo: ['the same with a fake provider and realistic traffic, no API key needed', () => import('./demo.js')],
  proxy: ['the data plane alone', () => import('./proxy.js')],
  ingest: ['the analytics pipeline alone', () => import('./ingest.js')],
  web: ['the web UI and its API alone', () => import('./web.js')],
  key: ['make a Weir key, for callers', () => import('./key.js')],
  reprice: ['price stored calls again, with the prices of now', () => import('./reprice.js')],
  migrate: ["bring the store's tables to this version", () => import('./migrate.js')],
  backup: ['copy the running or stopped house into a folder', () => import('./backup.js')],
  restore: ['make a data folder of a backup', () => import('./restore.js')],
  journal: ['what waits in the journal; take over that of a dead host', () => import('./journal.js')],
  'replay-dlq': ['send events again that could not be stored', () => import('./replay-dlq.js')],
  doctor: ['check configuration, stores, ports, disk, destinations', () => import('./doctor.js')],
  config: ['check weir.yaml, print what is in force, or its JSON Schema', () => import('./config.js')],
}
/** Not for people: started by `weir start`. */
const internal: typeof commands = { hub: ['ingest and web in one process', () => import('./hub.js')] }

const overview = (): string => {
  const width = Math.max(...Object.keys(commands).map((name) => name.length)) + 2
  return [
    'Weir: an observability-first LLM gateway. Change the base URL; every call is passed through, priced and recorded.',
    '',
    'usage: weir <command> [options]',
    '',
    ...Object.entries(commands).map(([name, [summary]]) => `  ${name.padEnd(width)}${summary}`),
    '',
    '`weir <command> --help` tells the options. `weir --version` tells the version.',
    '',
  ].join('\n')
}

const main = async (args: readonly string[]): Promise<number> => {
  const [name, ...rest] = args
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(overview())
    return 0
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${version()}\n`)
    return 0
  }
  const known = Object.hasOwn(commands, name) ? commands[name] : Object.hasOwn(internal, name) ? internal[name] : undefined
  if (known === undefined) {
    const near = nearest(name, Object.keys(commands))
    throw new UsageError(
      `"${name}" is not a command.${near === null ? '' : ` Did you mean "weir ${near}"?`} \`weir --help\` lists them.`,
    )
  }
  const { command } = await known[1]()
  const { values, words } = readLine(command, rest)
  if (values.help === true) {
    process.stdout.write(helpText(name, command))
    return 0
  }
  return await command.run(values, words)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (cause) {
  const hide = hideSecretsOf(process.env, process.cwd())
  process.stderr.write(`${cause instanceof UsageError ? cause.message : hide(sentenceOf(cause))}\n`)
  if (process.env.WEIR_LOG_LEVEL === 'debug' || !(cause instanceof UsageError || isExpected(cause)))
    process.stderr.write(`${hide((cause as Error).stack ?? '')}\n`)
  process.exitCode = cause instanceof UsageError ? 2 : 1
}
