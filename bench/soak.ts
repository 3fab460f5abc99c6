import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError, wholeNumber, type Values } from '../cli/command.js'
import { lineOf, type Verdicts } from '../e2e/checker/check.js'
import { roleOf } from '../e2e/support/processes.js'
import { randomFrom } from '../e2e/support/random.js'
import { faults, type Victims } from './soak/faults.js'
import { createLoad, type SoakLoad } from './soak/load.js'
import { slopeOf, watchMemory } from './soak/memory.js'
import type { Mode, SeenCall } from './soak/upstream.js'
import { judge } from './soak/verdicts.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { countable, heldBy, type Held } from './support/held.js'
import { healthOf, openaiAt, rowsOf, withFolder, withWeir, type House } from './support/house.js'
import { forkModule } from './support/processes.js'
import { atMost, type Report, type Target } from './support/report.js'
import { startBroker, type Broker } from './support/servers.js'

interface Options {
  readonly minutes: number
  /** Calls a second; `null` = of what a run of `calibrateSeconds` makes, so much. */
  readonly rate: number | null
  readonly calibrateSeconds: number
  readonly everySeconds: number
  readonly log: 'kafka' | 'journal'
  readonly seed: number
}

const share = 0.7
/** In this part of the run processes are killed; behind it their memory is measured. */
const killing = 1 / 3
/** Connections of the run that finds the maximum. */
const atOnce = 256
const settleMs = 5000
const storeLimitMs = 900_000
const looksAtMemoryMs = 2000
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

interface Upstream {
  readonly port: number
  readonly mode: (mode: Mode) => Promise<void>
  readonly hangUp: () => Promise<void>
  readonly seen: (from: number, to: number) => Promise<readonly SeenCall[]>
  stop(): Promise<void>
}

const startUpstream = async (seed: number): Promise<Upstream> => {
  const { told, ask, stop } = await forkModule<{ readonly port: number }>('../soak/upstream', { args: [String(seed)] })
  return {
    port: told.port,
    mode: (mode) => ask(`mode|${mode}`),
    hangUp: () => ask('hang up'),
    seen: (from, to) => ask(`seen|${from}|${to}`),
    stop,
  }
}

/**
 * Every call has its end, and what it left behind is stored: nothing waits, and the rows are as many as they were a while ago.
 *
 * @returns When it was seen first.
 */
const atRest = async (house: House, load: SoakLoad): Promise<number> => {
  await load.settle()
  const begun = performance.now()
  let before = -1
  let restAt = begun
  for (let quiet = 0; quiet < 3; await pause(700)) {
    if (performance.now() - begun > storeLimitMs)
      throw new BenchFailed(`After ${storeLimitMs / 1000} s not everything is stored.`)
    const [{ rows = 0 } = {}] = await rowsOf<{ readonly rows: number }>(
      house,
      'SELECT toUInt32(count()) AS rows FROM requests',
    ).catch(() => [])
    const health = await healthOf(house).catch(() => null)
    const waiting = health === null || (health.journal?.lagBytes ?? 0) > 0 || (health.ingest?.lagBytes ?? 1) > 0
    if (waiting || rows !== before) restAt = performance.now()
    quiet = waiting || rows !== before ? 0 : quiet + 1
    before = rows
  }
  return restAt
}

interface Scene {
  readonly house: House
  readonly load: SoakLoad
  readonly upstream: Upstream
  readonly broker: Broker | null
  readonly resources: string
}

const rolePids = ({ house }: Scene): Readonly<Record<'proxy' | 'hub', number | null>> => ({
  proxy: roleOf(house.pids.supervisor, 'proxy'),
  hub: roleOf(house.pids.supervisor, 'hub'),
})

/** What proxy and hub hold some seconds after the last call, all connections closed. */
const heldAtRest = async (scene: Scene): Promise<Readonly<Record<'proxy' | 'hub', Held>>> => {
  await atRest(scene.house, scene.load)
  await scene.upstream.hangUp()
  await pause(settleMs)
  const { proxy, hub } = rolePids(scene)
  if (proxy === null || hub === null) throw new BenchFailed('A role does not run.')
  return { proxy: await heldBy(proxy, scene.resources), hub: await heldBy(hub, scene.resources) }
}

