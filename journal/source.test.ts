import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { decodeExchange } from '../core/exchange.js'
import { FolderOwnedError } from '../core/folder-lock.js'
import { nodeDisk, type Disk } from './disk.js'
import { openJournal } from './open.js'
import type { JournalWriter, SourceRecord } from './port.js'
import { offsetOf, segmentName, segmentNumber, segmentOf } from './segment-format.js'
import { openJournalSource, type JournalSource } from './source.js'
import { append, appendingProcess, diskError, diskWith, testFolder } from './testing.js'

const GiB = 1024 ** 3
const all = { max: 1000, bytes: 64 * 1024 * 1024 }

const writing = async (
  dir: string,
  setup: { segmentBytes?: number; disk?: Disk; now?: () => number } = {},
): Promise<JournalWriter> => {
  const journal = await openJournal({ dir, durability: 'off', limitBytes: GiB, now: Date.now, ...setup })
  onTestFinished(() => journal.close())
  return journal
}

interface Reading {
  readonly source: JournalSource
  readonly told: string[]
}

/** Upkeep runs when the test asks for it. */
const reading = async (dir: string, consumers: readonly string[] = ['ingest']): Promise<Reading> => {
  const told: string[] = []
  const source = await openJournalSource({ dir, consumers, log: (sentence) => told.push(sentence), upkeepMs: 3_600_000 })
  onTestFinished(() => source.close())
  await source.upkeep()
  return { source, told }
}

const idsOf = (records: readonly SourceRecord[]): string[] => records.map(({ payload }) => decodeExchange(payload).id)
const readIds = async (source: JournalSource, writer: string, from = 0): Promise<string[]> =>
  idsOf(await source.read(writer, from, all.max, all.bytes))
const segments = (dir: string, writer: string): number[] =>
  readdirSync(join(dir, writer))
    .flatMap((name) => segmentNumber(name) ?? [])
    .sort((a, b) => a - b)

test('ends in order across segments, at positions that stay, in portions of any size', async () => {
  const dir = testFolder()
  const journal = await writing(dir, { segmentBytes: 3000 })
  const ids = Array.from({ length: 20 }, (_, i) => `call-${i}`)
  for (const id of ids) {
    await append(journal, 'start', id)
    await append(journal, 'end', id, { body: 'x'.repeat(500) })
  }
  expect(segments(dir, journal.writer).length).toBeGreaterThan(3)
  const { source } = await reading(dir)
  expect(await source.partitions()).toEqual([journal.writer])
  const whole = await source.read(journal.writer, 0, all.max, all.bytes)
  expect(idsOf(whole)).toEqual(ids)
  expect(whole.every(({ at }, i) => i === 0 || at >= (whole[i - 1] as SourceRecord).next)).toBe(true)
  for (const [max, bytes] of [
    [1, all.bytes],
    [7, all.bytes],
    [all.max, 1],
    [all.max, 5000],
  ] as const) {
    const found: SourceRecord[] = []
    for (let from = 0; ; from = (found.at(-1) as SourceRecord).next) {
      const some = await source.read(journal.writer, from, max, bytes)
      if (some.length === 0) break
      expect(some.length).toBeLessThanOrEqual(max)
      found.push(...some)
    }
    expect(found.map(({ at, next }) => [at, next])).toEqual(whole.map(({ at, next }) => [at, next]))
  }
  // A planned range is read again from its first position.
  expect(idsOf(await source.read(journal.writer, whole[4]?.at as number, 2, all.bytes))).toEqual(['call-4', 'call-5'])
})

test('a running writer is followed, across its segments, and new writers appear', async () => {
  const dir = testFolder()
  const journal = await writing(dir, { segmentBytes: 2000 })
  const { source } = await reading(dir)
  let from = 0
  for (const id of ['a', 'b', 'c', 'd', 'e']) {
    expect(await source.read(journal.writer, from, all.max, all.bytes)).toEqual([])
    await append(journal, 'end', id, { body: 'x'.repeat(1500) })
    const [record, ...more] = await source.read(journal.writer, from, all.max, all.bytes)
    expect(more).toEqual([])
    expect(decodeExchange((record as SourceRecord).payload).id).toBe(id)
    from = (record as SourceRecord).next
  }
  expect(segments(dir, journal.writer).length).toBeGreaterThan(2)
  const other = await writing(dir)
  expect([...(await source.partitions())].sort()).toEqual([journal.writer, other.writer].sort())
})

