import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { openServer } from '../clickhouse/engine/server.js'
import { laidOut } from '../clickhouse/layout.js'
import { bookOfMigrations, ownMigrations, statements } from '../clickhouse/migrate.js'
import { openDb } from '../clickhouse/open.js'
import { encodeExchange } from '../core/exchange.js'
import { exchange, idOf } from '../ingest/testing.js'
import { openJournal } from '../journal/open.js'
import { check, lineOf, type Verdicts } from './checker/check.js'
import { startLoad } from './checker/load.js'
import { rollupSums, rowSums, storedCalls } from './checker/stored.js'
import { startClickHouse, type ClickHouse } from './servers/clickhouse/clickhouse.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'
import { randomFrom } from './support/random.js'
import { until } from './support/wait.js'

// A whole Weir on a ClickHouse server: started while it is away, and under load while it is killed, ended and frozen.
// WEIR_CLICKHOUSE_FAULTS says how many faults, WEIR_SEED repeats a run.

const faults = Number(process.env.WEIR_CLICKHOUSE_FAULTS ?? 6)
const seed = Number(process.env.WEIR_SEED ?? Math.floor(Math.random() * 1_000_000))

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const folder = (): string => mkdtempSync(join(tmpdir(), 'weir-server-'))
const remove = (dir: string): void => rmSync(dir, { recursive: true, force: true, maxRetries: 5 })

const freePort = async (): Promise<number> => {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}

describe('a house on a server', () => {
  let dir: string
  let fake: FakeProvider
  let clickHouse: ClickHouse
  let house: RunningHouse
  beforeAll(async () => {
    dir = folder()
    fake = await startFakeProvider()
    clickHouse = await startClickHouse(join(dir, 'clickhouse'))
  })
  afterAll(async () => {
    await house?.stop()
    await clickHouse?.stop()
    await fake?.close()
    remove(dir)
  })

  test('that is away at the start: calls pass, the reason is told, and once it is there everything is', async () => {
    await clickHouse.kill()
    const proxyPort = await freePort()
    const opening = openHouse({
      yaml: providersAt(fake.origin, ['openai', 'anthropic', 'gemini']),
      env: { CLICKHOUSE_URL: clickHouse.url, WEIR_PROXY_PORT: String(proxyPort) },
    })
    const proxy = `http://127.0.0.1:${proxyPort}`
    const ask = (): Promise<Response> =>
      fetch(`${proxy}/openai/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer sk-test' },
        body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }] }),
      })
    const answer = await until('the proxy to serve', () => ask().catch(() => null), { timeoutMs: 60_000 })
    expect(answer.status).toBe(200)
    await answer.text()
    const id = answer.headers.get('weir-id') ?? ''
    await sleep(1500)
    await clickHouse.start()
    house = await opening
    expect(house.stderr()).toContain(`The ClickHouse server at ${clickHouse.url} (CLICKHOUSE_URL) cannot be used yet.`)
    expect(await house.row(id, 60_000)).toMatchObject({ id, outcome: 'complete', status: 200 })
    expect(existsSync(join(house.folder, 'data', 'chdb'))).toBe(false)
  })

  const verdicts = async (load: ReturnType<typeof startLoad>): Promise<Verdicts> =>
    check({
      client: load.client(),
      upstream: load.upstream(),
      rows: (await storedCalls(house)).filter(({ mark }) => mark !== ''),
      rowSums: await rowSums(house),
      rollups: await rollupSums(house),
    })

  test(
    `killed, ended and frozen ${faults} times under load (seed ${seed}): each finished call once`,
    { timeout: 120_000 + faults * 30_000 },
    async () => {
      const next = randomFrom(seed)
      const load = startLoad({ proxy: house.proxy, fake, perSecond: 60, seed })
      for (let n = 0; n < faults; n++) {
        await sleep(500 + next() * 2000)
        if (n % 3 === 2) {
          clickHouse.signal('SIGSTOP')
          await sleep(1000 + next() * 3000)
          clickHouse.signal('SIGCONT')
        } else {
          await clickHouse.kill(n % 3 === 0 ? 'SIGKILL' : 'SIGTERM')
          await sleep(next() * 1500)
          await clickHouse.start()
        }
      }
      await sleep(500)
      await load.stop()
      await house.caughtUp(120_000)
      const last = await until(
        'every call to have its row',
        async () => {
          const now = await verdicts(load)
          return now.lost.length === 0 && now
        },
        { timeoutMs: 60_000, everyMs: 500 },
      ).catch(() => verdicts(load))
      const line = lineOf(last, { seed, crashes: faults })
      console.log(line)
      const { lost, double, wrong } = last
      expect({ line, lost: lost.slice(0, 5), double: double.slice(0, 5), wrong: wrong.slice(0, 5) }).toEqual({
        line,
        lost: [],
        double: [],
        wrong: [],
      })
      expect(last.finished).toBeGreaterThan(faults * 20)
    },
  )
})

const weir = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

/** One command of the product, and what it said so far. */
const command = (name: string, env: Readonly<Record<string, string>>): { child: ChildProcess; said: () => string } => {
  let said = ''
  const child = spawn(process.execPath, [weir, name], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', ...env },
  })
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  onTestFinished(() => void child.kill('SIGKILL'))
  return { child, said: () => said }
}

describe('weir ingest on a server', () => {
  const dataDir = (): string => {
    const dir = folder()
    onTestFinished(() => remove(dir))
    return dir
  }
  const server = async (): Promise<ClickHouse> => {
    const started = await startClickHouse(join(dataDir(), 'clickhouse'))
    onTestFinished(() => started.stop())
    return started
  }

  test('that does not answer: says so, waits, and ends at once when told to', async () => {
    const { child, said } = command('ingest', {
      WEIR_DATA: dataDir(),
      CLICKHOUSE_URL: `http://weir:hidden@127.0.0.1:${await freePort()}/calls`,
    })
    await until('the reason', () => said().includes('Trying again in 500 ms.'), { timeoutMs: 60_000 })
    child.kill('SIGTERM')
    const [code] = (await once(child, 'exit')) as [number]
    expect(code).toBe(0)
    expect(said()).not.toContain('hidden')
  })

  test('of a newer version: refuses in a sentence and writes nothing', async () => {
    const { url } = await server()
    const db = await openDb({ clickhouseUrl: url, dataDir: '' })
    onTestFinished(() => db.close())
    await db.insert('schema_migrations', Buffer.from('{"id":9000,"name":"tomorrow","checksum":"x"}\n'), 'newer')
    const { child, said } = command('ingest', { WEIR_DATA: dataDir(), CLICKHOUSE_URL: url })
    const [code] = (await once(child, 'exit')) as [number]
    expect(code).toBe(1)
    expect(said()).toMatch(
      /The stored calls were last opened by a newer Weir: migration 9000 \(tomorrow\) is unknown to this version/,
    )
    expect(await db.rows('applied', 'SELECT max(id) AS id FROM schema_migrations')).toEqual([{ id: 9000 }])
  })

  test('weir migrate makes its tables, once', async () => {
    const { url } = await server()
    for (const _ of [1, 2]) {
      const { child, said } = command('migrate', { WEIR_DATA: dataDir(), CLICKHOUSE_URL: url })
      const [code] = (await once(child, 'exit')) as [number]
      expect([code, said()]).toEqual([0, 'The tables are up to date.\n'])
    }
    const db = openServer(url)
    onTestFinished(() => db.close())
    expect(await db.rows('tables', "SELECT count() > 0 AS made FROM system.tables WHERE name = 'requests'")).toEqual([
      { made: 1 },
    ])
  })

  test('what the server will never take goes to the dead letters, found by halving; the rest is stored', async () => {
    const dir = dataDir()
    const { url } = await server()
    const journal = await openJournal({ dir: join(dir, 'journal'), durability: 'standard', limitBytes: 2 ** 30, now: Date.now })
    const startedAt = new Date(Date.now() - 60_000).toISOString()
    const poison = 13
    for (let n = 0; n < 40; n++) {
      // Nothing on the way looks at it; the column does.
      const rows = n === poison ? ('for ever' as unknown as number) : 400
      const call = exchange({ id: idOf(n), seq: n, startedAt, retentionDays: { rows, bodies: 30 } })
      const payload = encodeExchange({ ...call, reqBody: null, resBody: null })
      journal.append('end', call.id, call.tenant, payload, 'off', () => undefined)
    }
    await journal.close()
    command('ingest', { WEIR_DATA: dir, CLICKHOUSE_URL: url })
    const db = openServer(url)
    onTestFinished(() => db.close())
    // A row is visible a moment before its roll-ups are.
    await expect
      .poll(
        () => db.rows('stored', 'SELECT count() AS rows, (SELECT sum(n) FROM r_user_1d) AS rolled FROM requests').catch(String),
        {
          timeout: 60_000,
        },
      )
      .toEqual([{ rows: '39', rolled: '39' }])
    const letters = await until('the letter', () => {
      const found = existsSync(join(dir, 'dlq')) ? readdirSync(join(dir, 'dlq')).filter((name) => name.endsWith('.dead')) : []
      return found.length > 0 && found
    })
    expect(letters).toEqual([expect.stringMatching(/_refused\.dead$/)])
  })
})

