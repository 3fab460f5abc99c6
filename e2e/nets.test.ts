import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Db } from '../clickhouse/db.js'
import { openDb } from '../clickhouse/open.js'
import { rollupCheck } from '../ingest/store/rollup-check.js'
import { memorySource, payloadOf } from '../ingest/testing.js'
import { openJournal } from '../journal/open.js'
import { callOf, expected, toldBy } from './nets/calls.js'
import { ingestWith } from './nets/ingest.js'
import type { Switches } from './nets/switches.js'
import { startClickHouse, type ClickHouse } from './servers/clickhouse/clickhouse.js'
import { randomFrom } from './support/random.js'

// Exactly once by two nets, each alone with the other taken away (storage.md §3). WEIR_NET_KILLS says how many kills the first
// proof has (25 before a release), WEIR_SEED repeats a run.

const kills = Number(process.env.WEIR_NET_KILLS ?? 6)
const seed = Number(process.env.WEIR_SEED ?? Math.floor(Math.random() * 1_000_000))

const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-nets-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
  return dir
}
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const program = fileURLToPath(new URL('../dist/e2e/nets/ingest-process.js', import.meta.url))

const startIngest = async (options: object): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [program, JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { PATH: process.env.PATH ?? '', UV_THREADPOOL_SIZE: '16' },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('exit', (code, signal) => reject(new Error(`Ingest ended before it was ready (${code ?? signal}).`)))
  })
  return child
}

const gone = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

describe.each(['embedded', 'server'] as const)('%s', (engine) => {
  /** `null` = the embedded engine. */
  const server = async (dir: string, options = {}): Promise<ClickHouse | null> => {
    if (engine === 'embedded') return null
    const started = await startClickHouse(join(dir, 'clickhouse'), options)
    onTestFinished(() => started.stop())
    return started
  }

  test(
    `1: look-up taken away, each batch three times, ${kills} kills (seed ${seed}): rows, roll-ups and pico-USD as issued`,
    { timeout: 120_000 + kills * 20_000 },
    async () => {
      const dir = folder()
      const next = randomFrom(seed)
      const clickHouse = await server(dir)
      const switches: Switches = { tokens: 'on', lookUp: 'off', times: 3 }
      const options = { dataDir: dir, clickhouseUrl: clickHouse?.url ?? null, switches }
      const journal = await openJournal({ dir: join(dir, 'journal'), durability: 'off', limitBytes: 2 ** 30, now: Date.now })

      let issued = 0
      const written = new AbortController()
      const writer = (async () => {
        while (!written.signal.aborted) {
          for (let n = 0; n < 20; n++, issued++) {
            const call = callOf(issued)
            journal.append('end', call.id, call.tenant, [payloadOf(call)], 'off', (failure) => {
              if (failure !== null) throw failure
            })
          }
          await sleep(40)
        }
      })()
      let ingest = await startIngest(options)
      for (let n = 0; n < kills; n++) {
        await sleep(100 + next() * 1400)
        if (clickHouse !== null && n % 2 === 1) {
          await clickHouse.kill()
          await sleep(next() * 500)
          await clickHouse.start()
        } else {
          ingest.kill('SIGKILL')
          await gone(ingest)
          ingest = await startIngest(options)
        }
      }
      written.abort()
      await writer
      ingest.send('drain')
      await gone(ingest)
      await journal.close()
      expect(ingest.exitCode).toBe(0)

      const db = await openDb({ clickhouseUrl: clickHouse?.url ?? null, dataDir: dir })
      onTestFinished(() => db.close())
      expect(issued).toBeGreaterThan(kills * 20)
      expect(await toldBy(db)).toEqual(expected(issued))
    },
  )

  const opened = async (options = {}): Promise<Db> => {
    const dir = folder()
    const clickHouse = await server(dir, options)
    const db = await openDb({ clickhouseUrl: clickHouse?.url ?? null, dataDir: dir })
    onTestFinished(() => db.close())
    return db
  }
  /**
   * The engine knows no batch again, whatever its token: on a server by its settings (since 26 `insert_deduplicate` alone is
   * overridden by `deduplicate_insert`), else by a token that is new each time.
   */
  const forgetful = { insertSettings: { insert_deduplicate: 0, deduplicate_insert: 'disable' } }

  const calls = 2000

  test('2: tokens taken away, every twentieth call shipped twice: the same, without FINAL', async () => {
    const db = await opened(forgetful)
    const source = memorySource()
    const twice = Array.from({ length: calls }, (_, n) => n).filter((n) => n % 20 === 7)
    for (let n = 0; n < calls; n++) {
      source.append(n < calls / 2 ? 'a' : 'b', payloadOf(callOf(n)))
      // Sent again at once, and once more after the break: the same partition, another position.
      if (n % 40 === 7) source.append(n < calls / 2 ? 'a' : 'b', payloadOf(callOf(n)), true)
    }
    for (const n of twice) source.append('c', payloadOf(callOf(n)), true)
    await ingestWith(db, source, { tokens: engine === 'embedded' ? 'off' : 'on', lookUp: 'on', times: 1 }).stop(120_000)
    expect(await toldBy(db)).toEqual(expected(calls))
  })

  test('3: both taken away, every call twice: FINAL is right, and the check mends the roll-ups', async () => {
    const db = await opened(forgetful)
    const source = memorySource()
    for (const partition of ['a', 'b'])
      for (let n = 0; n < calls; n++) source.append(partition, payloadOf(callOf(n)), partition === 'b')
    await ingestWith(db, source, { tokens: engine === 'embedded' ? 'off' : 'on', lookUp: 'off', times: 1 }).stop(120_000)
    const right = expected(calls)
    const doubled = expected(calls, 2)
    // Merges may have folded some rows already; sums never are.
    const { rows: _rows, bodies: _bodies, ...sums } = await toldBy(db)
    expect(sums).toMatchObject({ model: doubled.model, user: doubled.user, attempt: doubled.attempt, property: doubled.property })
    expect(await toldBy(db, 'FINAL')).toMatchObject({ rows: right.rows, bodies: right.bodies })

    const rebuilt: number[] = []
    const check = rollupCheck({
      db,
      // Yesterday is over by more than the time it is given, also just after midnight.
      now: () => Date.now() + 3_600_000,
      retentionDays: () => 400,
      alone: (work) => work(() => Promise.resolve()),
      onRebuilt: (month) => rebuilt.push(month),
    })
    expect((await check.check()).differing).toBeGreaterThan(0)
    expect(rebuilt).toHaveLength(1)
    expect(await toldBy(db, 'FINAL')).toEqual(right)
    expect((await check.check()).differing).toBe(0)
  })

  test('a log that is made anew under its old name counts from 0 again: its batches are no repeats', async () => {
    const db = await opened()
    for (const first of [0, 50]) {
      const source = memorySource()
      for (let n = first; n < first + 50; n++) source.append('topic/0', payloadOf(callOf(n)))
      await ingestWith(db, source, { tokens: 'on', lookUp: 'on', times: 2 }).stop(60_000)
    }
    expect(await toldBy(db)).toEqual(expected(100))
  })

  test('the proofs prove something: with tokens taken away a batch that comes again counts again', async () => {
    const db = await opened(forgetful)
    const source = memorySource()
    for (let n = 0; n < 50; n++) source.append('a', payloadOf(callOf(n)))
    await ingestWith(db, source, { tokens: engine === 'embedded' ? 'off' : 'on', lookUp: 'on', times: 2 }).stop(60_000)
    expect((await toldBy(db)).user).toEqual(expected(50, 2).user)
  })
})
