import { closeSync, openSync, readdirSync, statSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { decodeExchange } from '../core/exchange.js'
import { copyJournal } from './backup.js'
import { openJournal } from './open.js'
import { openJournalSource, type JournalSource } from './source.js'
import { readWriter, surveyWriter } from './survey.js'
import { append, testFolder } from './testing.js'
import { writersIn } from './writer-folder.js'

const opened = (dir: string, segmentBytes = 64 * 1024 * 1024) =>
  openJournal({ dir, durability: 'off', limitBytes: 1e9, now: Date.now, segmentBytes })

const sourceOn = async (dir: string): Promise<JournalSource> => {
  const source = await openJournalSource({ dir, consumers: ['ingest'] })
  onTestFinished(() => source.close())
  return source
}
const idsFrom = async (source: JournalSource): Promise<string[]> => {
  const ids: string[] = []
  for (const writer of await source.partitions()) {
    const { committed } = await source.progress(writer, 'ingest')
    for (const { payload } of await source.read(writer, committed, 10_000, 1e9)) ids.push(decodeExchange(payload).id)
  }
  return ids
}

test('a copy of a journal that is written to: what was not stored, each once; calls under way are not in it', async () => {
  const folder = testFolder()
  const [dir, to] = [join(folder, 'journal'), join(folder, 'copy')]
  const journal = await opened(dir, 4000)
  onTestFinished(() => journal.close())
  for (let n = 0; n < 40; n++) await append(journal, 'end', `call-${n}`, { body: 'x'.repeat(300) })
  await append(journal, 'start', 'under-way')
  const reader = await sourceOn(dir)
  const [writer = ''] = await reader.partitions()
  const stored = await reader.read(writer, 0, 25, 1e9)
  await reader.commit(writer, 'ingest', stored.at(-1)?.next ?? 0)

  await copyJournal(dir, to, Date.now)
  await append(journal, 'end', 'under-way')
  await append(journal, 'end', 'later')

  const copy = await sourceOn(to)
  await copy.upkeep()
  expect(await idsFrom(copy)).toEqual(Array.from({ length: 15 }, (_, n) => `call-${25 + n}`))
  expect(await surveyWriter(join(to, writer), writer)).toMatchObject({ state: 'closed', openCalls: 0 })
  // Once it is stored the copy is cleared away, as any finished writer is.
  const rest = await copy.read(writer, 0, 1000, 1e9)
  await copy.commit(writer, 'ingest', rest.at(-1)?.next ?? 0)
  expect(await copy.read(writer, rest.at(-1)?.next ?? 0, 10, 1e9)).toEqual([])
  await copy.upkeep()
  expect(await writersIn(to)).toEqual([])
  // Neither is the original touched.
  expect(await idsFrom(reader)).toEqual([...Array.from({ length: 15 }, (_, n) => `call-${25 + n}`), 'under-way', 'later'])
})

test('a record that is half written is not copied', async () => {
  const folder = testFolder()
  const [dir, to] = [join(folder, 'journal'), join(folder, 'copy')]
  const journal = await opened(dir)
  onTestFinished(() => journal.close())
  await append(journal, 'end', 'whole')
  const { writer } = journal
  const path = join(dir, writer, '0000000001.seg')
  const size = statSync(path).size
  await append(journal, 'end', 'torn', { body: 'y'.repeat(500) })
  truncateSync(path, statSync(path).size - 200)
  await copyJournal(dir, to, Date.now)
  expect(statSync(join(to, writer, '0000000001.seg')).size).toBe(size)
  expect(await idsFrom(await sourceOn(to))).toEqual(['whole'])
  expect(readdirSync(to)).not.toContain('damaged')
})

test('a survey tells whose a writer is, how far consumers are, and which records are damaged', async () => {
  const dir = join(testFolder(), 'journal')
  const journal = await opened(dir)
  for (const id of ['a', 'b', 'c']) await append(journal, 'end', id, { body: id.repeat(400) })
  await append(journal, 'start', 'open')
  const reader = await sourceOn(dir)
  const [first] = await reader.read(journal.writer, 0, 1, 1e9)
  await reader.commit(journal.writer, 'ingest', first?.next ?? 0)
  const own = join(dir, journal.writer)
  const size = statSync(join(own, '0000000001.seg')).size
  const living = await surveyWriter(own, journal.writer)
  expect(living).toMatchObject({ state: 'living', segments: 1, bytes: size, openCalls: 1 })
  expect(living.owner?.pid).toBe(process.pid)
  expect(living.consumers).toEqual([
    { consumer: 'ingest', committed: first?.next, planned: null, lagBytes: size - ((first?.next ?? 0) % 2 ** 32) },
  ])
  expect(await readWriter(own)).toMatchObject({ starts: 1, ends: 3, torn: [], drops: [] })

  // One bit of the second call.
  const [, second] = await reader.read(journal.writer, 0, 2, 1e9)
  const at = (second?.at ?? 0) % 2 ** 32
  const file = openSync(join(own, '0000000001.seg'), 'r+')
  writeSync(file, Buffer.from([0xff]), 0, 1, at + 60)
  closeSync(file)
  expect(await readWriter(own)).toMatchObject({ ends: 1, torn: [{ segment: 1, at, bytes: size - at }] })
  await journal.close()
  expect(await surveyWriter(own, journal.writer)).toMatchObject({ state: 'dead', owner: null })
})
