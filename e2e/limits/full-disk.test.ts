import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import { openHouse, providersAt, type RunningHouse } from '../support/house.js'
import { figureOf } from '../support/process-load.js'
import { dataFolder, openProxy } from '../support/proxies.js'
import { send, type Answer } from '../support/send.js'
import { canMount, mountSmallDisk, type SmallDisk } from '../support/small-disk.js'
import { until } from '../support/wait.js'

// Disks that are really full (reliability.md §9): of the journal, of the store, of what the proxy keeps. Calls go on, what is missing is
// counted to the last one, and all of it works again once there is room. Small file systems are mounted for it, which only root may.

let fake: FakeProvider
beforeAll(async () => {
  fake = await startFakeProvider()
})
afterAll(() => fake?.close())

let chats = 0
const call = (url: string, headers: Record<string, string> = {}, more = ''): Promise<Answer> =>
  send(`${url}/openai/v1/chat/completions`, {
    headers: { 'content-type': 'application/json', authorization: 'Bearer k', ...headers },
    body: JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: `Hello ${++chats}${more}` }] }),
  })
const calls = async (url: string, n: number): Promise<Answer[]> => {
  const answers: Answer[] = []
  for (let i = 0; i < n; i++) answers.push(await call(url))
  return answers
}
const warned = (answers: readonly Answer[]): number =>
  answers.filter(({ headers }) => String(headers['weir-warning'] ?? '').includes('journal-full')).length

/** Calls that were counted as missing, and rows of these answers. */
const told = async (house: RunningHouse): Promise<{ gaps: number; rows: number }> => {
  const [gaps] = await house.query<{ n: number }>('SELECT toUInt32(sum(n)) AS n FROM log_gaps')
  const [rows] = await house.query<{ n: number }>('SELECT toUInt32(uniqExact(request_id)) AS n FROM requests')
  return { gaps: gaps?.n ?? 0, rows: rows?.n ?? 0 }
}

test('the limit of the journal: bodies go first, then rows; those that are missing are counted', async () => {
  const dataDir = dataFolder()
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const yaml = `${providersAt(fake.origin, ['openai'])}journal: { limit: 256KiB }\n`
  // Nobody reads the journal out.
  const proxy = await openProxy({ yaml, dataDir })
  const answers: Answer[] = []
  let high = 0
  try {
    for (; answers.length < 400 && warned(answers) < 30; answers.push(await call(proxy.url, {}, 'x'.repeat(2000))))
      if ((await figureOf(proxy.url, 'weir_degraded{cause="journal_high"}')) === 1) high++
    expect([...new Set(answers.map(({ status }) => status))]).toEqual([200])
    expect(high).toBeGreaterThan(0)
    expect(warned(answers)).toBe(30)
    expect(await figureOf(proxy.url, 'weir_journal_dropped_total')).toBe(30)
    const ready = await fetch(`${proxy.url}/readyz`)
    expect([ready.status, await ready.text()]).toEqual([200, expect.stringContaining('"journal_full"')])
    const strict = await call(proxy.url, { 'weir-durability': 'strict' })
    expect([strict.status, strict.headers['weir-error'], strict.headers['retry-after']]).toEqual([
      503,
      'journal_unavailable',
      '1',
    ])
    answers.push(strict)
  } finally {
    await proxy.stop()
  }
  const house = await openHouse({ yaml: providersAt(fake.origin, ['openai']), env: { WEIR_DATA: dataDir } })
  try {
    const all = await until(
      'every call to be told of',
      async () => {
        const now = await told(house)
        return now.gaps + now.rows >= answers.length && now
      },
      { timeoutMs: 60_000, everyMs: 300 },
    )
    // The strict call was refused, and has no row either: there was no room for it.
    expect(all).toEqual({ gaps: 31, rows: answers.length - 31 })
    const [bodies] = await house.query<{ kept: number }>(
      `SELECT toUInt32(countIf(request_body != '')) AS kept FROM request_bodies`,
    )
    expect(bodies?.kept).toBeGreaterThan(10)
    expect(bodies?.kept).toBeLessThan(all.rows)
  } finally {
    await house.stop()
  }
})

const mounted = test.skipIf(!canMount)

