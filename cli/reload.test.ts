import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Config } from '../core/config.js'
import { checkedConfig } from './checked-config.js'
import { createLog } from './log.js'
import { watchConfig } from './reload.js'

const begin = (text: string) => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-reload-'))
  const path = join(dir, 'weir.yaml')
  const write = (next: string): void => writeFileSync(path, next)
  write(text)
  process.env.WEIR_CONFIG = path
  const applied: Config[] = []
  const said: string[] = []
  const log = createLog('test', 'silent')
  for (const level of ['info', 'warn', 'error'] as const) log[level] = ((message: string) => void said.push(message)) as never
  const stop = watchConfig({
    config: checkedConfig(process.env, dir),
    live: new Set(['defaults', 'configs', 'ceilings']),
    fixed: new Set(['journal', 'cache']),
    apply: (next) => {
      if (next.ceilings.targets === 1) throw new Error('It cannot be.')
      applied.push(next)
    },
    log,
  })
  onTestFinished(() => {
    stop()
    delete process.env.WEIR_CONFIG
    rmSync(dir, { recursive: true, force: true })
  })
  return { write, applied, said }
}

test('a file is taken on whole, or not at all; what needs a restart is named, and waits', async () => {
  const { write, applied, said } = begin('defaults: { Retry-Num: 1 }\n')

  write('defaults: { Retry-Num: 2 }\ncache: { shared: true }\njournal: { full: refuse }\n')
  await expect.poll(() => said.length).toBe(2)
  expect(said[0]).toMatch(/weir\.yaml applied: defaults\.$/)
  expect(said[1]).toMatch(/weir\.yaml: (?:journal, cache|cache, journal) will hold after a restart\.$/)
  expect(applied.map(({ defaults, cache, journal }) => [defaults['Retry-Num'], cache.shared, journal.full])).toEqual([
    ['2', false, 'forward'],
  ])

  write('defaults: { Retry-Num: 3, Retry-Nun: 1 }\nceilings: { targets: 2 }\n')
  await expect.poll(() => said.length).toBe(3)
  expect(said[2]).toMatch(
    /weir\.yaml was changed but not applied, the configuration from before stays in force\. .*weir\.yaml:1:27: defaults\.Retry-Nun: there is no such header\. Did you mean Retry-Num\?$/,
  )

  write('ceilings: { targets: 1 }\n')
  await expect.poll(() => said.length).toBe(4)
  expect(said[3]).toMatch(/not applied, the configuration from before stays in force\. .*It cannot be\.$/)
  expect(applied).toHaveLength(1)

  write('ceilings: { targets: 3 }\n')
  await expect.poll(() => applied.length).toBe(2)
  expect(applied[1]).toMatchObject({ defaults: {}, ceilings: { targets: 3 } })
})
