import { once } from 'node:events'
import { cpSync, readdirSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { decodeExchange, type Exchange } from '../core/exchange.js'
import { ownerOf } from '../core/folder-lock.js'
import { openJournal } from './open.js'
import type { JournalWriter } from './port.js'
import { recoverDeadWriters, type Finished } from './recovery.js'
import { isWriterName, segmentName, segmentNumber } from './segment-format.js'
import { openJournalSource } from './source.js'
import { append, appendingProcess, testFolder } from './testing.js'

const GiB = 1024 ** 3

const segments = (folder: string): number[] =>
  readdirSync(folder)
    .flatMap((name) => segmentNumber(name) ?? [])
    .sort((a, b) => a - b)

const ends = async (dir: string, writer: string): Promise<Exchange[]> => {
  const source = await openJournalSource({ dir, consumers: ['ingest'], upkeepMs: 3_600_000 })
  try {
    return (await source.read(writer, 0, 100_000, GiB)).map(({ payload }) => decodeExchange(payload))
  } finally {
    await source.close()
  }
}

const recovered = async (dir: string): Promise<{ finished: Finished; told: string[] }> => {
  const finished: Finished = new Set()
  const told: string[] = []
  await recoverDeadWriters(dir, finished, { now: Date.now, log: (sentence) => told.push(sentence) })
  return { finished, told }
}

/** A copy of a writer's folder as its death would leave it: the files of this moment, and a lock whose owner is gone. */
const deathOf = (journal: JournalWriter, dir: string): string => {
  const other = testFolder()
  cpSync(join(dir, journal.writer), join(other, journal.writer), { recursive: true })
  const lock = join(other, journal.writer, 'lock.1')
  const owner = JSON.parse(readFileSync(lock, 'utf8')) as object
  writeFileSync(lock, JSON.stringify({ ...owner, host: hostname(), bootId: 'the boot before' }))
  return other
}

const writing = async (segmentBytes?: number): Promise<{ journal: JournalWriter; dir: string }> => {
  const dir = testFolder()
  const journal = await openJournal({
    dir,
    durability: 'off',
    limitBytes: GiB,
    now: Date.now,
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
  })
  onTestFinished(() => journal.close())
  return { journal, dir }
}

test('a call that was open in a dead proxy gets its end; its start tells all that is known', async () => {
  const { journal, dir } = await writing()
  await append(journal, 'start', 'done')
  await append(journal, 'end', 'done')
  await append(journal, 'start', 'open', { tenant: 'acme', body: 'what was asked' })
  const left = deathOf(journal, dir)
  const { finished, told } = await recovered(left)
  expect([...finished]).toEqual([journal.writer])
  expect(told).toEqual([`Proxy ${journal.writer} ended with 1 open calls: 1 are recorded as proxy_lost.`])
  const [done, lost, ...more] = await ends(left, journal.writer)
  expect(more).toEqual([])
  expect(done).toMatchObject({ id: 'done', outcome: 'complete' })
  expect(lost).toMatchObject({
    id: 'open',
    kind: 'end',
    tenant: 'acme',
    outcome: 'proxy_lost',
    status: 0,
    error: { kind: 'internal', code: 'proxy_lost', message: 'The proxy ended before this call did.' },
    requestModel: 'gpt-5',
    usageRaw: [],
    resBody: null,
  })
  expect(Buffer.from(lost?.reqBody?.bytes ?? []).toString()).toBe('what was asked')
  expect(await ownerOf(join(left, journal.writer))).toBeNull()
})

test('done once: a second recovery finds nothing to do', async () => {
  const { journal, dir } = await writing()
  await append(journal, 'start', 'open')
  const left = deathOf(journal, dir)
  await recovered(left)
  const before = segments(join(left, journal.writer))
  expect((await recovered(left)).told).toEqual([])
  expect(segments(join(left, journal.writer))).toEqual(before)
})

test('a writer that closed with open calls is recovered, one that closed with none is left as it is', async () => {
  const { journal, dir } = await writing()
  await append(journal, 'start', 'open')
  await journal.close()
  const other = await openJournal({ dir, durability: 'off', limitBytes: GiB, now: Date.now })
  await append(other, 'start', 'done')
  await append(other, 'end', 'done')
  await other.close()
  const { finished } = await recovered(dir)
  expect([...finished].sort()).toEqual([journal.writer, other.writer].sort())
  expect(segments(join(dir, other.writer))).toEqual([1])
  expect((await ends(dir, journal.writer)).map(({ id, outcome }) => [id, outcome])).toEqual([['open', 'proxy_lost']])
})

test('a living writer is left alone', async () => {
  const { journal, dir } = await writing()
  await append(journal, 'start', 'open')
  const { finished } = await recovered(dir)
  expect([...finished]).toEqual([])
  expect(segments(join(dir, journal.writer))).toEqual([1])
  expect(await append(journal, 'end', 'open')).toBeNull()
})

test('the newest segment is enough, and a torn checkpoint at its beginning sends back to the one before', async () => {
  const { journal, dir } = await writing(4000)
  for (const id of ['x', 'y', 'z']) await append(journal, 'start', id)
  await append(journal, 'end', 'y', { body: 'x'.repeat(4000) })
  await append(journal, 'start', 'late')
  expect(segments(join(dir, journal.writer))).toEqual([1, 2])

  const alone = deathOf(journal, dir)
  const folder = join(alone, journal.writer)
  writeFileSync(join(folder, segmentName(1)), readFileSync(join(folder, segmentName(1))).subarray(0, 48))
  await recovered(alone)
  expect((await ends(alone, journal.writer)).map(({ id }) => id).sort()).toEqual(['late', 'x', 'z'])

  const torn = deathOf(journal, dir)
  truncateSync(join(torn, journal.writer, segmentName(2)), 1000)
  await recovered(torn)
  expect((await ends(torn, journal.writer)).map(({ id, outcome }) => `${id} ${outcome}`).sort()).toEqual([
    'x proxy_lost',
    'y complete',
    'z proxy_lost',
  ])
})

test('a checkpoint of several records gives all its starts back, and one cut between them sends back to the segment before', async () => {
  const { journal, dir } = await writing(9_500_000)
  const ids = ['a', 'b', 'c', 'd']
  for (const id of ids) await append(journal, 'start', id, { body: 'x'.repeat(3_000_000) })
  await append(journal, 'end', 'a')
  expect(segments(join(dir, journal.writer))).toEqual([1, 2])
  const whole = deathOf(journal, dir)
  await recovered(whole)
  expect((await ends(whole, journal.writer)).map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
    'a complete',
    'b proxy_lost',
    'c proxy_lost',
    'd proxy_lost',
  ])
  const cut = deathOf(journal, dir)
  // Behind the first record of two.
  truncateSync(join(cut, journal.writer, segmentName(2)), 7_000_000)
  await recovered(cut)
  expect((await ends(cut, journal.writer)).map(({ id, outcome }) => `${id} ${outcome}`)).toEqual(
    ids.map((id) => `${id} proxy_lost`),
  )
})

