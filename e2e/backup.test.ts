import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { check, lineOf } from './checker/check.js'
import { startLoad, type Load } from './checker/load.js'
import { rollupSums, rowSums, storedCalls } from './checker/stored.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'
import { paste, snippetOf, weirCommand } from './support/pasted.js'
import { roleOf } from './support/processes.js'
import { until } from './support/wait.js'

// What docs/operations.md says of one machine's backup, pasted from there.

const page = 'docs/operations.md'
const backupSnippet = snippetOf(page, 'weir backup /mnt/backup/weir-2026-11-26')
const restoreSnippet = snippetOf(page, 'WEIR_DATA=/var/lib/weir weir restore /mnt/backup/weir-2026-11-26')
const takeSnippet = snippetOf(page, 'weir journal take /mnt/old/weir')
const copySnippet = snippetOf(page, 'cp -a /var/lib/weir /mnt/backup/weir-copy')

let fake: FakeProvider
let folder: string
let bin: string
beforeAll(async () => {
  fake = await startFakeProvider()
  folder = mkdtempSync(join(tmpdir(), 'weir-backup-'))
  bin = weirCommand(folder)
})
afterAll(async () => {
  await fake?.close()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

const providers = () => providersAt(fake.origin, ['openai', 'anthropic', 'gemini'])
const openOn = async (dataDir: string): Promise<RunningHouse> => {
  const house = await openHouse({ yaml: providers(), env: { WEIR_DATA: dataDir } })
  onTestFinished(() => house.stop())
  return house
}
const webPort = (house: RunningHouse): string => new URL(house.web).port
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const verdicts = async (house: RunningHouse, load: Load) =>
  check({
    client: load.client(),
    upstream: load.upstream(),
    rows: await storedCalls(house),
    rowSums: await rowSums(house),
    rollups: await rollupSums(house),
  })

/** Rows, each once, and roll-ups that hold the same. */
const calls = async (house: RunningHouse): Promise<ReadonlyMap<string, string>> => {
  const rows = await storedCalls(house)
  const byId = new Map(rows.map((row) => [row.id, JSON.stringify(row)]))
  expect(byId.size).toBe(rows.length)
  const sums = await rowSums(house)
  for (const rollup of await rollupSums(house)) expect(rollup).toEqual({ ...sums, of: rollup.of })
  return byId
}

test(
  'a backup under load, restored, with what the old journal held: nothing lost of it, nothing double, nothing made up',
  { timeout: 240_000 },
  async () => {
    const [data, backup, restored] = ['weir', 'backup-1', 'restored'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    const house = await openOn(data)
    const view = { name: 'Dear ones', page: '/requests', query: 'filter=cost%20%3E%201' }
    const saved = await fetch(`${house.web}/api/views`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(view),
    })
    expect(saved.status).toBeLessThan(300)

    const load = startLoad({ proxy: house.proxy, fake, perSecond: 60, seed: 6 })
    await until('some calls to be stored', async () => (await rowSums(house)).calls > 150, { everyMs: 200 })
    const finishedBefore = load
      .client()
      .filter(({ end }) => end === 'whole')
      .map(({ id }) => id)
    const env = { WEIR_DATA: data, WEIR_WEB_PORT: webPort(house) }
    const made = await paste(backupSnippet, [['/mnt/backup/weir-2026-11-26', backup]], { bin, env })
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(made.stdout).toMatch(/^Backed up to .*: \d+ calls for 0\.\d+ USD \(\d+ rows, \d+ with bodies\), as of 20/)
    const issuedThen = load.client().length
    await until('calls after the backup', () => load.client().length > issuedThen + 60)
    // A second one does not take the place of the first.
    const again = await paste(backupSnippet, [['/mnt/backup/weir-2026-11-26', backup]], { bin, env })
    expect(again).toMatchObject({ code: 1, stdout: '' })
    expect(again.stderr).toMatch(/is not empty, and nothing is overwritten/)
    expect(readdirSync(data)).not.toContain('backup')

    // Then the store falls behind, and the machine dies.
    const hub = await until('the hub to run', () => roleOf(house.supervisor, 'hub'))
    process.kill(hub, 'SIGSTOP')
    const stoppedAt = load.client().length
    await until('calls that only the journal has', () => load.client().length > stoppedAt + 60)
    await load.stop()
    const all = load.client().filter(({ end }) => end === 'whole')
    const onlyInJournal = all.slice(-20).map(({ id }) => id)
    await house.stop(false)

    const back = await paste(
      restoreSnippet,
      [
        ['/mnt/backup/weir-2026-11-26', backup],
        ['/var/lib/weir', restored],
      ],
      { bin },
    )
    expect(back).toMatchObject({ code: 0, stderr: '' })
    expect(back.stdout).toMatch(/^Restored into .*restored: \d+ calls for 0\.\d+ USD/)
    const heir = await openOn(restored)
    await heir.caughtUp()
    const first = await calls(heir)
    expect(finishedBefore.filter((id) => !first.has(id))).toEqual([])
    expect([...first.values()].filter((row) => row.includes('"proxy_lost"'))).toEqual([])
    const known = new Set(load.client().map(({ id }) => id))
    expect([...first.keys()].filter((id) => !known.has(id))).toEqual([])
    expect(((await (await fetch(`${heir.web}/api/views`)).json()) as { views: { name: string }[] }).views).toMatchObject([
      { name: 'Dear ones' },
    ])

    // What came later and lies in the old machine's journal.
    const take = () => paste(takeSnippet, [['/mnt/old/weir', data]], { bin, env: { WEIR_DATA: restored } })
    const taken = await take()
    expect(taken).toMatchObject({ code: 0, stderr: '' })
    expect(taken.stdout).toMatch(
      /^\d+ calls of \d+ writers? went into this journal: what is stored already is not stored again\./,
    )
    const complete = await until('the calls of the old journal to be stored', async () => {
      const now = await storedCalls(heir)
      return onlyInJournal.every((id) => now.some((row) => row.id === id))
    }).then(() => heir.caughtUp().then(() => calls(heir)))
    expect(complete.size).toBeGreaterThan(first.size + 60)
    // Rows are what both ends saw; calls between backup and journal may be missing, and are the only ones.
    const found = await verdicts(heir, load)
    console.log(lineOf(found, { seed: 6, crashes: 1 }))
    expect(found.double).toEqual([])
    expect(found.wrong).toEqual([])
    // Taken twice is taken once.
    expect(await take()).toMatchObject({ code: 0 })
    await sleep(1500)
    await heir.caughtUp()
    expect(await calls(heir)).toEqual(complete)
  },
)

test('a stopped house: a copy by cp, and a backup, both open with every row', { timeout: 180_000 }, async () => {
  const [data, backup, restored, copy] = ['stopped', 'backup-2', 'restored-2', 'copied'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ]
  const house = await openOn(data)
  const load = startLoad({ proxy: house.proxy, fake, perSecond: 60, seed: 7 })
  await until('some calls', () => load.client().length > 100)
  await load.stop()
  await house.caughtUp()
  const wanted = await calls(house)
  await house.stop()
  expect(
    await paste(
      copySnippet,
      [
        ['/var/lib/weir', data],
        ['/mnt/backup/weir-copy', copy],
      ],
      { bin },
    ),
  ).toMatchObject({ code: 0 })
  const made = await paste(backupSnippet, [['/mnt/backup/weir-2026-11-26', backup]], { bin, env: { WEIR_DATA: data } })
  expect(made).toMatchObject({ code: 0, stderr: '' })
  const back = await paste(
    restoreSnippet,
    [
      ['/mnt/backup/weir-2026-11-26', backup],
      ['/var/lib/weir', restored],
    ],
    { bin },
  )
  expect(back).toMatchObject({ code: 0, stderr: '' })
  for (const folderOf of [copy, restored]) {
    const heir = await openOn(folderOf)
    await heir.caughtUp()
    expect(await calls(heir)).toEqual(wanted)
    await heir.stop()
  }
})
