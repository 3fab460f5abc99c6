import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import type { Supervised } from './supervise.js'
import { RoleFailed, supervise } from './supervise.js'

const folder = mkdtempSync(join(tmpdir(), 'weir-supervise-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let n = 0
const script = (code: string): string => {
  const path = join(folder, `role-${++n}.mjs`)
  writeFileSync(path, code)
  return path
}

interface Started {
  role: Supervised
  ready: { port: number; pid: number }[]
  lines: string[]
}
const start = (code: string, env: () => NodeJS.ProcessEnv = () => ({ ...process.env }), steadyMs = 10_000): Started => {
  const ready: Started['ready'] = []
  const lines: string[] = []
  const note = (first: unknown): void => void lines.push(String(first))
  const role = supervise({
    name: 'role',
    entry: script(code),
    args: [],
    env,
    onReady: ({ proxy = 0 }, pid) => ready.push({ port: proxy, pid }),
    log: { info: note, warn: note, error: note },
    random: () => 0,
    steadyMs,
  })
  onTestFinished(() => role.stop())
  return { role, ready, lines }
}

/** Says the port it was told, or one of its own; lives until SIGTERM. */
const steady = `
process.on('SIGTERM', () => process.exit(0))
process.send({ type: 'ready', ports: { proxy: Number(process.env.PORT || 4000 + (process.pid % 1000)) } })
setInterval(() => {}, 1000)`

test('a killed role comes back, with the variables that hold by then', async () => {
  let kept: string | undefined
  const { role, ready, lines } = start(steady, () => ({ ...process.env, ...(kept === undefined ? {} : { PORT: kept }) }))
  const { proxy } = await role.firstReady
  kept = String(proxy)
  process.kill(role.pid() ?? 0, 'SIGKILL')
  await expect.poll(() => ready.length, { timeout: 10_000 }).toBe(2)
  expect(ready[1]?.port).toBe(proxy)
  expect(ready[1]?.pid).not.toBe(ready[0]?.pid)
  expect(lines).toEqual(['The role ended (signal SIGKILL).', 'The role is started anew in 125 ms.'])
})

test('the wait doubles from one quick end to the next', async () => {
  const { lines } = start('process.exit(3)')
  await expect.poll(() => lines.filter((line) => line.includes('anew')).length, { timeout: 10_000 }).toBe(3)
  expect(lines.filter((line) => line.includes('anew'))).toEqual([
    'The role is started anew in 125 ms.',
    'The role is started anew in 250 ms.',
    'The role is started anew in 500 ms.',
  ])
  expect(lines[0]).toBe('The role ended (exit code 3).')
})

test('one that ran for a while is started at once again, however often', async () => {
  const { role, ready, lines } = start(steady, () => ({ ...process.env }), 0)
  for (let kills = 1; kills <= 3; kills++) {
    await expect.poll(() => ready.length, { timeout: 10_000 }).toBe(kills)
    process.kill(role.pid() ?? 0, 'SIGKILL')
  }
  await expect.poll(() => ready.length, { timeout: 10_000 }).toBe(4)
  expect(lines.filter((line) => line.includes('anew'))).toEqual(
    Array.from({ length: 3 }, () => 'The role is started anew in 125 ms.'),
  )
})

test('a first start that another try would not mend is given up, with its sentence', async () => {
  const { role, lines } = start(`
    process.send({ type: 'failed', message: 'Port 1 is taken.', expected: true }, () => process.exit(1))`)
  await expect(role.firstReady).rejects.toThrow(new RoleFailed('Port 1 is taken.'))
  expect(role.pid()).toBeNull()
  expect(lines).toEqual([])
})

test('a first start that failed for another reason is tried again', async () => {
  const marker = join(folder, 'second-time')
  const { role, lines } = start(`
    import { existsSync, writeFileSync } from 'node:fs'
    if (!existsSync(${JSON.stringify(marker)})) {
      writeFileSync(${JSON.stringify(marker)}, '')
      process.send({ type: 'failed', message: 'DbError: refused', expected: false }, () => process.exit(1))
    } else {${steady}}`)
  await role.firstReady
  expect(lines[0]).toBe('The role did not start: DbError: refused')
})

test('once stopped it stays stopped, also between two starts', async () => {
  const { role, ready } = start(steady)
  await role.firstReady
  await role.stop()
  expect(role.pid()).toBeNull()
  const dying = start('process.exit(3)')
  await expect.poll(() => dying.lines.length).toBe(2)
  await dying.role.stop()
  await expect(dying.role.firstReady).rejects.toThrow('stopped before it was ready')
  await new Promise((resolve) => setTimeout(resolve, 400))
  expect([ready.length, dying.role.pid(), dying.lines.length]).toEqual([1, null, 2])
})
