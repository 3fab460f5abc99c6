import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { decodeExchange } from '../core/exchange.js'
import { ownerOf } from '../core/folder-lock.js'
import { decodeCheckpoint, type Checkpoint } from './checkpoint.js'
import { nodeDisk, type Disk } from './disk.js'
import { openJournal } from './open.js'
import type { Durability, JournalWriter } from './port.js'
import { segmentHeadBytes, segmentNumber, visitRecords } from './segment-format.js'
import { append, diskError, diskWith, event, testFolder } from './testing.js'

const GiB = 1024 ** 3

interface Setup {
  readonly dir?: string
  readonly disk?: Disk
  readonly durability?: Durability
  readonly limitBytes?: number
  readonly segmentBytes?: number
  readonly now?: () => number
}

const opened = async (setup: Setup = {}): Promise<{ journal: JournalWriter; dir: string; folder: string }> => {
  const dir = setup.dir ?? testFolder()
  const journal = await openJournal({ dir, durability: 'standard', limitBytes: GiB, now: Date.now, ...setup })
  onTestFinished(() => journal.close())
  return { journal, dir, folder: join(dir, journal.writer) }
}

interface Seen {
  readonly segment: number
  readonly doubt: boolean
  readonly checkpoint?: Checkpoint
  /** Kind and id of an event. */
  readonly event?: string
}

/** Everything in the folder, read without the code under test but for the format. */
const everything = (folder: string): Seen[] =>
  readdirSync(folder)
    .filter((name) => segmentNumber(name) !== null)
    .sort()
    .flatMap((name) => {
      const seen: Seen[] = []
      const stop = visitRecords(readFileSync(join(folder, name)), segmentHeadBytes, ({ type, flags, payload }) => {
        const place = { segment: Number(name.slice(0, 10)), doubt: flags === 1 }
        if (type === 3) seen.push({ ...place, checkpoint: decodeCheckpoint(payload) })
        else {
          const { kind, id } = decodeExchange(payload)
          seen.push({ ...place, event: `${kind} ${id}` })
        }
        return true
      })
      expect(stop.why).toBe('end')
      return seen
    })

const events = (folder: string): string[] => everything(folder).flatMap((one) => one.event ?? [])
const checkpoints = (folder: string): Checkpoint[] => everything(folder).flatMap((one) => one.checkpoint ?? [])

test('what is appended in one turn of the event loop is one write, in order, and done is not called before', async () => {
  const writev = vi.fn(nodeDisk.writev)
  const { journal, folder } = await opened({ disk: diskWith({ writev }) })
  writev.mockClear()
  const order: string[] = []
  await new Promise<void>((resolve) => {
    journal.append('start', 'a', 'acme', event('start', 'a'), 'standard', () => order.push('a'))
    journal.append('start', 'b', 'acme', event('start', 'b'), 'standard', () => order.push('b'))
    journal.append('end', 'a', 'acme', event('end', 'a'), 'standard', () => {
      order.push('a end')
      resolve()
    })
    expect(order).toEqual([])
  })
  expect(order).toEqual(['a', 'b', 'a end'])
  expect(writev).toHaveBeenCalledTimes(1)
  expect(events(folder)).toEqual(['start a', 'start b', 'end a'])
})

test('a group of more pieces than one writev takes, and a disk that takes them in small parts, lose nothing', async () => {
  const writev: Disk['writev'] = (fd, pieces, position) => {
    expect(pieces.length).toBeLessThanOrEqual(1024)
    return nodeDisk.writev(fd, [Buffer.concat(pieces).subarray(0, 777)], position)
  }
  const { journal, folder } = await opened({ disk: diskWith({ writev }) })
  const ids = Array.from({ length: 900 }, (_, i) => `call-${i}`)
  expect(await Promise.all(ids.map((id) => append(journal, 'end', id, { body: 'x' })))).toEqual(ids.map(() => null))
  expect(events(folder)).toEqual(ids.map((id) => `end ${id}`))
})

test('closing writes the last checkpoint with what is still open, and gives the folder back', async () => {
  const { journal, folder } = await opened()
  await append(journal, 'start', 'done')
  await append(journal, 'end', 'done')
  await append(journal, 'start', 'open')
  expect((await ownerOf(folder))?.pid).toBe(process.pid)
  await journal.close()
  expect(await ownerOf(folder)).toBeNull()
  const last = checkpoints(folder).at(-1)
  expect(last).toMatchObject({ kind: 'closed', more: false, drops: [], ended: [] })
  expect(last?.starts.map(([id, payload]) => [id, decodeExchange(payload).kind])).toEqual([['open', 'start']])
  expect(await append(journal, 'end', 'late')).toBeInstanceOf(Error)
})

