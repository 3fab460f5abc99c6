import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { check, lineOf, type Verdicts } from './checker/check.js'
import { startLoad } from './checker/load.js'
import { rollupSums, rowSums, storedCalls } from './checker/stored.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'
import { roleOf } from './support/processes.js'
import { randomFrom } from './support/random.js'
import { until } from './support/wait.js'

// kill -9 of proxy and hub at random times under load (reliability.md §3). WEIR_KILLS says how many, WEIR_SEED repeats a run,
// WEIR_LOAD is calls per second.

const kills = Number(process.env.WEIR_KILLS ?? 6)
const seed = Number(process.env.WEIR_SEED ?? Math.floor(Math.random() * 1_000_000))
const perSecond = Number(process.env.WEIR_LOAD ?? 120)

let fake: FakeProvider
let house: RunningHouse
beforeAll(async () => {
  fake = await startFakeProvider()
  house = await openHouse({ yaml: providersAt(fake.origin, ['openai', 'anthropic', 'gemini']) })
})
afterAll(async () => {
  await house?.stop()
  await fake?.close()
})

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const answers = (url: string): Promise<boolean> =>
  fetch(`${url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  )
const asks = (): Promise<boolean> =>
  house.query('SELECT 1').then(
    () => true,
    () => false,
  )

/** Both roles run, under other processes than `killed`, where they were. */
const restarted = async (killed: ReadonlySet<number>): Promise<void> => {
  await until(
    'proxy and hub to be back',
    async () => {
      const pids = [roleOf(house.supervisor, 'proxy'), roleOf(house.supervisor, 'hub')]
      if (pids.some((pid) => pid === null || killed.has(pid))) return false
      return (await answers(house.proxy)) && (await answers(house.web)) && (await asks())
    },
    { timeoutMs: 60_000, everyMs: 200 },
  )
}

const verdicts = async (load: ReturnType<typeof startLoad>): Promise<Verdicts> =>
  check({
    client: load.client(),
    upstream: load.upstream(),
    rows: await storedCalls(house),
    rowSums: await rowSums(house),
    rollups: await rollupSums(house),
  })

test(
  `${kills} kills under ${perSecond} calls/s: each finished call once, each open one proxy_lost (seed ${seed})`,
  { timeout: 60_000 + kills * 15_000 },
  async () => {
    const next = randomFrom(seed)
    const load = startLoad({ proxy: house.proxy, fake, perSecond, seed })
    const killed = new Set<number>()
    for (let n = 0; n < kills; n++) {
      const victim = n % 2 === 0 ? 'proxy' : 'hub'
      // A proxy that does not serve yet has nothing to lose; a hub is killed at work as well as while it starts.
      await until('the proxy to serve', () => answers(house.proxy), { timeoutMs: 60_000, everyMs: 50 })
      if (victim === 'hub' && next() < 0.6) await until('the hub to answer', asks, { timeoutMs: 60_000 })
      await sleep(200 + next() * 1300)
      const pid = await until(`the ${victim} to run`, () => roleOf(house.supervisor, victim), { timeoutMs: 60_000 })
      process.kill(pid, 'SIGKILL')
      killed.add(pid)
    }
    await sleep(800)
    await restarted(killed)
    await sleep(500) // some calls that no kill has touched
    await load.stop()
    await house.caughtUp(60_000)
    // Lag 0 says that what is in the journal is stored; ends of dead writers are put there by a recovery of its own.
    const last = await until(
      'every call to have its row',
      async () => {
        const now = await verdicts(load)
        return now.lost.length === 0 && now
      },
      { timeoutMs: 30_000, everyMs: 500 },
    ).catch(() => verdicts(load))
    const line = lineOf(last, { seed, crashes: killed.size })
    console.log(line)
    const { lost, double, wrong } = last
    expect({ line, lost: lost.slice(0, 10), double: double.slice(0, 10), wrong: wrong.slice(0, 10) }).toEqual({
      line,
      lost: [],
      double: [],
      wrong: [],
    })
    expect(killed.size).toBe(kills)
    expect(last.proxyLost).toBeGreaterThan(0)
    expect(last.finished).toBeGreaterThan(last.issued / 4)
    expect(await house.rows(`r.error_code = 'internal'`)).toEqual([])
  },
)
