import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { openDb } from '../clickhouse/open.js'
import { acquireFolderLock } from '../core/folder-lock.js'
import { runWeir } from './testing.js'

// What is refused, and in which words; that it works under load is tested by e2e/backup.test.ts.

let root: string
let data: string
let backup: string
const weir = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const process = runWeir(args, { WEIR_DATA: data, ...env }, root)
  return { code: await process.exited, stdout: process.stdout(), stderr: process.stderr() }
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'weir-cli-backup-'))
  data = join(root, 'data')
  backup = join(root, 'backup')
  const db = await openDb({ clickhouseUrl: null, dataDir: data })
  await db.close()
  mkdirSync(join(data, 'dlq', 'ingest'), { recursive: true })
  writeFileSync(join(data, 'dlq', 'letter.dead'), 'a letter')
  for (const [path, text] of [
    ['state/limits/levels.json', '{}'],
    ['state/fingerprint.key', 'secret'],
    ['state/cache/entry', 'made anew'],
    ['state/spill/body', 'on its way'],
    ['state/limits/levels.json.draft', 'half'],
  ] as const) {
    mkdirSync(join(data, path, '..'), { recursive: true })
    writeFileSync(join(data, path), text)
  }
  expect(await weir(['backup', backup, '--json'])).toMatchObject({ code: 0, stderr: '' })
})
afterAll(() => rm(root, { recursive: true, force: true }))

const damaged = async (change: (copy: string) => void): Promise<string> => {
  const copy = await mkdtemp(join(root, 'damaged-'))
  await cp(backup, copy, { recursive: true, verbatimSymlinks: true })
  change(copy)
  return copy
}
const manifestOf = (folder: string) => join(folder, 'weir-backup.json')

test('a backup has what is worth keeping, and says what it has', () => {
  const manifest = JSON.parse(readFileSync(manifestOf(backup), 'utf8')) as Record<string, unknown>
  expect(manifest).toMatchObject({ v: 1, store: { calls: 0, costUsd: '0', rows: 0 } })
  const files = readdirSync(join(backup, 'data'), { recursive: true, encoding: 'utf8' })
  expect(files).toEqual(expect.arrayContaining(['dlq/letter.dead', 'state/fingerprint.key', 'state/limits/levels.json']))
  expect(files.filter((path) => /cache|spill|draft|lock\.|^backup/.test(path))).toEqual([])
  expect(readdirSync(data)).not.toContain('backup')
})

test('weir backup refuses what would be no backup', async () => {
  expect(await weir(['backup'])).toMatchObject({
    code: 2,
    stderr: 'Name one folder to back up to: weir backup /mnt/backup/weir\n',
  })
  expect((await weir(['backup', backup])).stderr).toBe(
    `${backup} is not empty, and nothing is overwritten: name another folder.\n`,
  )
  expect((await weir(['backup', join(data, 'within')])).stderr).toMatch(/lies in the data folder itself/)
  expect((await weir(['backup', join(root, 'new')], { WEIR_DATA: join(root, 'nowhere') })).stderr).toMatch(
    /^There is nothing to back up: .*nowhere \(WEIR_DATA\) has no store yet\.\n$/,
  )
  expect((await weir(['backup', join(root, 'new')], { CLICKHOUSE_URL: 'http://127.0.0.1:1' })).stderr).toMatch(
    /^The calls lie in the ClickHouse server that CLICKHOUSE_URL names/,
  )
  const lock = await acquireFolderLock(join(data, 'chdb'))
  onTestFinished(() => lock.release())
  expect((await weir(['backup', join(root, 'new')], { WEIR_WEB_PORT: '1' })).stderr).toMatch(
    /^The store is open in another process, and no hub answers at http:\/\/127\.0\.0\.1:1: is WEIR_WEB_PORT the hub's\?/,
  )
  expect((await weir(['backup', join(root, 'new')], { WEIR_WEB_PORT: '0' })).stderr).toMatch(
    /whose port is not known: set WEIR_WEB_PORT/,
  )
  expect(readdirSync(root)).not.toContain('new')
})

test('weir restore refuses a backup that is not whole, or newer, and a folder that holds something', async () => {
  const restored = join(root, 'restored')
  const env = { WEIR_DATA: restored }
  expect((await weir(['restore', root], env)).stderr).toBe(
    `${root} is no whole backup: it has no weir-backup.json, which is written last.\n`,
  )
  expect((await weir(['restore', backup])).stderr).toMatch(/data \(WEIR_DATA\) is not empty, and nothing is overwritten/)

  const short = await damaged((copy) => truncateSync(join(copy, 'data', 'dlq', 'letter.dead'), 3))
  expect((await weir(['restore', short], env)).stderr).toMatch(
    /letter\.dead has 3 bytes instead of 8: this backup is damaged\.\n$/,
  )
  const missing = await damaged((copy) => rmSync(join(copy, 'data', 'state', 'fingerprint.key')))
  expect((await weir(['restore', missing], env)).stderr).toMatch(/fingerprint\.key is missing: this backup is damaged\.\n$/)

  const told = (change: (manifest: { v: number; store: { migration: number; calls: number } }) => void) =>
    damaged((copy) => {
      const manifest = JSON.parse(readFileSync(manifestOf(copy), 'utf8')) as {
        v: number
        store: { migration: number; calls: number }
      }
      change(manifest)
      writeFileSync(manifestOf(copy), JSON.stringify(manifest))
    })
  const newer = await told((manifest) => (manifest.store.migration = 9000))
  expect((await weir(['restore', newer], env)).stderr).toMatch(
    /^The backup was made by Weir .*, whose store \(migration 9000\) is newer than this version knows/,
  )
  const other = await told((manifest) => (manifest.v = 2))
  expect((await weir(['restore', other], env)).stderr).toMatch(/was made by a newer Weir/)
  const wrong = await told((manifest) => (manifest.store.calls = 7))
  expect((await weir(['restore', wrong], env)).stderr).toBe(
    'The restored store has calls 0 instead of 7: nothing was restored.\n',
  )
  expect(readdirSync(restored)).toEqual([])

  // What an interrupted one left is not in the way.
  mkdirSync(join(restored, '.restoring', 'chdb'), { recursive: true })
  const done = await weir(['restore', backup], env)
  expect(done).toMatchObject({ code: 0, stderr: '' })
  expect(done.stdout).toMatch(/^Restored into .*restored: 0 calls for 0 USD/)
  expect(readdirSync(restored).sort()).toEqual(['chdb', 'dlq', 'journal', 'state'])
})
