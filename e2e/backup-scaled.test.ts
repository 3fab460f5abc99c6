import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider } from '../cli/fake-provider/server.js'
import { check, lineOf } from './checker/check.js'
import { startLoad } from './checker/load.js'
import { rollupSums, rowSums, storedCalls } from './checker/stored.js'
import { startClickHouse, type ClickHouse } from './servers/clickhouse/clickhouse.js'
import { kafkaJars, startKafka, type Kafka } from './servers/kafka/kafka.js'
import { providersAt } from './support/house.js'
import { paste, snippetOf, weirCommand } from './support/pasted.js'
import { openProxy } from './support/proxies.js'
import { asker } from './support/sql.js'
import { until } from './support/wait.js'

// What docs/operations.md says of roles on several hosts: the server's backup, Kafka as what came after it, a proxy host that died.
// The statements and commands are pasted from there.

const page = 'docs/operations.md'
const backupStatement = snippetOf(page, "BACKUP DATABASE weir TO File('weir-2026-11-26')")
const restoreStatement = snippetOf(page, "RESTORE DATABASE weir FROM File('weir-2026-11-26')")
const rewindSnippet = snippetOf(page, 'weir journal rewind')
const takeSnippet = snippetOf(page, 'weir journal take /mnt/old/weir')

const weir = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

