import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { acquireFolderLock, FolderOwnedError, ownerOf } from './folder-lock.js'

const module = new URL('./folder-lock.ts', import.meta.url).href
let dir = ''
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), 'weir-lock-')), 'owned')
})
afterEach(() => rm(join(dir, '..'), { recursive: true, force: true }))

const nodeArgs = (code: string): string[] => [
  '--import',
  'tsx',
  '--input-type=module',
  '-e',
  `import { acquireFolderLock } from ${JSON.stringify(module)}\nconst dir = ${JSON.stringify(dir)}\n${code}`,
]

/** A child that takes the folder and then stays. */
const owningChild = async (): Promise<ChildProcess> => {
  const child = spawn(
    process.execPath,
    nodeArgs(`await acquireFolderLock(dir); console.log('owned'); setInterval(() => {}, 1000)`),
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child
}

const kill = async (child: ChildProcess): Promise<void> => {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

const lockFile = (owner: object): string =>
  JSON.stringify({
    host: hostname(),
    bootId: '',
    pid: 1,
    start: '',
    since: '2026-11-25T00:00:00.000Z',
    released: false,
    ...owner,
  })

test('a folder has one owner, and the error names it and the way out', async () => {
  const lock = await acquireFolderLock(dir)
  const refused = await acquireFolderLock(dir).catch((cause: unknown) => cause)
  expect(refused).toBeInstanceOf(FolderOwnedError)
  expect((refused as Error).message).toContain(dir)
  expect((refused as Error).message).toContain(`process ${process.pid}`)
  expect((refused as Error).message).toContain(`delete ${join(dir, 'lock.1')}`)
  expect((await ownerOf(dir))?.pid).toBe(process.pid)
  await lock.release()
})

test('a released folder has no owner; the next one takes the next number and clears the older away', async () => {
  const first = await acquireFolderLock(dir)
  await first.release()
  await first.release()
  expect(await ownerOf(dir)).toBeNull()
  const second = await acquireFolderLock(dir)
  expect(await readdir(dir)).toEqual(['lock.2'])
  await second.release()
})

test('a folder that is not there has no owner', async () => {
  expect(await ownerOf(dir)).toBeNull()
})

test('a killed owner is inherited from, a frozen one is not', async () => {
  const child = await owningChild()
  child.kill('SIGSTOP')
  await expect(acquireFolderLock(dir)).rejects.toThrow(FolderOwnedError)
  await kill(child)
  const lock = await acquireFolderLock(dir)
  expect(await readdir(dir)).toEqual(['lock.2'])
  await lock.release()
})

test('a process of the same number, but another start, is not the owner', async () => {
  const lock = await acquireFolderLock(dir)
  const written = JSON.parse(await readFile(join(dir, 'lock.1'), 'utf8')) as { start: string }
  if (written.start === '') return
  await writeFile(join(dir, 'lock.2'), JSON.stringify({ ...written, start: '1' }))
  expect(await ownerOf(dir)).toBeNull()
  await lock.release()
})

test('an owner from before the last boot is dead', async () => {
  const lock = await acquireFolderLock(dir)
  const written = JSON.parse(await readFile(join(dir, 'lock.1'), 'utf8')) as object
  await writeFile(join(dir, 'lock.2'), JSON.stringify({ ...written, bootId: 'another boot' }))
  expect(await ownerOf(dir)).toBeNull()
  await lock.release()
})

test('an owner on another host owns until it releases', async () => {
  await acquireFolderLock(dir)
  await writeFile(join(dir, 'lock.7'), lockFile({ host: 'elsewhere', pid: 4242 }))
  await expect(acquireFolderLock(dir)).rejects.toThrow(/process 4242 on host elsewhere/)
  await writeFile(join(dir, 'lock.7'), lockFile({ host: 'elsewhere', pid: 4242, released: true }))
  await acquireFolderLock(dir)
  expect(await readdir(dir)).toEqual(['lock.8'])
})

test('a lock that cannot be read counts as owned', async () => {
  await (await acquireFolderLock(dir)).release()
  await writeFile(join(dir, 'lock.2'), '')
  await expect(acquireFolderLock(dir)).rejects.toThrow(/lock\.2 and start again/)
})

test('of many heirs of a dead owner, in many processes, one wins', async () => {
  await kill(await owningChild())
  // Each heir tries ten times at once, from the same tick of the clock, and stays alive until all have their answer.
  const begin = Date.now() + 1500
  const code = `
    while (Date.now() < ${begin}) await new Promise((go) => setTimeout(go, 1))
    const tries = await Promise.allSettled(Array.from({ length: 10 }, () => acquireFolderLock(dir)))
    console.log(tries.filter((one) => one.status === 'fulfilled').length)
    console.log(tries.filter((one) => one.status === 'rejected' && one.reason.name !== 'FolderOwnedError').length)
    await new Promise((go) => setTimeout(go, ${begin + 3000} - Date.now()))`
  const heirs = await Promise.all(Array.from({ length: 4 }, () => promisify(execFile)(process.execPath, nodeArgs(code))))
  const [wins, faults] = [0, 1].map((line) => heirs.reduce((sum, { stdout }) => sum + Number(stdout.split('\n')[line]), 0))
  expect(wins).toBe(1)
  expect(faults).toBe(0)
})
