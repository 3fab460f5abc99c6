import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { hideSecretsOf } from './hide-secrets.js'

const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-log-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
const tsx = fileURLToPath(new URL('../node_modules/.bin/tsx', import.meta.url))
const log = fileURLToPath(new URL('./log.ts', import.meta.url))

/** What a process writes to stderr that logs this; its parent is no terminal. */
const logged = (env: Record<string, string>, statements: string): Record<string, unknown>[] => {
  const dir = folder()
  const script = join(dir, 'says.mts')
  writeFileSync(
    script,
    `import { createLog } from ${JSON.stringify(log)}\nconst log = createLog('proxy', 'debug')\n${statements}`,
  )
  const { stderr, status } = spawnSync(tsx, [script], { cwd: dir, env: { PATH: process.env.PATH, ...env }, encoding: 'utf8' })
  expect([status, stderr.endsWith('\n')]).toEqual([0, true])
  return stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('lines are JSON with stable fields, and hold no secret in message, fields, error or its cause', () => {
  const lines = logged(
    { WEIR_ADMIN_SECRET: 'an-admin-secret-of-more-than-32-characters' },
    `log.info({ proxy: 8787 }, 'proxy is ready.')
     const cause = new Error('refused: an-admin-secret-of-more-than-32-characters')
     log.error({ err: new Error('redis://u:passw0rd@h is away', { cause }), headers: { a: 'b' } }, 'Key sk-proj-abcdefghijklmnopqrst')
     log.debug({ deep: { authorization: 'x' } }, 'small')`,
  )
  expect(lines[0]).toEqual({ level: 30, time: expect.any(Number), role: 'proxy', proxy: 8787, msg: 'proxy is ready.' })
  expect(lines[1]).toMatchObject({ level: 50, headers: '[hidden]', msg: 'Key sk-pro***' })
  expect(lines[2]).toMatchObject({ level: 20, deep: { authorization: '[hidden]' } })
  expect(JSON.stringify(lines[1])).toContain('redis://[hidden]@h is away')
  expect(JSON.stringify(lines)).not.toMatch(/admin-secret|passw0rd|abcdefghijkl/)
})

test('a secret that weir.yaml gets while Weir runs is hidden from then on, and the one before still is', () => {
  const dir = folder()
  const path = join(dir, 'weir.yaml')
  const hide = hideSecretsOf({ WEIR_CONFIG: path, FIRST: 'first-secret', SECOND: 'second-secret' }, dir)
  expect(hide('first-secret second-secret')).toBe('first-secret second-secret')
  writeFileSync(path, 'kafka: { sasl: { password: "${FIRST}" } }')
  expect(hide('first-secret second-secret')).toBe('[hidden] second-secret')
  writeFileSync(path, 'kafka: { sasl: { password: "${SECOND}" } } # longer')
  expect(hide('first-secret second-secret')).toBe('[hidden] [hidden]')
})