mounted('a full disk and journal.full: refuse: 503 before anything is sent, and all goes on once there is room', async () => {
  const dataDir = dataFolder()
  const disk = mountSmallDisk(join(dataDir, 'journal'), 4)
  const proxy = await openProxy({ yaml: `${providersAt(fake.origin, ['openai'])}journal: { full: refuse }\n`, dataDir })
  onTestFinished(async () => {
    await proxy.stop()
    disk.unmount()
    rmSync(dataDir, { recursive: true, force: true })
  })
  expect((await call(proxy.url)).status).toBe(200)
  disk.fill()
  const refused = await until('a call to be refused', async () => {
    const answer = await call(proxy.url)
    return answer.status === 503 && answer
  })
  expect(refused.headers['weir-error']).toBe('journal_unavailable')
  const before = fake.total()
  expect((await calls(proxy.url, 20)).map(({ status }) => status)).toEqual(Array(20).fill(503))
  expect(fake.total()).toBe(before)
  expect((await fetch(`${proxy.url}/readyz`)).status).toBe(503)
  disk.clear()
  await until('a call to be taken', async () => (await call(proxy.url)).status === 200)
  expect((await fetch(`${proxy.url}/readyz`)).status).toBe(200)
})

mounted('journal, store and cache on full disks: no caller notices, nothing but what was counted is missing', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'weir-e2e-full-'))
  const disks: Record<'journal' | 'chdb' | 'state', SmallDisk> = {
    journal: mountSmallDisk(join(dataDir, 'journal'), 8),
    chdb: mountSmallDisk(join(dataDir, 'chdb'), 160),
    state: mountSmallDisk(join(dataDir, 'state'), 4),
  }
  const house = await openHouse({
    yaml: `${providersAt(fake.origin, ['openai'])}ceilings: { bodyMemory: 100KiB }\n`,
    env: { WEIR_DATA: dataDir },
  })
  onTestFinished(async () => {
    await house.stop()
    for (const disk of Object.values(disks)) disk.unmount()
    rmSync(dataDir, { recursive: true, force: true })
  })
  let issued = 0
  const good = async (n: number): Promise<Answer[]> => {
    const answers = await calls(house.proxy, n)
    issued += n
    expect([...new Set(answers.map(({ status }) => status))]).toEqual([200])
    return answers
  }
  await good(5)
  await house.caughtUp()

  // The journal: rows are missing, each of them counted.
  disks.journal.fill()
  let said = 0
  while (said < 25) said += warned(await good(5))
  disks.journal.clear()
  await until(
    'the journal to take records',
    async () => {
      const late = warned(await good(1))
      said += late
      return late === 0
    },
    { everyMs: 200 },
  )
  const missing = await figureOf(house.proxy, 'weir_journal_dropped_total')
  // The start of a call may be the last record there was room for: nothing could be said of its end, but it is counted.
  expect([said, said + 1]).toContain(missing)
  await until('the gap to be told', async () => (await told(house)).gaps === missing, { timeoutMs: 30_000, everyMs: 300 })

  // The store: ingest waits, and loses nothing.
  disks.chdb.fill()
  await good(40)
  await until(
    'ingest to fail',
    async () => (await (await fetch(`${house.web}/api/health`)).text()).includes('analytics_unreachable'),
    { timeoutMs: 60_000, everyMs: 300 },
  )
  await good(10)
  disks.chdb.clear()
  await house.caughtUp(60_000)

  // What the proxy keeps: answers come from memory, a long body is refused, a short one is not.
  disks.state.fill()
  const cached = { 'weir-cache-enabled': 'true' }
  const body = JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'Keep this.' }] })
  const ask = (): Promise<Answer> =>
    send(`${house.proxy}/openai/v1/chat/completions`, {
      headers: { 'content-type': 'application/json', authorization: 'Bearer k', ...cached },
      body,
    })
  expect([(await ask()).headers['weir-cache'], (await ask()).headers['weir-cache']]).toEqual(['MISS', 'HIT'])
  const long = await call(house.proxy, {}, 'x'.repeat(2 * 1024 ** 2))
  expect([long.status, long.headers['weir-error']]).toEqual([503, 'saturated'])
  issued += 3
  await good(3)
  disks.state.clear()
  expect((await call(house.proxy, {}, 'x'.repeat(2 * 1024 ** 2))).status).toBe(200)
  issued++

  await house.caughtUp(60_000)
  expect(await told(house)).toEqual({ gaps: missing, rows: issued - missing })
})