test('a writer in another process is read while it writes and its segments go: nothing is missed, nothing comes twice', async () => {
  const dir = testFolder()
  const { source } = await reading(dir)
  const notes = join(testFolder(), 'notes')
  const child = appendingProcess(dir, notes)
  const gone = once(child, 'close')
  const ids: string[] = []
  let from = 0
  let writer = ''
  const take = async (): Promise<number> => {
    const records = await source.read(writer, from, all.max, all.bytes)
    ids.push(...idsOf(records))
    from = records.at(-1)?.next ?? from
    return records.length
  }
  const clearAway = async (): Promise<void> => {
    await source.commit(writer, 'ingest', from)
    await source.read(writer, from, all.max, all.bytes)
    await source.upkeep()
  }
  await vi.waitFor(async () => expect((writer = (await source.partitions())[0] ?? '')).not.toBe(''), {
    timeout: 10_000,
    interval: 5,
  })
  // Mostly at the very end of what is written, where a segment may get its last records while it is looked at.
  for (let cleared = 0; segmentOf(from) < 400;) {
    await take()
    if (segmentOf(from) < cleared + 40) continue
    await clearAway()
    cleared = segmentOf(from)
  }
  expect(segments(dir, writer)[0]).toBeGreaterThan(300)
  child.kill('SIGKILL')
  await gone
  // Gives the calls that were open their end.
  await source.upkeep()
  while ((await take()) > 0);
  await clearAway()
  const said = readFileSync(notes, 'utf8').split('\n').slice(0, -1)
  const seen = new Set(ids)
  expect(seen.size).toBe(ids.length)
  const started = said.filter((line) => line.startsWith('start ')).map((line) => line.slice(6))
  expect(started.filter((id) => !seen.has(id))).toEqual([])
  // A start may be written and not yet noted: at most those of the 32 calls at once.
  expect(ids.length - started.length).toBeLessThanOrEqual(32)
  expect(await source.partitions()).toEqual([])
}, 60_000)

test('waiting ends when something is appended, and for each consumer', async () => {
  const dir = testFolder()
  const journal = await writing(dir)
  const { source } = await reading(dir, ['ingest', 'export'])
  await source.wait('ingest', 0)
  await source.wait('export', 0)
  let waits = 0
  const both = ['ingest', 'export'].map((consumer) => source.wait(consumer, 20_000).then(() => waits++))
  await new Promise((go) => setTimeout(go, 120))
  expect(waits).toBe(0)
  await append(journal, 'end', 'a')
  await Promise.all(both)
  // Growth that another consumer met is not missed by one that was not waiting.
  await append(journal, 'end', 'b')
  await source.wait('ingest', 20_000)
  await source.wait('export', 20_000)
  await writing(dir)
  await source.wait('ingest', 20_000)
})

test('positions outlive the process, a plan stands until its commit', async () => {
  const dir = testFolder()
  const journal = await writing(dir)
  await append(journal, 'end', 'a')
  const first = await reading(dir)
  const { source } = first
  expect(await source.progress(journal.writer, 'ingest')).toEqual({ committed: 0, planned: null })
  await source.plan(journal.writer, 'ingest', { first: 12, last: 34 })
  await source.close()
  const second = await reading(dir)
  expect(await second.source.progress(journal.writer, 'ingest')).toEqual({ committed: 0, planned: { first: 12, last: 34 } })
  await second.source.commit(journal.writer, 'ingest', 56)
  await second.source.close()
  const third = await reading(dir)
  expect(await third.source.progress(journal.writer, 'ingest')).toEqual({ committed: 56, planned: null })
  expect(await third.source.progress(journal.writer, 'export')).toEqual({ committed: 0, planned: null })
})

test('a damaged position is not taken for the beginning', async () => {
  const dir = testFolder()
  const journal = await writing(dir)
  writeFileSync(join(dir, journal.writer, 'ingest.pos'), '{"committed":')
  const source = await openJournalSource({ dir, consumers: ['ingest'], upkeepMs: 3_600_000 })
  onTestFinished(() => source.close())
  await expect(source.progress(journal.writer, 'ingest')).rejects.toThrow(/ingest\.pos is damaged/)
})

test('one reader per journal', async () => {
  const dir = testFolder()
  const { source } = await reading(dir)
  await expect(openJournalSource({ dir, consumers: ['ingest'] })).rejects.toThrow(FolderOwnedError)
  await source.close()
  await (await openJournalSource({ dir, consumers: ['ingest'] })).close()
})