test('each writer has its own folder, also in one process', async () => {
  const { journal, dir } = await opened()
  const other = await opened({ dir })
  expect(readdirSync(dir).sort()).toEqual([journal.writer, other.journal.writer].sort())
})

test('a full segment is followed by one that begins with the starts still open', async () => {
  const { journal, folder } = await opened({ segmentBytes: 4000 })
  await append(journal, 'start', 'long')
  for (const id of ['a', 'b', 'c']) {
    await append(journal, 'start', id)
    await append(journal, 'end', id, { body: 'x'.repeat(2000) })
  }
  const seen = everything(folder)
  expect(seen.filter(({ event: one }) => one !== undefined).map(({ segment, event: one }) => `${segment} ${one}`)).toEqual([
    '1 start long',
    '1 start a',
    '1 end a',
    '2 start b',
    '2 end b',
    '3 start c',
    '3 end c',
  ])
  expect(checkpoints(folder).map(({ kind, starts }) => [kind, starts.map(([id]) => id)])).toEqual([
    ['open', []],
    ['open', ['long']],
    ['open', ['long']],
  ])
})

test('an hour makes a new segment too', async () => {
  let at = 1_764_000_000_000
  const { journal, folder } = await opened({ now: () => at })
  await append(journal, 'end', 'a')
  at += 3_599_999
  await append(journal, 'end', 'b')
  at += 1
  await append(journal, 'end', 'c')
  expect(everything(folder).flatMap(({ segment, event: one }) => (one === undefined ? [] : `${segment} ${one}`))).toEqual([
    '1 end a',
    '1 end b',
    '2 end c',
  ])
})

test('starts that do not fit one record of a checkpoint are told in several', async () => {
  const { journal, folder } = await opened({ segmentBytes: 9_500_000 })
  const body = 'x'.repeat(3_000_000)
  for (const id of ['a', 'b', 'c', 'd']) await append(journal, 'start', id, { body })
  await append(journal, 'end', 'z')
  const second = everything(folder).filter(({ segment }) => segment === 2)
  const told = second.flatMap(({ checkpoint }) => checkpoint ?? [])
  expect(told.map(({ more, starts }) => [more, starts.map(([id]) => id)])).toEqual([
    [true, ['a', 'b']],
    [false, ['c', 'd']],
  ])
  expect(decodeExchange(told[0]?.starts[1]?.[1] as Buffer).reqBody?.bytes.length).toBe(3_000_000)
})

test('bodies are left out of a checkpoint that would become large by them', async () => {
  const { journal, folder } = await opened({ segmentBytes: 19_000_000 })
  const body = 'x'.repeat(3_000_000)
  const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  for (const id of ids) await append(journal, 'start', id, { body })
  await append(journal, 'start', 'small', { body: 'kept' })
  const second = everything(folder).filter(({ segment }) => segment === 2)
  const starts = second.flatMap(({ checkpoint }) => checkpoint?.starts ?? [])
  expect(starts.map(([id]) => id)).toEqual(ids)
  expect(starts.map(([, payload]) => decodeExchange(payload).reqBody)).toEqual(ids.map(() => null))
  expect(second.at(-1)?.event).toBe('start small')
})

test('standard: one sync for what was written in 50 ms, first of all of the folder', async () => {
  const calls: string[] = []
  const disk = diskWith({
    fdatasync: (fd, done) => (calls.push('data'), nodeDisk.fdatasync(fd, done)),
    syncFolderOf: (path, done) => (calls.push('folder'), nodeDisk.syncFolderOf(path, done)),
  })
  const { journal } = await opened({ disk })
  await Promise.all(['a', 'b', 'c'].map((id) => append(journal, 'end', id)))
  expect(calls).toEqual([])
  await vi.waitFor(() => expect(calls).toEqual(['folder', 'data']), { interval: 5 })
  await append(journal, 'end', 'd')
  await vi.waitFor(() => expect(calls).toEqual(['folder', 'data', 'data']), { interval: 5 })
})

test('what is written while a sync runs is synced after it', async () => {
  const running: (() => void)[] = []
  let syncs = 0
  const disk = diskWith({
    fdatasync: (fd, done) => {
      syncs++
      running.push(() => nodeDisk.fdatasync(fd, done))
    },
  })
  const { journal } = await opened({ disk })
  onTestFinished(() => void setInterval(() => running.shift()?.(), 1).unref())
  await append(journal, 'end', 'a')
  await vi.waitFor(() => expect(syncs).toBe(1), { interval: 5 })
  await append(journal, 'end', 'b')
  await new Promise((go) => setTimeout(go, 120))
  expect(syncs).toBe(1)
  running.shift()?.()
  await vi.waitFor(() => expect(syncs).toBe(2), { interval: 5 })
})

