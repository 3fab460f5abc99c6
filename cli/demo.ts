import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { loadConfig } from '../core/config.js'
import type { Command } from './command.js'
import { UsageError, wholeNumber } from './command.js'
import { prepareDataFolder } from './data-folder.js'
import { usdText } from './demo/prices.js'
import { sessions } from './demo/sessions.js'
import type { Tally, Traffic } from './demo/traffic.js'
import { startTraffic } from './demo/traffic.js'
import { startFakeProvider } from './fake-provider/server.js'
import { startHouse, untilTold } from './house.js'
import { createLog } from './log.js'
import { readyLine } from './start.js'

const about = `
Starts Weir with a built-in fake provider in place of OpenAI, Anthropic and Gemini, and calls it as a company would: users, teams,
support chats, agents with tools, cached prompts, embeddings, errors, clients that leave. No API key, no network.

Data lies apart from yours: in WEIR_DATA with "-demo" at its end (./.weir-demo), or where --data says. Ports and log level are taken
from the environment, as with \`weir start\`; weir.yaml is not read. OTEL_EXPORTER_OTLP_ENDPOINT sends the demo's traces somewhere.`

/** The same house, but its three great providers are the fake one. */
const configFile = (origin: string): string =>
  `# Made by \`weir demo\`, anew at each start.\nproviders:\n${['openai', 'anthropic', 'gemini'].map((name) => `  ${name}: { origin: "${origin}" }\n`).join('')}`

const summary = (tally: Tally): Record<string, unknown> => ({
  calls: tally.calls,
  completed: tally.completed,
  failed: tally.failed,
  left: tally.left,
  expectedCostUsd: usdText(tally.expectedPico),
  unforeseen: tally.unforeseen,
})

const sentence = (tally: Tally): string =>
  `\n${tally.calls} calls: ${tally.completed} answered, ${tally.failed} failed, ${tally.left} left by the client.\n` +
  `Expected cost: $${usdText(tally.expectedPico)}${tally.unforeseen === 0 ? '' : `, and ${tally.unforeseen} calls whose usage nobody told, which Weir estimates (≈)`}.\n`

const number = (values: Readonly<Record<string, unknown>>, flag: string, fallback: number): number => {
  const value = values[flag] === undefined ? fallback : Number(values[flag])
  if (!(value > 0 && value <= 1000))
    throw new UsageError(`--${flag}: "${String(values[flag])}" is not a number between 0 and 1000.`)
  return value
}

export const command: Command = {
  summary: 'the same with a fake provider and realistic traffic, no API key needed',
  about,
  flags: {
    calls: {
      type: 'string',
      value: 'n',
      help: 'stop the traffic after n calls and print a summary; Weir stays up to be looked at',
    },
    rate: { type: 'string', value: 'r', help: 'calls a second (4)' },
    seed: { type: 'string', value: 'text', help: 'another seed, other traffic (demo)' },
    data: { type: 'string', value: 'folder', help: 'where the demo keeps its data' },
    exit: { type: 'boolean', help: 'with --calls: stop Weir, too, once the summary is printed' },
    json: { type: 'boolean', help: 'one line of JSON when ready, one with the summary' },
  },
  async run(values) {
    const json = values.json === true
    const say = (text: string): void => void (json || process.stdout.write(text))
    const calls = values.calls === undefined ? null : wholeNumber(values, 'calls', 0)
    const rate = number(values, 'rate', 4)
    if (values.exit === true && calls === null) throw new UsageError('--exit needs --calls.')
    const dataDir = resolve(typeof values.data === 'string' ? values.data : `${process.env.WEIR_DATA || '.weir'}-demo`)

    prepareDataFolder(dataDir)
    const provider = await startFakeProvider()
    const file = join(dataDir, 'weir.yaml')
    writeFileSync(file, configFile(provider.origin), { mode: 0o600 })
    const env = { WEIR_DATA: dataDir, WEIR_CONFIG: file }
    const config = loadConfig({ ...process.env, ...env }, process.cwd())
    const house = startHouse({ config, log: createLog('weir', config.logLevel), env, hubArgs: ['--demo'] })
    let traffic: Traffic | null = null
    let told = false
    let stop: () => void = () => undefined
    const stopped = new Promise<void>((resolve) => (stop = resolve))
    const ended = untilTold(house, () => {
      told = true
      traffic?.stop()
      say('\nDraining. Ctrl-C again stops at once.\n')
    })
    try {
      const addresses = await house.ready.catch((cause: unknown) => {
        if (!told) throw cause
        return null
      })
      if (addresses !== null) {
        if (json) process.stdout.write(readyLine(addresses, house.pids(), { provider: provider.origin }))
        else
          say(
            `\nLook at  ${addresses.web}\n\n  proxy  ${addresses.proxy}\n  sql    ${addresses.sql ?? 'at CLICKHOUSE_URL'}\n  data   ${dataDir}\n\n` +
              `${calls ?? 'Endless'} calls at ${rate} a second, to a fake provider. Ctrl-C stops.\n`,
          )
        traffic = startTraffic({
          origin: addresses.proxy,
          sessions: sessions(typeof values.seed === 'string' ? values.seed : 'demo', Date.now().toString(36)),
          rate,
          calls,
        })
        void traffic.ended.then((tally) => {
          if (json) process.stdout.write(`${JSON.stringify(summary(tally))}\n`)
          else if (calls !== null)
            say(`${sentence(tally)}${values.exit === true || told ? '' : 'Weir stays up; Ctrl-C stops it.\n'}`)
          if (values.exit === true) stop()
        })
      }
      await Promise.race([ended, stopped.then(() => house.stop())])
    } finally {
      await provider.close()
    }
    return 0
  },
}
