import { describe, expect, onTestFinished, test } from 'vitest'
import { redisServer } from '../proxy/state/testing-redis.js'
import { openScene, type Shape } from './chaos/options.js'
import { faultNames, pause, type FaultKind, type Scene } from './chaos/scene.js'
import { headersFor } from './chaos/strokes.js'
import { judge, toldOf } from './chaos/trial.js'
import { startLoad } from './checker/load.js'
import { kafkaJars } from './servers/kafka/kafka.js'
import { randomFrom } from './support/random.js'
import { until } from './support/wait.js'

// The share of the kill matrix (reliability.md §3) that every run of the tests has: 20 kills, in two houses, under one load each.
// `npm run chaos:matrix` has all of it. WEIR_SEED repeats a run, WEIR_LOAD is calls per second.

const seed = Number(process.env.WEIR_SEED ?? Math.floor(Math.random() * 1_000_000))
const perSecond = Number(process.env.WEIR_LOAD ?? 120)

type Cell = readonly [victim: string, kind: FaultKind]

/** The two that die oftenest do so three times here. */
const kills: Readonly<Record<Shape, readonly Cell[]>> = {
  embedded: [
    ['proxy', 'K'],
    ['proxy', 'K'],
    ['proxy', 'K'],
    ['proxy', 'T'],
    ['hub', 'K'],
    ['hub', 'K'],
    ['hub', 'K'],
    ['hub', 'T'],
    ['supervisor', 'K'],
    ['supervisor', 'T'],
  ],
  scaled: [
    ['proxy', 'K'],
    ['proxy', 'T'],
    ['ingest', 'K'],
    ['ingest', 'T'],
    ['shipper thread', 'K'],
    ['Kafka broker', 'K'],
    ['Kafka broker', 'T'],
    ['ClickHouse', 'K'],
    ['ClickHouse', 'T'],
    ['Redis', 'K'],
  ],
}
/** Of faults that last, so many at random, each so long. */
const others = 2
const othersMs = 1500

const shuffled = <T>(items: readonly T[], next: () => number): readonly T[] =>
  items
    .map((item) => [next(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item)

const othersOf = ({ victims }: Scene, next: () => number): readonly Cell[] =>
  shuffled(
    victims.flatMap(({ name, faults }) =>
      (['S', 'D', 'L'] as const).flatMap((kind): Cell[] => (faults[kind] ? [[name, kind]] : [])),
    ),
    next,
  ).slice(0, others)

describe.each<Shape>(['embedded', 'scaled'])('%s', (shape) => {
  test.skipIf(shape === 'scaled' && (kafkaJars === null || redisServer === null))(
    `10 kills under ${perSecond} calls/s: each finished call once, each open one proxy_lost (seed ${seed})`,
    { timeout: 400_000 },
    async () => {
      const scene = await openScene(shape)
      onTestFinished(() => scene.stop())
      const next = randomFrom(seed)
      const load = startLoad({
        proxy: scene.proxies,
        fake: scene.fake,
        perSecond,
        seed,
        kinds: 'all',
        headers: headersFor(scene),
      })
      const cells = shuffled([...kills[shape], ...othersOf(scene, next)], next)
      for (const [name, kind] of cells) {
        const victim = scene.victims.find((one) => one.name === name)
        await pause(300 + next() * 900)
        await victim?.faults[kind]?.(othersMs)
        await until(`${name} to be back after ${faultNames[kind]}`, () => victim?.isBack(), { timeoutMs: 90_000, everyMs: 100 })
      }
      await pause(500) // some calls that nothing has touched
      await load.stop()
      const judged = await judge(scene, load, { seed })
      console.log(`${shape}, ${judged.line}; ${cells.map((cell) => cell.join(':')).join(', ')}`)
      expect({ holds: judged.holds, told: toldOf(judged) }).toEqual({ holds: true, told: [] })
      expect(judged.verdicts.proxyLost).toBeGreaterThan(0)
      expect(judged.verdicts.finished).toBeGreaterThan(judged.verdicts.issued / 4)
      expect(await scene.query("SELECT request_id FROM requests WHERE error_code = 'internal'")).toEqual([])
    },
  )
})