test('strict: an end is done when it is on the medium, a start before; a call can ask for it', async () => {
  const waiting: (() => void)[] = []
  const disk = diskWith({ fdatasync: (fd, done) => void waiting.push(() => nodeDisk.fdatasync(fd, done)) })
  const { journal } = await opened({ disk })
  onTestFinished(() => void setInterval(() => waiting.shift()?.(), 1).unref())
  expect(await append(journal, 'start', 'a', { durability: 'strict' })).toBeNull()
  expect(await append(journal, 'end', 'b', { durability: 'standard' })).toBeNull()
  const done = vi.fn()
  const end = append(journal, 'end', 'a', { durability: 'strict' })
  void end.then(done)
  await vi.waitFor(() => expect(waiting).toHaveLength(1), { interval: 5 })
  await new Promise((go) => setTimeout(go, 20))
  expect(done).not.toHaveBeenCalled()
  // The sync that ran before it may not hold it: it waits for the next one.
  while (done.mock.calls.length === 0) {
    waiting.shift()?.()
    await new Promise((go) => setTimeout(go, 5))
  }
  expect(await end).toBeNull()
})

test('off: no sync but at the end', async () => {
  const fdatasync = vi.fn(nodeDisk.fdatasync)
  const { journal } = await opened({ durability: 'off', disk: diskWith({ fdatasync }) })
  await append(journal, 'end', 'a')
  await new Promise((go) => setTimeout(go, 120))
  expect(fdatasync).not.toHaveBeenCalled()
  await journal.close()
  expect(fdatasync).toHaveBeenCalledTimes(1)
})

test('after a failed sync the descriptor is given up, and what it held is written anew, marked', async () => {
  let failures = 0
  const fds: number[] = []
  const disk = diskWith({
    fdatasync: (fd, done) => {
      fds.push(fd)
      if (failures++ === 1) setImmediate(done, diskError('EIO'))
      else nodeDisk.fdatasync(fd, done)
    },
  })
  const { journal, folder } = await opened({ disk })
  expect(await append(journal, 'end', 'safe', { durability: 'strict' })).toBeNull()
  const both = [append(journal, 'start', 'a'), append(journal, 'end', 'b', { durability: 'strict' })]
  expect(await Promise.all(both)).toEqual([null, null])
  expect(fds[2]).not.toBe(fds[1])
  expect(
    everything(folder).flatMap((one) => (one.event === undefined ? [] : `${one.segment} ${one.event} ${one.doubt}`)),
  ).toEqual(['1 end safe false', '1 start a false', '1 end b false', '2 start a true', '2 end b true'])
  expect(journal.state.full).toBeNull()
  await append(journal, 'end', 'c')
  expect(everything(folder).at(-1)).toMatchObject({ segment: 2, event: 'end c', doubt: false })
})

test('a disk that fails its syncs again is broken: strict ends fail, and the journal says so until a sync succeeds', async () => {
  let broken = true
  const disk = diskWith({
    fdatasync: (fd, done) => (broken ? void setImmediate(done, diskError('EIO')) : nodeDisk.fdatasync(fd, done)),
  })
  const { journal } = await opened({ disk })
  const failure = await append(journal, 'end', 'a', { durability: 'strict' })
  expect(failure?.message).toMatch(/disk of the journal fails/)
  expect(journal.state.full?.reason).toBe('EIO')
  expect(await append(journal, 'start', 'b')).toMatchObject({ reason: 'EIO' })
  broken = false
  await vi.waitFor(() => expect(journal.state.full).toBeNull(), { timeout: 5000, interval: 20 })
  expect(await append(journal, 'end', 'c', { durability: 'strict' })).toBeNull()
})

