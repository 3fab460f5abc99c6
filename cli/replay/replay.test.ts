import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openDeadLetters, type DeadReason } from '../../ingest/dead-letters.js'
import { readEvent } from '../../ingest/read-event.js'
import { exchange, idOf, payloadOf } from '../../ingest/testing.js'
import { openJournal } from '../../journal/open.js'
import { openJournalSource } from '../../journal/source.js'
import { folderLetters, refusedSpans } from './folder-letters.js'
import { replay, type ReplayAsk, type ReplayReport, type Taker } from './replay.js'
import { journalTaker } from './takers.js'

const all: ReplayAsk = { reason: null, since: null, limit: null, dryRun: false }
const day = (n: number): number => Date.UTC(2026, 10, n)

const opened = async () => {
  const home = mkdtempSync(join(tmpdir(), 'weir-replay-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const dlq = join(home, 'dlq')
  let now = day(1)
  const letters = await openDeadLetters({ dir: dlq, limitBytes: null, now: () => now })
  const put = async (n: number, reason: DeadReason, at: number, payload: Uint8Array = payloadOf(exchange({ id: idOf(n) }))) => {
    now = at
    await letters.put({ reason, error: `reason of ${n}`, source: { partition: 'writer-a', first: n, last: n }, payload })
  }
  /** Sends again into a journal, and tells what stands in it. */
  const run = async (ask: Partial<ReplayAsk> = {}): Promise<{ report: ReplayReport; ids: string[]; doubts: boolean[] }> => {
    const dir = join(home, `journal-${Math.random()}`)
    const journal = await openJournal({ dir, durability: 'strict', limitBytes: 1e9, now: Date.now, doubt: true })
    const report = await replay({
      places: [folderLetters(dlq)],
      ask: { ...all, ...ask },
      taker: journalTaker(journal),
      onProgress: () => undefined,
    })
    await journal.close()
    const source = await openJournalSource({ dir, consumers: ['test'], upkeepMs: 3_600_000 })
    const records = await source.read(journal.writer, 0, 100, 1e9)
    await source.close()
    return { report, ids: records.map(({ payload }) => readEvent(payload).id).sort(), doubts: records.map(({ doubt }) => doubt) }
  }
  return { dlq, put, run }
}
const files = (dir: string): string[] => readdirSync(dir).filter((name) => name.endsWith('.dead'))

test('what is sent again is in the journal, in doubt, and its letter is gone', async () => {
  const { dlq, put, run } = await opened()
  await put(1, 'enrich_failed', day(2))
  await put(2, 'newer_version', day(3))
  const { report, ids, doubts } = await run()
  expect(ids).toEqual([idOf(1), idOf(2)])
  expect(doubts).toEqual([true, true])
  expect(report).toMatchObject({ letters: 2, replayed: 2, unreadable: 0, refused: 0 })
  expect(files(dlq)).toEqual([])
  expect((await run()).report.letters).toBe(0)
  await put(1, 'enrich_failed', day(4))
  expect((await run()).ids).toEqual([idOf(1)])
})

test('by reason, by time, no more than asked for', async () => {
  const { dlq, put, run } = await opened()
  await put(1, 'enrich_failed', day(2))
  await put(2, 'refused', day(3))
  await put(3, 'refused', day(5))
  await put(4, 'refused', day(6))
  expect((await run({ reason: 'refused', since: new Date(day(4)), limit: 1 })).ids).toEqual([idOf(3)])
  expect(files(dlq)).toHaveLength(3)
  expect((await run({ reason: 'enrich_failed' })).ids).toEqual([idOf(1)])
  expect((await run({ since: new Date(day(3)) })).ids).toEqual([idOf(2), idOf(4)])
})

test('a dry run tells what there is, and why, and touches nothing', async () => {
  const { dlq, put, run } = await opened()
  await put(1, 'refused', day(2))
  await put(2, 'refused', day(4))
  await put(3, 'undecodable', day(3), Buffer.from('not an event'))
  const { report, ids } = await run({ dryRun: true })
  expect(ids).toEqual([])
  expect(files(dlq)).toHaveLength(3)
  expect(report).toMatchObject({ letters: 3, replayed: 2, unreadable: 1 })
  expect(report.reasons.find(({ reason }) => reason === 'refused')).toEqual({
    reason: 'refused',
    letters: 2,
    replayed: 2,
    oldest: new Date(day(2)).toISOString(),
    newest: new Date(day(4)).toISOString(),
    error: 'reason of 2',
  })
})

test('what nobody can read, or takes, stays; a taker that fails leaves the letter', async () => {
  const { dlq, put, run } = await opened()
  await put(1, 'undecodable', day(2), Buffer.from('not an event'))
  expect((await run()).report).toMatchObject({ letters: 1, replayed: 0, unreadable: 1 })
  expect(files(dlq)).toHaveLength(1)
  await put(2, 'refused', day(2))
  const through = (taker: Taker) => replay({ places: [folderLetters(dlq)], ask: all, taker, onProgress: () => undefined })
  expect(await through({ take: () => Promise.resolve('refused') })).toMatchObject({ replayed: 0, refused: 1 })
  await expect(through({ take: () => Promise.reject(new Error('away')) })).rejects.toThrow('away')
  expect(files(dlq)).toHaveLength(2)
})

test('requests that trace destinations refused are no events: they are counted by folder', async () => {
  const { dlq, put } = await opened()
  await put(1, 'refused', day(2))
  const spans = await openDeadLetters({ dir: join(dlq, 'otlp-jaeger'), limitBytes: null, now: Date.now })
  await spans.put({
    reason: 'refused',
    error: 'no',
    source: { partition: 'w', first: 1, last: 2 },
    payload: Buffer.from('spans'),
  })
  expect(await refusedSpans(dlq)).toEqual([{ folder: 'otlp-jaeger', letters: 1 }])
  expect(await refusedSpans(join(dlq, 'nowhere'))).toEqual([])
})