describe.skipIf(kafkaJars === null)('backup and restore of a ClickHouse server behind Kafka (WEIR_TEST_KAFKA is set)', () => {
  const home = mkdtempSync(join(tmpdir(), 'weir-backup-scaled-'))
  const bin = weirCommand(home)
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka({ dir: join(home, 'kafka') })
  }, 120_000)
  afterAll(async () => {
    await kafka?.stop()
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  })

  /** A server that may write backups to a folder of its own, as a server's packages set it. */
  const openClickHouse = async (name: string): Promise<ClickHouse> => {
    const configFile = join(home, 'clickhouse.xml')
    const backups = join(home, 'backups')
    writeFileSync(configFile, `<clickhouse><backups><allowed_path>${backups}</allowed_path></backups></clickhouse>`)
    const server = await startClickHouse(join(home, name), { configFile })
    onTestFinished(() => server.stop())
    return server
  }
  const ask = async (url: string, sql: string): Promise<string> => {
    const answer = await fetch(url, { method: 'POST', body: sql.replace('DATABASE weir', 'DATABASE default') })
    const text = await answer.text()
    if (!answer.ok) throw new Error(text)
    return text
  }
  const asked = (url: string) => ({ query: asker(`${url}/?output_format_json_quote_64bit_integers=1`) })
  const callsOf = async (url: string): Promise<ReadonlyMap<string, string>> => {
    const rows = await storedCalls(asked(url))
    const byId = new Map(rows.map((row) => [row.id, JSON.stringify(row)]))
    expect(byId.size).toBe(rows.length)
    const sums = await rowSums(asked(url))
    for (const rollup of await rollupSums(asked(url))) expect(rollup).toEqual({ ...sums, of: rollup.of })
    return byId
  }

  const yaml = (fake: string): string => providersAt(fake, ['openai', 'anthropic', 'gemini'])
  const startIngest = (env: Readonly<Record<string, string>>): ChildProcess => {
    const dataDir = join(home, 'ingest')
    mkdirSync(dataDir, { recursive: true })
    const child = spawn(process.execPath, [weir, 'ingest'], {
      stdio: ['ignore', 'ignore', 'inherit'],
      cwd: dataDir,
      env: { PATH: process.env.PATH ?? '', WEIR_DATA: dataDir, WEIR_INGEST_PORT: '0', WEIR_LOG_LEVEL: 'error', ...env },
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }
  const end = async (child: ChildProcess): Promise<void> => {
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }

  test(
    'restored from the backup and read on from the topic, then the journal of a dead host: each call once',
    { timeout: 240_000 },
    async () => {
      const fake = await startFakeProvider()
      onTestFinished(() => fake.close())
      const fakeB = await startFakeProvider()
      onTestFinished(() => fakeB.close())
      const first = await openClickHouse('clickhouse-1')
      const [dataA, dataB] = [join(home, 'proxy-a'), join(home, 'proxy-b')]
      const kafkaEnv = { KAFKA_BROKERS: kafka.brokers }
      const proxyA = await openProxy({ yaml: yaml(fake.origin), dataDir: dataA, env: kafkaEnv })
      onTestFinished(() => proxyA.stop())
      const proxyB = await openProxy({ yaml: yaml(fakeB.origin), dataDir: dataB, env: kafkaEnv })
      onTestFinished(() => proxyB.stop())

      let ingest = startIngest({ ...kafkaEnv, CLICKHOUSE_URL: first.url })
      const load = startLoad({ proxy: proxyA.url, fake, perSecond: 40, seed: 11 })
      await until('calls to be stored', async () => (await rowSums(asked(first.url))).calls > 100, { timeoutMs: 90_000 })
      const env = { ...kafkaEnv, WEIR_DATA: join(home, 'chores'), CLICKHOUSE_URL: first.url }
      const refused = await paste(rewindSnippet, [], { bin, env })
      expect(refused.code).toBe(1)
      expect(refused.stderr).toMatch(/^The group weir\.ingest reads .* at the moment: stop every process of it first\./)

      await end(ingest)
      await ask(first.url, backupStatement)
      const backedUp = await callsOf(first.url)
      ingest = startIngest({ ...kafkaEnv, CLICKHOUSE_URL: first.url })
      await until('calls after the backup', async () => (await rowSums(asked(first.url))).calls > backedUp.size + 60, {
        timeoutMs: 90_000,
      })
      await load.stop()
      const finished = load
        .client()
        .filter(({ end: how }) => how === 'whole')
        .map(({ id }) => id)
      /** Throws what is missing, so that a wait in vain tells it. */
      const hasAll = (url: string, ids: readonly string[]) => async (): Promise<boolean> => {
        const stored = new Set((await storedCalls(asked(url))).map(({ id }) => id))
        const missing = ids.filter((id) => !stored.has(id))
        if (missing.length === 0) return true
        throw new Error(
          `${missing.length} of ${ids.length} are missing, ingest: ${ingest.exitCode ?? ingest.signalCode ?? 'runs'}.`,
        )
      }
      await until('every call to be stored', hasAll(first.url, finished), { timeoutMs: 60_000, everyMs: 300 })
      await end(ingest)
      const before = await callsOf(first.url)
      await first.stop()

      // Another server, empty but for the backup.
      const second = await openClickHouse('clickhouse-2')
      await ask(second.url, restoreStatement)
      expect(await callsOf(second.url)).toEqual(backedUp)
      const rewound = await paste(rewindSnippet, [], { bin, env: { ...env, CLICKHOUSE_URL: second.url } })
      expect(rewound).toMatchObject({ code: 0, stderr: '' })
      expect(rewound.stdout).toContain(`Ingest reads ${before.size - backedUp.size} messages at its next start.`)
      ingest = startIngest({ ...kafkaEnv, CLICKHOUSE_URL: second.url })
      await until('the calls of after the backup', hasAll(second.url, [...before.keys()]), { timeoutMs: 90_000, everyMs: 300 })
      expect(await callsOf(second.url)).toEqual(before)

      // The broker is away, and a proxy host dies with what it could not ship.
      const [broker] = kafka.nodes
      await broker?.kill()
      const later = startLoad({ proxy: proxyB.url, fake: fakeB, perSecond: 40, seed: 12 })
      await until('calls that wait in the journal', () => later.client().length > 80)
      const waiting = later
        .client()
        .filter(({ end: how }) => how === 'whole')
        .map(({ id }) => id)
      await proxyB.kill()
      await later.stop()
      await broker?.start()
      const taken = await paste(takeSnippet, [['/mnt/old/weir', dataB]], { bin, env: { WEIR_DATA: dataA, ...kafkaEnv } })
      expect(taken).toMatchObject({ code: 0, stderr: '' })
      await until('the calls of the dead host', hasAll(second.url, waiting), { timeoutMs: 90_000, everyMs: 300 })
      // Once more: all of it is stored already.
      expect(await paste(takeSnippet, [['/mnt/old/weir', dataB]], { bin, env: { WEIR_DATA: dataA, ...kafkaEnv } })).toMatchObject(
        {
          code: 0,
        },
      )
      await proxyA.stop()
      await end(ingest)
      const url = second.url
      const verdicts = check({
        client: [...load.client(), ...later.client()],
        upstream: [...load.upstream(), ...later.upstream()],
        rows: await storedCalls(asked(url)),
        rowSums: await rowSums(asked(url)),
        rollups: await rollupSums(asked(url)),
      })
      console.log(lineOf(verdicts, { seed: 11, crashes: 1 }))
      expect({ lost: verdicts.lost, double: verdicts.double, wrong: verdicts.wrong }).toEqual({ lost: [], double: [], wrong: [] })
      expect(verdicts.finished).toBeGreaterThan(200)
    },
  )
})