test('a full disk: whole records stay, ends are counted by tenant, and told when there is room again', async () => {
  const roomy = 100_000
  let room = roomy
  const disk = diskWith({
    writev: (fd, pieces, position) => {
      const bytes = Buffer.concat(pieces)
      if (room === 0) throw diskError('ENOSPC')
      const written = nodeDisk.writev(fd, [bytes.subarray(0, room)], position)
      room -= written
      return written
    },
  })
  const { journal, folder } = await opened({ disk, now: () => 1_764_000_000_000 })
  await append(journal, 'start', 'open')
  await append(journal, 'start', 'unlucky')
  // Room for the first two of the next group and half of the third.
  const size = 12 + event('end', 'x1').reduce((sum, piece) => sum + piece.length, 0)
  room = Math.floor(size * 2.5)
  const group = await Promise.all([
    append(journal, 'end', 'x1'),
    append(journal, 'end', 'x2'),
    append(journal, 'end', 'x3'),
    append(journal, 'end', 'x4', { tenant: 'other' }),
  ])
  expect(group.map((failure) => failure === null)).toEqual([true, true, false, false])
  expect(journal.state.full).toMatchObject({ reason: 'ENOSPC' })
  expect(journal.state.dropped).toBe(2)
  expect(journal.state.tornBytes).toBe(room === 0 ? Math.floor(size * 2.5) - 2 * size : -1)
  expect(await append(journal, 'start', 'x5')).toMatchObject({ reason: 'ENOSPC' })
  expect(await append(journal, 'end', 'unlucky')).toMatchObject({ reason: 'ENOSPC' })
  expect(journal.state.dropped).toBe(3)
  room = roomy
  // An end of a call that is in the journal is tried although the journal is full.
  expect(await append(journal, 'end', 'open')).toBeNull()
  await vi.waitFor(() => expect(journal.state.full).toBeNull(), { timeout: 5000, interval: 20 })
  expect(await append(journal, 'end', 'x6')).toBeNull()
  expect(events(folder)).toEqual(['start open', 'start unlucky', 'end x1', 'end x2', 'end open', 'end x6'])
  const time = { fromMs: 1_764_000_000_000, toMs: 1_764_000_000_000 }
  expect(checkpoints(folder).map(({ kind, drops, ended }) => ({ kind, drops, ended }))).toEqual([
    { kind: 'open', drops: [], ended: [] },
    {
      kind: 'drops',
      drops: [
        { tenant: 'acme', reason: 'ENOSPC', n: 2, ...time },
        { tenant: 'other', reason: 'ENOSPC', n: 1, ...time },
      ],
      ended: ['unlucky'],
    },
  ])
  await journal.close()
  // Told once: the drops are not told again, and the call that was counted as dropped is not open.
  expect(checkpoints(folder).at(-1)).toEqual({ kind: 'closed', more: false, starts: [], drops: [], ended: [] })
})

test('where no new segment can be made, the old one goes on', async () => {
  let refuse = false
  const disk = diskWith({
    create: (path) => {
      if (refuse) throw diskError('EIO')
      return nodeDisk.create(path)
    },
  })
  const { journal, folder } = await opened({ disk, segmentBytes: 1000 })
  refuse = true
  for (const id of ['a', 'b', 'c']) expect(await append(journal, 'end', id, { body: 'x'.repeat(1000) })).toBeNull()
  expect(events(folder)).toEqual(['end a', 'end b', 'end c'])
})

test('at 80 % bodies are to be left out, at the limit new calls find no room, open ones still do', async () => {
  const limitBytes = 100_000
  const { journal, dir, folder } = await opened({ limitBytes })
  await append(journal, 'start', 'open')
  expect(journal.state.shedsBodies).toBe(false)
  await append(journal, 'end', 'large', { body: 'x'.repeat(85_000) })
  expect(journal.state.shedsBodies).toBe(true)
  expect(journal.state.full).toBeNull()
  const body = 'x'.repeat(20_000)
  expect(await append(journal, 'start', 'late', { body })).toMatchObject({ reason: 'limit' })
  expect(journal.state.full).toMatchObject({
    reason: 'limit',
    message: `The journal has reached its limit of ${limitBytes} bytes.`,
  })
  expect(await append(journal, 'end', 'late', { body })).toMatchObject({ reason: 'limit' })
  expect(journal.state.dropped).toBe(1)
  expect(await append(journal, 'end', 'open', { body })).toBeNull()
  expect(events(folder)).toEqual(['start open', 'end large', 'end open'])
  expect(journal.state.bytes).toBeGreaterThan(limitBytes)
  expect(journal.state.bytes).toBeGreaterThanOrEqual(statSync(join(folder, '0000000001.seg')).size)
  // Room comes back by itself: another writer's segments count, and are gone.
  const other = await openJournal({ dir, durability: 'off', limitBytes, now: Date.now })
  expect(other.state.bytes).toBeGreaterThan(limitBytes)
  expect(await append(other, 'start', 'there')).toMatchObject({ reason: 'limit' })
  await journal.close()
  nodeDisk.remove(join(folder, '0000000001.seg'))
  await vi.waitFor(() => expect(other.state.full).toBeNull(), { timeout: 5000, interval: 20 })
  expect(await append(other, 'start', 'there')).toBeNull()
  await other.close()
})

test('a record over 8 MiB is refused, and counted when it is an end', async () => {
  const { journal } = await opened()
  const body = 'x'.repeat(8 * 1024 * 1024)
  expect((await append(journal, 'start', 'a', { body }))?.message).toMatch(/over the limit/)
  expect(journal.state.dropped).toBe(0)
  expect((await append(journal, 'end', 'a', { body }))?.message).toMatch(/over the limit/)
  expect(journal.state.dropped).toBe(1)
  expect(journal.state.full).toBeNull()
})
