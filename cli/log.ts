import { Writable } from 'node:stream'
import type { Logger } from 'pino'
import { pino } from 'pino'
import type { Config } from '../core/config.js'
import { hideIn } from '../core/hide-secrets.js'
import { hideSecretsOf } from './hide-secrets.js'

export type Log = Logger

const levels: Readonly<Record<number, string>> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' }
const colours: Readonly<Record<string, string>> = { warn: '\u001b[33m', error: '\u001b[31m', fatal: '\u001b[31m' }

/** One line for a person: time, level when it matters, role, message, what else was told. */
export const humanLine = (json: string): string => {
  const { time, level, role, msg, err, ...rest } = JSON.parse(json) as Record<string, unknown> & {
    err?: { message?: string; stack?: string }
  }
  const word = levels[Number(level)] ?? 'info'
  const details = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const said = [String(msg ?? ''), ...(err?.message === undefined ? [] : [`(${err.message})`]), ...details].join(' ')
  const clock = new Date(Number(time)).toTimeString().slice(0, 8)
  const label = word === 'info' ? '' : `${colours[word] ?? ''}${word}${colours[word] === undefined ? '' : '\u001b[0m'} `
  const stack = word === 'fatal' || process.env.WEIR_LOG_LEVEL === 'debug' ? (err?.stack ?? '') : ''
  return `${clock} ${String(role ?? 'weir').padEnd(6)} ${label}${said}\n${stack === '' ? '' : `${stack}\n`}`
}

const human = (): Writable =>
  new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().split('\n')) if (line !== '') process.stderr.write(humanLine(line))
      done()
    },
  })

/**
 * Lines of JSON to stderr; on a terminal, lines for people.
 *
 * @param hide Takes secrets out of a text. Every text of a line goes through it, stacks and names of fields too.
 */
export const createLog = (
  role: string,
  level: Config['logLevel'],
  hide: (text: string) => string = hideSecretsOf(process.env, process.cwd()),
): Log =>
  pino(
    {
      level,
      base: { role },
      hooks: { streamWrite: (line) => `${JSON.stringify(hideIn(JSON.parse(line), hide))}\n` },
    },
    process.stderr.isTTY ? human() : pino.destination({ dest: 2, sync: true }),
  )