/** @returns Calls a second from the first one to the last row. */
const calibrate = async ({ house, load }: Scene, seconds: number): Promise<number> => {
  const begun = performance.now()
  const before = load.issued()
  load.pace({ kind: 'closed', atOnce })
  await pause(seconds * 1000)
  const restAt = await atRest(house, load)
  return ((load.issued() - before) * 1000) / (restAt - begun)
}

/** Faults one after the other, one begun every so many seconds. @returns How often each struck, and how many processes it ended. */
const strike = async (victims: Victims, { minutes, everySeconds }: Options, say: (line: string) => void) => {
  const struck = new Map<string, number>()
  let crashes = 0
  const begun = performance.now()
  const fitting = faults.filter(({ needsBroker }) => needsBroker !== true || victims.broker !== null)
  const totalMs = minutes * 60_000
  for (let n = 1; ; n++) {
    const dueMs = n * everySeconds * 1000
    // The last seconds are without one.
    if (dueMs > totalMs - Math.min(10_000, totalMs / 4)) break
    await pause(Math.max(0, begun + dueMs - performance.now()))
    const possible = dueMs < totalMs * killing ? fitting : fitting.filter(({ kills }) => !kills)
    const fault = possible[Math.floor(victims.next() * possible.length)]
    if (fault === undefined) continue
    struck.set(fault.name, (struck.get(fault.name) ?? 0) + 1)
    if (fault.kills) crashes++
    say(`${(dueMs / 60_000).toFixed(1)} min: ${fault.name}`)
    await fault.strike(victims)
  }
  await pause(Math.max(0, begun + totalMs - performance.now()))
  return { struck, crashes }
}

const judgedAtLast = async (scene: Scene, seed: number): Promise<Verdicts> => {
  const options = { hub: scene.house, load: scene.load, seen: scene.upstream.seen, seed }
  let verdicts = await judge(options)
  // Ends of dead writers are put there by a recovery of its own.
  for (let tries = 0; verdicts.lost.length > 0 && tries < 5; tries++) {
    await pause(5000)
    verdicts = await judge(options)
  }
  return verdicts
}

const back = (role: 'proxy' | 'hub', before: Held, after: Held): readonly Target[] => [
  atMost(`${role}: sockets more than before`, after.sockets - before.sockets, 0),
  atMost(`${role}: timers more than before`, after.timers - before.timers, 0),
  // The engine holds as many files as it has parts at the moment; a journal turns its segments.
  atMost(`${role}: descriptors more than before`, after.descriptors - before.descriptors, role === 'hub' ? 16 : 2),
]

const soak = async (scene: Scene, options: Options, say: (line: string) => void): Promise<Report> => {
  const { minutes, seed, log } = options
  const { house, load, upstream, broker } = scene
  await calibrate(scene, Math.min(3, options.calibrateSeconds))
  say('Warm.')
  const maximum = options.rate === null ? await calibrate(scene, options.calibrateSeconds) : null
  const rate = options.rate ?? Math.max(1, Math.floor((maximum ?? 0) * share))
  const before = await heldAtRest(scene)
  say(
    `${maximum === null ? '' : `${Math.round(maximum)} calls/s with everything stored; `}${rate} calls/s for ${minutes} min, seed ${seed}`,
  )
  const memory = watchMemory(() => ({ supervisor: house.pids.supervisor, ...rolePids(scene) }), looksAtMemoryMs)
  const measuring = setTimeout(() => memory.begin(), minutes * 60_000 * killing)
  const telling = setInterval(() => say(`${load.issued()} calls issued, ${load.finished()} answered`), 60_000)
  const startedAt = performance.now()
  const issuedBefore = load.issued()
  load.pace({ kind: 'steady', perSecond: rate })
  try {
    const victims = { supervisor: house.pids.supervisor, broker, next: randomFrom(seed), upstream: upstream.mode }
    const { struck, crashes } = await strike(victims, options, say)
    const perSecond = ((load.issued() - issuedBefore) * 1000) / (performance.now() - startedAt)
    const samples = memory.stop()
    say('The time is over. Waiting for the last row.')
    const after = await heldAtRest(scene)
    const verdicts = await judgedAtLast(scene, seed)
    const line = lineOf(verdicts, { seed, crashes })
    say(line)
    for (const fault of [...verdicts.lost, ...verdicts.double, ...verdicts.wrong].slice(0, 20)) say(`  ${fault}`)
    const slopes = [...samples].map(([name, seen]) => [name, slopeOf(seen) ?? Number.NaN, seen.at(-1)?.mb ?? Number.NaN] as const)
    return {
      tables: [
        {
          title: `${minutes} min at ${rate} calls/s (${maximum === null ? 'asked for' : `70 % of ${Math.round(maximum)}`}), by ${log}; ${line}`,
          columns: ['calls/s', ...[...struck.keys()].map((name) => `${name} x`)],
          rows: [[perSecond, ...struck.values()]],
        },
        {
          title: 'memory, from minute ' + (minutes * killing).toFixed(1),
          columns: ['', 'MB/min', 'RSS at the end MB'],
          rows: slopes,
        },
        {
          title: `held ${settleMs / 1000} s after the last call: before, after`,
          columns: ['', 'sockets', 'sockets after', 'timers', 'timers after', 'descriptors', 'descriptors after'],
          rows: (['proxy', 'hub'] as const).map((role) => [
            role,
            before[role].sockets,
            after[role].sockets,
            before[role].timers,
            after[role].timers,
            before[role].descriptors,
            after[role].descriptors,
          ]),
        },
      ],
      targets: [
        atMost('lost', verdicts.lost.length, 0),
        atMost('double', verdicts.double.length, 0),
        atMost('wrong', verdicts.wrong.length, 0),
        ...slopes.map(([name, slope]) => atMost(`${name}: memory grows a minute`, slope, 1, ' MB')),
        ...back('proxy', before.proxy, after.proxy),
        ...back('hub', before.hub, after.hub),
      ],
    }
  } finally {
    clearTimeout(measuring)
    clearInterval(telling)
    memory.stop()
  }
}