test('segments go when every consumer is past them, the folder when its writer is finished', async () => {
  const dir = testFolder()
  const journal = await writing(dir, { segmentBytes: 4000 })
  const { source } = await reading(dir, ['ingest', 'export'])
  for (const id of ['a', 'b', 'c', 'd']) await append(journal, 'end', id, { body: 'x'.repeat(1500) })
  expect(segments(dir, journal.writer)).toEqual([1, 2])
  const records = await source.read(journal.writer, 0, all.max, all.bytes)
  const end = records.at(-1)?.next as number
  expect(segmentOf(end)).toBe(2)
  expect(await source.lagBytes('ingest')).toBe(size(dir, journal.writer))
  await source.commit(journal.writer, 'ingest', end)
  await source.upkeep()
  expect(segments(dir, journal.writer)).toEqual([1, 2])
  expect(await source.lagBytes('ingest')).toBe(0)
  expect(await source.lagBytes('export')).toBe(size(dir, journal.writer))
  await source.commit(journal.writer, 'export', end)
  await source.upkeep()
  expect(segments(dir, journal.writer)).toEqual([2])
  // Reading from the beginning passes over what is gone.
  expect(await readIds(source, journal.writer)).toEqual(['c', 'd'])

  await journal.close()
  await source.upkeep()
  // The closing checkpoint is not read over yet.
  expect(existsSync(join(dir, journal.writer))).toBe(true)
  expect(await readIds(source, journal.writer, end)).toEqual([])
  await source.upkeep()
  expect(readdirSync(dir)).toEqual(['consumer'])
  expect(await source.partitions()).toEqual([])
  expect(await readIds(source, journal.writer, end)).toEqual([])
})

const size = (dir: string, writer: string): number =>
  segments(dir, writer).reduce((sum, number) => sum + statSync(join(dir, writer, segmentName(number))).size, 0)

test('a folder on its way out when the process died is removed and not read', async () => {
  const dir = testFolder()
  const journal = await writing(dir)
  await append(journal, 'end', 'a')
  await journal.close()
  const gone = join(dir, `.going-${journal.writer}`)
  renameSync(join(dir, journal.writer), gone)
  const { source } = await reading(dir)
  expect(await source.partitions()).toEqual([])
  expect(existsSync(gone)).toBe(false)
})

test('a writer that died before its first segment leaves nothing, one that is just starting is left alone', async () => {
  const dir = testFolder()
  const journal = await writing(dir)
  await journal.close()
  rmSync(join(dir, journal.writer, segmentName(1)))
  const starting = '0193a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'
  mkdirSync(join(dir, starting))
  const { source } = await reading(dir)
  expect(await source.partitions()).toEqual([starting])
})

test('the torn end of a segment that is written to is tried later', async () => {
  const dir = testFolder()
  const journal = await writing(dir)
  await append(journal, 'end', 'a')
  const { source, told } = await reading(dir)
  const path = join(dir, journal.writer, segmentName(1))
  const [first] = await source.read(journal.writer, 0, all.max, all.bytes)
  await append(journal, 'end', 'b')
  const whole = readFileSync(path)
  // As if the write of b were half done.
  truncateSync(path, whole.length - 5)
  expect(await readIds(source, journal.writer, first?.next)).toEqual([])
  writeFileSync(path, whole)
  expect(await readIds(source, journal.writer, first?.next)).toEqual(['b'])
  expect(told).toEqual([])
  expect(source.tornBytes).toBe(0)
})

test('damage in the middle: what lies before is read, what lies behind is kept, one sentence says so', async () => {
  const dir = testFolder()
  const journal = await writing(dir, { segmentBytes: 7000 })
  for (const id of ['a', 'b', 'c', 'd', 'e']) await append(journal, 'end', id, { body: 'x'.repeat(1500) })
  await journal.close()
  const path = join(dir, journal.writer, segmentName(1))
  const bytes = readFileSync(path)
  const { source, told } = await reading(dir, ['ingest', 'export'])
  const records = await source.read(journal.writer, 0, all.max, all.bytes)
  expect(records.map(({ at }) => segmentOf(at))).toEqual([1, 1, 1, 2, 2])
  const at = offsetOf((records[1] as SourceRecord).at)
  const harmed = Buffer.from(bytes)
  harmed[at + 100] = (harmed[at + 100] as number) ^ 1
  writeFileSync(path, harmed)
  expect(await readIds(source, journal.writer)).toEqual(['a', 'd', 'e'])
  const behind = bytes.length - at
  const kept = join(dir, 'damaged', `${journal.writer}-0000000001.seg-${at}`)
  expect(readFileSync(kept)).toEqual(harmed.subarray(at))
  expect(told).toEqual([
    `Journal ${journal.writer}, segment 1: ${behind} bytes from offset ${at} on are not whole records. ` +
      `Everything before them is read; they are kept in ${kept}.`,
  ])
  expect(source.tornBytes).toBe(behind)
  // The next reader finds a whole segment.
  expect(await readIds(source, journal.writer)).toEqual(['a', 'd', 'e'])
  expect(told).toHaveLength(1)
})