test('killed at any point, it is repeated: every open call has one end', async () => {
  const { journal, dir } = await writing()
  const ids = ['a', 'b', 'c', 'd']
  for (const id of ids) await append(journal, 'start', id, { body: 'x'.repeat(50) })
  const left = deathOf(journal, dir)
  const untouched = join(testFolder(), 'copy')
  cpSync(left, untouched, { recursive: true })
  await recovered(left)
  const second = join(left, journal.writer, segmentName(2))
  const whole = statSync(second).size
  for (let length = 0; length < whole; length += 211) {
    const again = testFolder()
    cpSync(untouched, again, { recursive: true })
    cpSync(second, join(again, journal.writer, segmentName(2)))
    truncateSync(join(again, journal.writer, segmentName(2)), length)
    await recovered(again)
    const found = await ends(again, journal.writer)
    expect(found.map(({ id, outcome }) => `${id} ${outcome}`).sort()).toEqual(ids.map((id) => `${id} proxy_lost`))
    expect(found.every(({ reqBody }) => reqBody?.bytes.length === 50)).toBe(true)
  }
})

test('kill -9 while appending: what was acknowledged is there, what was open is lost by name, nothing comes twice', async () => {
  const dir = testFolder()
  for (let round = 1; round <= 3; round++) {
    const notes = join(testFolder(), 'notes')
    const child = appendingProcess(dir, notes)
    const gone = once(child, 'close')
    await vi.waitFor(() => expect(statSync(notes).size).toBeGreaterThan(20_000 * round), { timeout: 10_000, interval: 5 })
    child.kill('SIGKILL')
    await gone
    const said = readFileSync(notes, 'utf8')
    const writer = readdirSync(dir).find(isWriterName) as string
    await recovered(dir)
    const found = await ends(dir, writer)
    const ids = found.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const complete = new Set(found.filter(({ outcome }) => outcome === 'complete').map(({ id }) => id))
    const all = new Set(ids)
    const lines = said.split('\n').slice(0, -1)
    expect(lines.length).toBeGreaterThan(500)
    expect(lines.filter((line) => line.startsWith('end ') && !complete.has(line.slice(4)))).toEqual([])
    expect(lines.filter((line) => line.startsWith('start ') && !all.has(line.slice(6)))).toEqual([])
    expect(found.length - complete.size).toBeLessThanOrEqual(32)
    renameSync(join(dir, writer), join(testFolder(), writer))
  }
})
