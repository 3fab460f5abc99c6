import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { CacheFolder } from './cache-folder.js'
import type { CacheEntry } from './cache-store.js'

const folder = (): { readonly dir: string; readonly files: CacheFolder } => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-folder-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return { dir, files: new CacheFolder(dir) }
}
const whole = (text: string): CacheEntry => ({
  id: 'a',
  target: 0,
  savedAt: 1,
  expiresAt: 2,
  status: 200,
  statusText: 'OK',
  headers: [],
  body: Buffer.from(text),
  chunkBytes: [],
  gapsMs: [],
  totalMs: 1,
  contentAt: 0,
  facts: { usageRaw: [] } as unknown as CacheEntry['facts'],
})
const nameOf = (n: number): string => `default/${String(n).padStart(64, '0')}.0`

test('what comes and goes faster than it is written leaves nothing to do', async () => {
  const { dir, files } = folder()
  await files.list()
  for (let n = 0; n < 50_000; n++) {
    files.write(nameOf(n), whole('x'))
    if (n >= 100) files.remove(nameOf(n - 100))
  }
  // The last hundred, and those that are being written while they go.
  expect(files.waiting).toBeLessThanOrEqual(108)
  await files.settled()
  expect(await new CacheFolder(dir).list()).toHaveLength(100)
})

test('no more waits than 64 MiB, of which an entry without a body is 2 KiB', async () => {
  const { files } = folder()
  await files.list()
  for (let n = 0; n < 40_000; n++) files.write(nameOf(n), whole(''))
  expect(files.waiting).toBe(32_768)
})

test('removed while it is written, and written while it is removed: the last wish counts', async () => {
  const { dir, files } = folder()
  await files.list()
  const name = nameOf(1)
  files.write(name, whole('one'))
  files.remove(name)
  await files.settled()
  expect(existsSync(join(dir, name))).toBe(false)
  files.write(name, whole('two'))
  await files.settled()
  files.remove(name)
  files.write(name, whole('three'))
  await files.settled()
  expect((await files.read(name))?.body.toString()).toBe('three')
  files.remove(name)
  await files.settled()
  expect(existsSync(join(dir, name))).toBe(false)
})

test('a file of before that nobody has listed yet is removed', async () => {
  const { dir, files } = folder()
  files.write(nameOf(1), whole('one'))
  await files.settled()
  const again = new CacheFolder(dir)
  again.remove(nameOf(1))
  await again.settled()
  expect(existsSync(join(dir, nameOf(1)))).toBe(false)
})

test('any wishes in any order, while others are fulfilled: the last of each name is what is there', async () => {
  const { dir, files } = folder()
  await files.list()
  let state = 7
  const next = (below: number): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * below)
  }
  const last = new Map<string, string | null>()
  for (let step = 0; step < 3000; step++) {
    const name = nameOf(next(20))
    const text = next(3) === 0 ? null : String(step)
    if (text === null) files.remove(name)
    else files.write(name, whole(text))
    last.set(name, text)
    if (next(5) === 0) await new Promise((resolve) => setTimeout(resolve, 0))
  }
  await files.settled()
  expect(files.waiting).toBe(0)
  const again = new CacheFolder(dir)
  for (const [name, text] of last) expect((await again.read(name))?.body.toString() ?? null, name).toBe(text)
})

test('a file that is being written is not taken for one of before', async () => {
  const { dir, files } = folder()
  files.write(nameOf(0), whole('before'))
  await files.settled()
  const again = new CacheFolder(dir)
  for (let n = 1; n < 200; n++) again.write(nameOf(n), whole('x'.repeat(10_000)))
  expect((await again.list()).map(({ name }) => name)).toEqual([nameOf(0)])
  await again.settled()
})
