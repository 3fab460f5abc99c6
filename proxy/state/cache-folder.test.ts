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
  const { files } = folder()
  await files.list()
  for (let n = 0; n < 50_000; n++) {
    files.write(nameOf(n), whole('x'))
    if (n >= 100) files.remove(nameOf(n - 100))
  }
  // The last hundred, and the one that is being written while it goes.
  expect(files.waiting).toBeLessThanOrEqual(101)
  await files.settled()
  expect(await files.list()).toHaveLength(100)
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