const runAll = (options: Options, say: (line: string) => void): Promise<Report> =>
  withFolder(async (folder) => {
    const broker = options.log === 'kafka' ? await startBroker(join(folder, 'kafka'), 'relay') : null
    const upstream = await startUpstream(options.seed)
    const resources = join(folder, 'resources')
    mkdirSync(resources)
    try {
      return await withWeir(
        openaiAt(upstream.port),
        (house) =>
          soak({ house, upstream, broker, resources, load: createLoad({ port: house.proxy, seed: options.seed }) }, options, say),
        { ...broker?.env, ...countable(resources), WEIR_LOG_LEVEL: 'error' },
      )
    } finally {
      await upstream.stop()
      await broker?.stop()
    }
  })

const optionsOf = (values: Values): Options => {
  const minutes = Number(values.minutes ?? '30')
  if (!(minutes > 0 && minutes <= 1440)) throw new UsageError('--minutes: a number over 0, at most 1440.')
  const { log = 'kafka' } = values
  if (log !== 'kafka' && log !== 'journal') throw new UsageError('--log: kafka or journal.')
  return {
    minutes,
    log,
    rate: values.rate === undefined ? null : wholeNumber(values, 'rate', 1),
    calibrateSeconds: wholeNumber(values, 'calibrate', 20),
    everySeconds: wholeNumber(values, 'every', 10),
    seed: wholeNumber(values, 'seed', 7),
  }
}

export const bench: Bench = {
  question:
    'is nothing lost, double, wrong or leaking after half an hour at 70 % of the maximum, with a fault every ten seconds?',
  takes: '35 min',
  about: `
\`weir start\` with a real broker behind a link that can be cut. First so many calls as go through with everything stored, for the maximum; then
70 % of it, half of them streams, 5 % left by their clients, and a fault every 10 s: kills of proxy and hub in the first third, and, all the
time, either of them, the broker or the link stopped, the broker killed, the upstream answering 500, resetting or breaking off. Memory is
measured behind the first third. Sockets, timers and descriptors are counted 5 s after the last call, before and after; at the end the
checker compares what clients, upstream and rows tell of each call, some thousand at a time, and the roll-ups with the rows.`,
  flags: {
    minutes: { type: 'string', value: 'n', help: 'how long (30)' },
    rate: { type: 'string', value: 'n', help: 'calls a second (70 % of what a first run makes)' },
    calibrate: { type: 'string', value: 's', help: 'seconds of the first run (20)' },
    every: { type: 'string', value: 's', help: 'seconds between faults (10)' },
    log: { type: 'string', value: 'kafka|journal', help: 'what lies between proxy and ingest (kafka)' },
    seed: { type: 'string', value: 'n', help: 'of calls and faults (7)' },
  },
  run: (values, say) => runAll(optionsOf(values), say),
}
