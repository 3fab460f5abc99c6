import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { FolderOwnedError } from '../core/folder-lock.js'
import { tenantId } from '../core/tenant.js'
import { deleteView, saveView, savedViews } from './queries/saved-views.js'
import { controlStore } from './store.js'

// PGlite takes seconds to open, and much longer on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

const folder = async (): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'weir-control-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

const view = (name: string, query: string, page = '/requests') => ({
  id: randomUUID(),
  name,
  page,
  query,
  createdAt: '2026-11-25T10:00:00.123Z',
})

const server = process.env.DATABASE_URL
const stores = [
  { name: 'PGlite', url: null },
  ...(server === undefined || server === '' ? [] : [{ name: 'Postgres', url: server }]),
]

describe.each(stores)('$name', ({ url }) => {
  test('views are saved, replaced by name, listed by name and deleted, each tenant on its own', async () => {
    // A server keeps its tables from run to run, so the tenants are new.
    const [acme, other] = [tenantId(`t-${randomUUID()}`), tenantId(`t-${randomUUID()}`)]
    const store = controlStore({ dataDir: await folder(), databaseUrl: url })
    onTestFinished(() => store.close())
    const slow = view('slow calls', 'filter=latency_ms+%3E+5000')
    expect(await store.write((db) => saveView(db, acme, slow))).toEqual(slow)
    const dear = view("dear'; DROP TABLE saved_views; --", 'sort=-cost')
    await store.write((db) => saveView(db, acme, dear))
    const again = await store.write((db) =>
      saveView(db, acme, { ...view('slow calls', 'filter=x'), createdAt: '2026-11-26T00:00:00.000Z' }),
    )
    expect(again).toEqual({ ...slow, query: 'filter=x', createdAt: '2026-11-26T00:00:00.000Z' })
    expect((await store.read((db) => savedViews(db, acme), [])).map(({ name }) => name)).toEqual([dear.name, 'slow calls'])
    expect(await store.read((db) => savedViews(db, other), [])).toEqual([])
    expect(await store.write((db) => deleteView(db, other, slow.id))).toBe(false)
    expect(await store.write((db) => deleteView(db, acme, slow.id))).toBe(true)
    expect(await store.read((db) => savedViews(db, acme), [])).toEqual([dear])
  })

  test('writes at once do not mix: every one of them is there', async () => {
    const acme = tenantId(`t-${randomUUID()}`)
    const store = controlStore({ dataDir: await folder(), databaseUrl: url })
    onTestFinished(() => store.close())
    await Promise.all(
      Array.from({ length: 12 }, (_, i) => store.write((db) => saveView(db, acme, view(`view ${String(i)}`, '')))),
    )
    expect(await store.read((db) => savedViews(db, acme), [])).toHaveLength(12)
  })
})

test('reading a store nothing was written to opens nothing', async () => {
  const dataDir = await folder()
  const store = controlStore({ dataDir, databaseUrl: null })
  onTestFinished(() => store.close())
  expect(await store.read((db) => savedViews(db, tenantId('default')), [])).toEqual([])
  expect(existsSync(join(dataDir, 'control'))).toBe(false)
  expect(store.state().state).toBe('unopened')
})

test('what was saved is there after a restart, and a second owner is refused', async () => {
  const dataDir = await folder()
  const first = controlStore({ dataDir, databaseUrl: null })
  const saved = view('mine', 'range=7d')
  await first.write((db) => saveView(db, tenantId('default'), saved))
  const second = controlStore({ dataDir, databaseUrl: null })
  await expect(second.read((db) => savedViews(db, tenantId('default')), [])).rejects.toThrow(FolderOwnedError)
  expect(second.state()).toMatchObject({ state: 'failing' })
  await first.close()
  onTestFinished(() => second.close())
  expect(await second.read((db) => savedViews(db, tenantId('default')), [])).toEqual([saved])
  expect(second.state().state).toBe('ok')
})

test('a Postgres that does not answer fails the question, says why, and ends nothing', async () => {
  const store = controlStore({ dataDir: await folder(), databaseUrl: 'postgres://nobody@127.0.0.1:1/none' })
  onTestFinished(() => store.close())
  await expect(store.read((db) => savedViews(db, tenantId('default')), [])).rejects.toThrow('ECONNREFUSED')
  expect(store.state()).toMatchObject({ state: 'failing' })
})