test('a segment whose header is damaged is kept as a whole', async () => {
  const dir = testFolder()
  const journal = await writing(dir, { segmentBytes: 1000 })
  for (const id of ['a', 'b', 'c']) await append(journal, 'end', id, { body: 'x'.repeat(1500) })
  await journal.close()
  writeFileSync(join(dir, journal.writer, segmentName(2)), 'nothing')
  const { source } = await reading(dir)
  expect(await readIds(source, journal.writer)).toEqual(['a', 'c'])
  expect(segments(dir, journal.writer)).toEqual([1, 3])
  expect(source.tornBytes).toBe(7)
})

test('gaps are told until the first consumer is past them, and hold their segment', async () => {
  const dir = testFolder()
  let full = false
  const disk = diskWith({
    writev: (fd, pieces, position) => {
      if (full) throw diskError('ENOSPC')
      return nodeDisk.writev(fd, pieces, position)
    },
  })
  const journal = await writing(dir, { disk, now: () => 1_764_000_000_000 })
  await append(journal, 'end', 'a')
  full = true
  expect(await append(journal, 'end', 'b')).not.toBeNull()
  expect(await append(journal, 'end', 'c')).not.toBeNull()
  full = false
  await vi.waitFor(() => expect(journal.state.full).toBeNull(), { timeout: 5000, interval: 20 })
  await append(journal, 'end', 'd')
  await journal.close()

  const first = await reading(dir, ['ingest', 'export'])
  const records = await first.source.read(journal.writer, 0, all.max, all.bytes)
  expect(idsOf(records)).toEqual(['a', 'd'])
  const gaps = await first.source.gaps(journal.writer)
  const gap = {
    at: records[0]?.next as number,
    next: records[1]?.at as number,
    tenant: 'acme',
    reason: 'ENOSPC',
    n: 2,
    fromMs: 1_764_000_000_000,
    toMs: 1_764_000_000_000,
  }
  expect(gaps).toEqual([gap])
  await first.source.commit(journal.writer, 'ingest', records[0]?.next as number)
  expect(await first.source.gaps(journal.writer)).toEqual([gap])
  await first.source.close()

  // After a restart it is found again, for it was not committed past.
  const { source } = await reading(dir, ['ingest', 'export'])
  await source.read(journal.writer, records[0]?.next as number, all.max, all.bytes)
  expect(await source.gaps(journal.writer)).toEqual([gap])
  await source.commit(journal.writer, 'export', records[1]?.next as number)
  await source.read(journal.writer, records[1]?.next as number, all.max, all.bytes)
  await source.upkeep()
  expect(existsSync(join(dir, journal.writer))).toBe(true)
  await source.commit(journal.writer, 'ingest', records[1]?.next as number)
  expect(await source.gaps(journal.writer)).toEqual([])
  // Another consumer that reads over it later does not bring it back.
  await source.read(journal.writer, 0, all.max, all.bytes)
  expect(await source.gaps(journal.writer)).toEqual([])
  await source.read(journal.writer, records[1]?.next as number, all.max, all.bytes)
  await source.upkeep()
  expect(existsSync(join(dir, journal.writer))).toBe(false)
})

test('events that were written anew after a failed sync are in doubt', async () => {
  const dir = testFolder()
  let fails = true
  const disk = diskWith({
    fdatasync: (fd, done) => {
      if (!fails) return nodeDisk.fdatasync(fd, done)
      fails = false
      setImmediate(done, diskError('EIO'))
    },
  })
  const journal = await writing(dir, { disk })
  expect(await append(journal, 'end', 'a', { durability: 'strict' })).toBeNull()
  const { source } = await reading(dir)
  const records = await source.read(journal.writer, 0, all.max, all.bytes)
  expect(records.map(({ payload, doubt }) => [decodeExchange(payload).id, doubt])).toEqual([
    ['a', false],
    ['a', true],
  ])
})
