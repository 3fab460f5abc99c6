import { closeSync, openSync, readdirSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { decodeExchange } from '../core/exchange.js'
import { idOf } from '../ingest/testing.js'
import { openJournal } from '../journal/open.js'
import type { JournalWriter } from '../journal/port.js'
import { writePosition } from '../journal/position-file.js'
import { openJournalSource } from '../journal/source.js'
import { append } from '../journal/testing.js'
import { takeJournal } from './journal/take.js'
import { runWeir } from './testing.js'

const folder = async (): Promise<string> => {
  const root = await mkdtemp(join(tmpdir(), 'weir-cli-journal-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  return root
}
const weir = async (root: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const process = runWeir(['journal', ...args], { WEIR_DATA: join(root, 'data'), ...env }, root)
  return { code: await process.exited, stdout: process.stdout(), stderr: process.stderr() }
}
const opened = (dir: string): Promise<JournalWriter> =>
  openJournal({ dir: join(dir, 'journal'), durability: 'off', limitBytes: 1e9, now: Date.now })
const put = async (journal: JournalWriter, kind: 'start' | 'end', id: string): Promise<void> =>
  expect(await append(journal, kind, id)).toBe(null)

test('lists writers, and verifies every record', async () => {
  const root = await folder()
  expect(await weir(root, [])).toMatchObject({ code: 0, stdout: `${join(root, 'data', 'journal')} is empty.\n` })
  const journal = await opened(join(root, 'data'))
  for (const n of [1, 2]) await put(journal, 'end', idOf(n))
  await put(journal, 'start', idOf(3))
  const living = await weir(root, ['--verify'])
  expect(living).toMatchObject({ code: 0, stderr: '' })
  expect(living.stdout).toMatch(
    new RegExp(
      `^${journal.writer}  process ${process.pid} on host .*; 1 segment, .* kB\n  nobody has read it yet\n  verified: 2 calls, 1 start, 1 checkpoint\n$`,
    ),
  )
  await journal.close()
  expect((await weir(root, [])).stdout).toContain('ended without closing, 1 call open')

  const path = join(root, 'data', 'journal', journal.writer, '0000000001.seg')
  const file = openSync(path, 'r+')
  writeSync(file, 'damage', 400)
  closeSync(file)
  const damaged = await weir(root, ['--verify', '--json'])
  expect(damaged.code).toBe(1)
  expect(JSON.parse(damaged.stdout)).toMatchObject([{ writer: journal.writer, records: { torn: [{ segment: 1 }] } }])
})

test('what cannot be meant is refused', async () => {
  const root = await folder()
  expect(await weir(root, ['give'])).toMatchObject({ code: 2 })
  expect(await weir(root, ['take'])).toMatchObject({ code: 2 })
  expect((await weir(root, ['take', root])).stderr).toMatch(
    /holds no journal: name a data folder, its journal, or a writer's folder in it\./,
  )
  expect((await weir(root, ['rewind'])).stderr).toMatch(/^There is no topic without KAFKA_BROKERS/)
  const journal = await opened(join(root, 'data'))
  onTestFinished(() => journal.close())
  await put(journal, 'end', idOf(1))
  expect((await weir(root, ['take', join(root, 'data')])).stderr).toMatch(/is this house's own journal/)
  expect((await weir(root, ['take', join(root, 'data')], { WEIR_DATA: join(root, 'other') })).stderr).toMatch(
    /is in use by process \d+ on host .* if host and process are gone for good, say so with --gone\.\n$/,
  )
})

test('take: ends go over in doubt, open calls become proxy_lost, drops are told, the folder is only read', async () => {
  const root = await folder()
  const old = await opened(join(root, 'old'))
  await put(old, 'start', idOf(1))
  await put(old, 'end', idOf(1))
  await put(old, 'start', idOf(2))
  const before = readdirSync(join(root, 'old'), { recursive: true, encoding: 'utf8' }).sort()
  const [folderOf, journalDir] = [join(root, 'old'), join(root, 'data', 'journal')]
  const options = { folder: folderOf, journalDir, limitBytes: 1e9, now: Date.now, onProgress: () => undefined }
  const expected = { writers: 1, calls: 1, lost: 1, unreadable: 0, dropped: 0, tornBytes: 0 }
  await expect(takeJournal({ ...options, isGone: false, dryRun: true })).rejects.toThrow(/say so with --gone/)
  expect(await takeJournal({ ...options, isGone: true, dryRun: true })).toEqual(expected)
  expect(await takeJournal({ ...options, isGone: true, dryRun: false })).toEqual(expected)
  expect(readdirSync(join(root, 'old'), { recursive: true, encoding: 'utf8' }).sort()).toEqual(before)

  const source = await openJournalSource({ dir: journalDir, consumers: ['ingest'] })
  onTestFinished(() => source.close())
  const [writer = ''] = await source.partitions()
  const records = await source.read(writer, 0, 10, 1e9)
  expect(records.map(({ payload, doubt }) => [decodeExchange(payload).id, decodeExchange(payload).outcome, doubt])).toEqual([
    [idOf(1), 'complete', true],
    [idOf(2), 'proxy_lost', true],
  ])
  await old.close()
})

test('take: calls that journal had no room for are told, once', async () => {
  const root = await folder()
  const drop = { tenant: 'acme', reason: 'limit', n: 3, fromMs: 1_790_000_000_000, toMs: 1_790_000_001_000 }
  const old = await openJournal({
    dir: join(root, 'old', 'journal'),
    durability: 'off',
    limitBytes: 1e9,
    now: Date.now,
    drops: [drop],
  })
  await put(old, 'end', idOf(1))
  await old.close()
  const journalDir = join(root, 'data', 'journal')
  const options = { folder: join(root, 'old'), journalDir, limitBytes: 1e9, isGone: false, dryRun: false, now: Date.now }
  expect(await takeJournal({ ...options, onProgress: () => undefined })).toMatchObject({ calls: 1, dropped: 3 })
  const source = await openJournalSource({ dir: journalDir, consumers: ['ingest'] })
  onTestFinished(() => source.close())
  const [writer = ''] = await source.partitions()
  await source.read(writer, 0, 10, 1e9)
  expect(await source.gaps(writer)).toMatchObject([drop])

  // Who had read the folder to its end has told them.
  await writePosition(join(root, 'old', 'journal', old.writer), 'ingest', { committed: 2 ** 33, planned: null })
  const again = { ...options, journalDir: join(root, 'other', 'journal'), onProgress: () => undefined }
  expect(await takeJournal(again)).toMatchObject({ calls: 1, dropped: 0 })
})
