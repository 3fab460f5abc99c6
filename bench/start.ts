import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { wholeNumber } from '../cli/command.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, fetchBody } from './support/driver.js'
import { askSql, openaiAt, withFolder } from './support/house.js'
import { median } from './support/median.js'
import { forkHelper, spawnWeir } from './support/processes.js'
import { atMost, type Report } from './support/report.js'
import { wantedJson } from './support/upstream.js'

interface Leg {
  readonly answeredMs: number
  readonly rowMs: number
}

const limitMs = 60_000
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Ports that are free now: the addresses must be known before Weir tells them. */
const freePorts = async (n: number): Promise<readonly number[]> => {
  const servers = Array.from({ length: n }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** Asks until there is an answer; `null` means not yet. */
const until = async <T>(ask: () => Promise<T | null>): Promise<T> => {
  const begun = performance.now()
  for (;;) {
    const answer = await ask().catch(() => null)
    if (answer !== null) return answer
    if (performance.now() - begun > limitMs) throw new BenchFailed(`Nothing after ${limitMs / 1000} s.`)
    await pause(5)
  }
}

/** @param rows Of earlier starts in this folder. */
const startOnce = async (folder: string, rows: number): Promise<Leg> => {
  const [proxy = 0, web = 0, sql = 0] = await freePorts(3)
  const begun = performance.now()
  const weir = spawnWeir(['start', '--json'], folder, {
    WEIR_PROXY_PORT: String(proxy),
    WEIR_WEB_PORT: String(web),
    WEIR_SQL_PORT: String(sql),
  })
  let others: readonly number[] = []
  try {
    const body = await until(() => fetchBody(proxy, `/openai${chatPath}`, false))
    const answeredMs = performance.now() - begun
    if (!body.equals(wantedJson)) throw new BenchFailed("The first answer is not the upstream's.")
    const hub = { web: '', sql: `http://127.0.0.1:${sql}` }
    await until(async () => ((await askSql(hub, 'SELECT count() FROM requests'))[0] === rows + 1 ? true : null))
    const rowMs = performance.now() - begun
    others = Object.values((JSON.parse(await weir.line) as { readonly pids: Record<string, number> }).pids)
    return { answeredMs, rowMs }
  } finally {
    await weir.stop(others)
  }
}

const runAll = async (rounds: number, say: (line: string) => void): Promise<Report> => {
  const upstream = await forkHelper('upstream')
  const first: Leg[] = []
  const again: Leg[] = []
  try {
    for (let round = 1; round <= rounds; round++)
      await withFolder(async (folder) => {
        writeFileSync(join(folder, 'weir.yaml'), openaiAt(upstream.port))
        first.push(await startOnce(folder, 0))
        again.push(await startOnce(folder, 1))
        say(
          `round ${round} of ${rounds}: ${Math.round(first.at(-1)?.answeredMs ?? 0)} ms, again ${Math.round(again.at(-1)?.answeredMs ?? 0)} ms`,
        )
      })
  } finally {
    await upstream.stop()
  }
  const answered = (legs: readonly Leg[]): number => median(legs.map(({ answeredMs }) => answeredMs))
  const seen = (legs: readonly Leg[]): number => median(legs.map(({ rowMs }) => rowMs))
  return {
    tables: [
      {
        title: 'weir start, from spawn',
        columns: ['', 'first call answered ms', 'its row in SQL ms'],
        rows: [
          ['empty folder', answered(first), seen(first)],
          ['again', answered(again), seen(again)],
        ],
      },
    ],
    targets: [
      atMost('first start to the first call answered', answered(first), 1500, ' ms'),
      atMost('a later start to the first call answered', answered(again), 1500, ' ms'),
    ],
  }
}

export const bench: Bench = {
  question: 'how soon after its start does Weir answer the first call, and is its row seen?',
  takes: '1 min',
  about: `
\`weir start\` in an empty folder, and again in the same one. The proxy is asked every 5 ms from the spawn on; then SQL is, until the row
is there. What npm does before is not counted.`,
  flags: { rounds: { type: 'string', value: 'n', help: 'of which the median is told (3)' } },
  run: (values, say) => runAll(wholeNumber(values, 'rounds', 3), say),
}
