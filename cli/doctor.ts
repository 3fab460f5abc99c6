import { hideIn } from '../core/hide-secrets.js'
import { checkedConfig } from './checked-config.js'
import type { Command } from './command.js'
import type { Check } from './doctor/check.js'
import { doctorChecks } from './doctor/checks.js'
import { hideSecretsOf } from './hide-secrets.js'

const marks = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const
const colours = { ok: '\u001b[32m', warn: '\u001b[33m', fail: '\u001b[31m' } as const

const lineOf = ({ name, state, message, mend }: Check): string => {
  const mark = process.stdout.isTTY ? `${colours[state]}${marks[state]}\u001b[0m` : marks[state]
  return `${mark}  ${name.padEnd(14)}${message}${mend === null ? '' : `\n${' '.repeat(20)}${mend}`}\n`
}

export const command: Command = {
  summary: 'check configuration, stores, ports, disk, destinations',
  about: `
Looks at everything a start needs and a running Weir uses, leaves nothing behind, and says of each fault how to mend it.
Exit code 0 when nothing fails (warnings do not count), 1 otherwise.`,
  flags: { json: { type: 'boolean', help: 'one JSON document: {"ok": ..., "checks": [{"name", "state", "message", "mend"}]}' } },
  async run({ json }) {
    const checks: Check[] = []
    const hide = hideSecretsOf(process.env, process.cwd())
    const tell = (told: Check): void => {
      const check = hideIn(told, hide) as Check
      checks.push(check)
      if (json !== true) process.stdout.write(lineOf(check))
    }
    await doctorChecks({ load: () => checkedConfig(process.env, process.cwd()), tell, now: Date.now })
    const failed = checks.filter(({ state }) => state === 'fail').length
    if (json === true) process.stdout.write(`${JSON.stringify({ ok: failed === 0, checks }, null, 2)}\n`)
    else process.stdout.write(failed === 0 ? '\nNothing is in the way.\n' : `\n${failed} of ${checks.length} checks failed.\n`)
    return failed === 0 ? 0 : 1
  },
}