test('replicated tables are made as they are written: the engine takes every statement, with a keeper in memory', async () => {
  const dir = folder()
  onTestFinished(() => remove(dir))
  const configFile = join(dir, 'config.xml')
  writeFileSync(
    configFile,
    `<clickhouse><zookeeper><implementation>testkeeper</implementation></zookeeper><macros><shard>1</shard><replica>1</replica></macros>
     <default_replica_path>/weir/{shard}/{database}/{table}</default_replica_path><default_replica_name>{replica}</default_replica_name></clickhouse>`,
  )
  const server = await startClickHouse(join(dir, 'clickhouse'), { configFile, aloneInCluster: true })
  onTestFinished(() => server.stop())
  const db = openServer(server.url)
  onTestFinished(() => db.close())
  for (const statement of [bookOfMigrations, ...ownMigrations().flatMap(({ sql }) => statements(sql))])
    for (const sql of laidOut(statement, { cluster: 'weir', replicated: true, sharded: false }, 'default'))
      // The keeper in memory takes no data, and no change of a table that is there.
      if (!sql.startsWith('ALTER') && !sql.startsWith('DROP')) await db.exec(sql)
  const made = await db.rows<{ name: string; engine: string; sql: string }>(
    'made',
    "SELECT name, engine, create_table_query AS sql FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name",
  )
  expect(made.length).toBeGreaterThan(15)
  for (const { name, engine, sql } of made) {
    expect(engine, name).toMatch(/^Replicated/)
    expect(sql, name).toMatch(/replicated_deduplication_window = (0|100|10000)/)
  }
  expect(made.find(({ name }) => name === 'r_user_1d')?.sql).toContain(
    'replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800',
  )
})
