import { parseArgs } from 'node:util'

interface Flag {
  readonly type: 'boolean' | 'string'
  readonly short?: string
  /** May be given several times; strings only. */
  readonly several?: boolean
  /** How the value is called in the help; strings only. */
  readonly value?: string
  readonly help: string
}

export type Flags = Readonly<Record<string, Flag>>
export type Values = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

export interface Command {
  readonly summary: string
  /** Paragraphs below the usage line. */
  readonly about: string
  readonly flags: Flags
  /** What stands behind its name beside flags, as the usage line tells it; without, nothing may. */
  readonly words?: string
  /**
   * @param words Those that are no flags, in their order.
   * @returns The exit code.
   */
  run(values: Values, words: readonly string[]): Promise<number>
}

/** The command line cannot be read. The message is one sentence for the person who typed it. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

const help: Flag = { type: 'boolean', short: 'h', help: 'show this help' }

/** @throws UsageError naming the argument that is not known. */
export const readFlags = (flags: Flags, args: readonly string[]): Values => readLine({ flags }, args).values

/** @throws UsageError naming the argument that is not known. */
export const readLine = (
  { flags, words }: Pick<Command, 'flags' | 'words'>,
  args: readonly string[],
): { readonly values: Values; readonly words: readonly string[] } => {
  const options = Object.fromEntries(
    Object.entries({ ...flags, help }).map(([name, { type, short, several = false }]) => [
      name,
      { type, multiple: several, ...(short === undefined ? {} : { short }) },
    ]),
  )
  try {
    const read = parseArgs({ args: [...args], options, strict: true, allowPositionals: words !== undefined })
    return { values: read.values as Values, words: read.positionals }
  } catch (cause) {
    const [first = ''] = (cause as Error).message.split('. ')
    throw new UsageError(`${first.replace(/\.$/, '')}.`)
  }
}

export const helpText = (name: string, { summary, about, flags, words }: Command): string => {
  const rows = Object.entries({ ...flags, help }).map(([flag, { short, value, help: text }]): [string, string] => [
    `${short === undefined ? '    ' : `-${short}, `}--${flag}${value === undefined ? '' : ` <${value}>`}`,
    text,
  ])
  const width = Math.max(...rows.map(([left]) => left.length)) + 2
  return [
    `weir ${name}: ${summary}`,
    '',
    `usage: weir ${name} ${words === undefined ? '' : `${words} `}[options]`,
    '',
    about.trim(),
    '',
    'options:',
    ...rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`),
    '',
  ].join('\n')
}

/** A whole number of at least `least`, or `fallback` when the flag was not given. */
export const wholeNumber = (values: Values, flag: string, fallback: number, least = 1): number => {
  const text = values[flag]
  if (text === undefined) return fallback
  const number = Number(text)
  if (typeof text !== 'string' || !Number.isInteger(number) || number < least)
    throw new UsageError(`--${flag}: "${String(text)}" is not a whole number of at least ${least}.`)
  return number
}
