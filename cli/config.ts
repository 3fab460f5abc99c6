import { configJsonSchema } from '../core/config.js'
import { effectiveSettings } from '../core/settings.js'
import { checkedConfig } from './checked-config.js'
import type { Command } from './command.js'
import { UsageError } from './command.js'
import { configurationPage } from './config-docs.js'

const print = (): string => {
  const settings = effectiveSettings(checkedConfig(process.env, process.cwd()), process.env)
  const width = Math.max(...settings.map(({ key }) => key.length)) + 2
  const from = ({ source, name }: (typeof settings)[number]): string => (name === null ? source : name)
  return settings.map((setting) => `${setting.key.padEnd(width)}${setting.value.padEnd(28)}  ${from(setting)}\n`).join('')
}

const check = (): string => {
  const { file } = checkedConfig(process.env, process.cwd())
  return `${file ?? 'No weir.yaml is there, which is fine: the defaults hold. The environment'} is in order.\n`
}

const actions = {
  check,
  print,
  schema: () => `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
  docs: () => configurationPage(),
} as const

export const command: Command = {
  summary: 'check weir.yaml, print what is in force, or its JSON Schema',
  about: `
Reads ./weir.yaml, or the file in WEIR_CONFIG, and the environment, as \`weir start\` would. Exit code 1 when something is wrong.
An editor checks weir.yaml as you type with this on its first line:

  # yaml-language-server: $schema=weir.schema.json       (made by: weir config --schema > weir.schema.json)`,
  flags: {
    check: { type: 'boolean', help: 'say whether the configuration can be used (the default)' },
    print: { type: 'boolean', help: 'each value in force and where it comes from; secrets are masked' },
    schema: { type: 'boolean', help: 'JSON Schema of weir.yaml' },
    docs: { type: 'boolean', help: 'the page docs/configuration.md' },
  },
  run(values) {
    const asked = (Object.keys(actions) as (keyof typeof actions)[]).filter((name) => values[name] === true)
    if (asked.length > 1) throw new UsageError(`Choose one of ${asked.map((name) => `--${name}`).join(' and ')}.`)
    process.stdout.write(actions[asked[0] ?? 'check']())
    return Promise.resolve(0)
  },
}
