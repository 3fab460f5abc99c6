import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { effectiveConfig, type Config } from '../../core/config.js'
import { parseConfigFile } from '../../core/config/parse.js'
import { snapshotOf } from '../../core/internal/control-snapshot.js'
import { openControlLine, type ControlLine } from './control-line.js'
import { snapshotFile } from './snapshot-file.js'

const env = { AZURE_KEY: 'azure-secret-of-mine' }
const configOf = (yaml: string): Config =>
  effectiveConfig(parseConfigFile({ path: 'weir.yaml', text: yaml }, env), null, env, '/')
const keyed = (...names: readonly string[]): string =>
  `keys: [${names.map((name) => `{ name: ${name}, sha256: "${Buffer.from(name).toString('hex').padEnd(64, '0')}" }`).join(', ')}]\n`

interface Line {
  readonly line: ControlLine
  readonly applied: Config[]
  readonly said: string[]
}

const house = () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-control-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const path = join(dir, 'state', 'control.json')
  const clock = { ms: Date.now() }
  const open = (own: Config, sharesFile = false): Line => {
    const applied: Config[] = []
    const said: string[] = []
    const log = {
      error: (_: object, text: string) => void said.push(text),
      warn: (_: object, text: string) => void said.push(text),
    }
    const line = openControlLine({
      own,
      sharesFile,
      file: snapshotFile(path),
      now: () => clock.ms,
      log,
      apply: (config) => void applied.push(config),
    })
    return { line, applied, said }
  }
  return { path, clock, open }
}
const names = (config: Config): readonly string[] => config.keys.map(({ name }) => name)

test('keys, policies, targets and prices are what the control plane says, all of them; the rest is the own', async () => {
  const { open } = house()
  const { line, applied } = open(
    configOf(`${keyed('mine')}timeouts: { idle: 7s }\nprices: [{ provider: a, model: "*", free: true }]`),
  )
  const told = `${keyed('ada', 'bob')}
limits: { onStoreError: closed, policies: [{ policy: "7;w=60", keys: ["ada"] }] }
targets: { fast: { provider: openai, model: gpt-5-mini, timeout: { ttft: 5s }, body: { x: [1] } } }
prices: [{ provider: openai, model: "gpt-5*", per: 1K, from: 2026-07-01, prices: { input: "2.00" } }, { provider: b, model: m, discount: "0.15" }]
timeouts: { idle: 9s }`
  const plane = configOf(told)
  expect(await line.take(JSON.parse(JSON.stringify(snapshotOf(plane, 1000))))).toEqual({ state: 'taken' })
  const config = line.config()
  expect(applied).toEqual([config])
  expect(config).toMatchObject({ keys: plane.keys, targets: plane.targets, prices: plane.prices })
  expect(config.limits).toEqual({ onStoreError: 'open', policies: plane.limits.policies })
  expect(config.timeouts.idle).toBe(7000)
})

test('the same again changes nothing; on one machine neither does anything that is said of the shared file', async () => {
  const { open } = house()
  const own = configOf(
    `${keyed('mine')}targets: { eu: { provider: azure, resource: acme, model: gpt-5, key: "\${AZURE_KEY}", headers: { x-a: b } } }`,
  )
  const first = open(own)
  expect(await first.line.take(snapshotOf(own, 1))).toEqual({ state: 'taken' })
  expect(first.applied).toEqual([])
  expect(first.line.heard()).toBe(snapshotOf(own, 2).digest)
  const shared = open(own, true)
  expect(await shared.line.take(snapshotOf(configOf(keyed('other')), 5))).toEqual({ state: 'taken' })
  expect(shared.applied).toEqual([])
  expect(names(shared.line.config())).toEqual(['mine'])
  shared.line.ownChanged(configOf(keyed('next')))
  expect(names(shared.line.config())).toEqual(['next'])
})

test('secrets do not travel: those of a target of the same name and place are its own, without any it is left out', async () => {
  const { open, path } = house()
  const eu = 'provider: azure, resource: acme, model: gpt-5, key: "${AZURE_KEY}", headers: { x-team: secret-header }'
  const plane = snapshotOf(
    configOf(`targets: { eu: { ${eu}, weight: 3 }, new: { ${eu} }, moved: { ${eu} }, plain: { provider: openai } }`),
    1,
  )
  expect(JSON.stringify(plane)).not.toMatch(/azure-secret|secret-header/)
  const { line, said } = open(
    configOf(`targets: { eu: { ${eu} }, moved: { provider: azure, resource: other, key: "\${AZURE_KEY}" } }`),
  )
  await line.take(plane)
  expect(line.config().targets).toMatchObject({
    eu: { key: 'azure-secret-of-mine', headers: { 'x-team': 'secret-header' }, weight: 3 },
    plain: { provider: 'openai' },
  })
  expect(Object.keys(line.config().targets)).toEqual(['eu', 'plain'])
  expect(said.join()).toMatch(/The target new is left out.*The target moved is left out/)
  expect(readFileSync(path, 'utf8')).not.toMatch(/azure-secret|secret-header/)
})

test('the last one is kept for this user alone and holds from the next start on, with nobody there', async () => {
  const { open, path } = house()
  const own = configOf(keyed('taken-back', 'ada'))
  await open(own).line.take(snapshotOf(configOf(keyed('ada')), 1))
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
  const again = open(own)
  expect(names(again.line.config())).toEqual(['ada'])
  expect(again.line.heard()).toBe(snapshotOf(configOf(keyed('ada')), 2).digest)
  // The own file has its say in all else.
  again.line.ownChanged(configOf(`${keyed('taken-back', 'ada')}timeouts: { idle: 7s }`))
  expect([names(again.line.config()), again.line.config().timeouts.idle]).toEqual([['ada'], 7000])
})

test.each([
  ['cut', (text: string) => text.slice(0, -10)],
  ['changed', (text: string) => text.replace('"bob"', '"eve"')],
  ['empty', () => ''],
  ['of a later version', (text: string) => text.replace('"version":1', '"version":2')],
])('a file that is %s: the one before it holds, which is said; then weir.yaml alone', async (_, damage) => {
  const { open, path } = house()
  const own = configOf(keyed('mine'))
  const { line } = open(own)
  await line.take(snapshotOf(configOf(keyed('ada')), 1))
  await line.take(snapshotOf(configOf(keyed('bob')), 2))
  writeFileSync(path, damage(readFileSync(path, 'utf8')))
  const second = open(own)
  expect(names(second.line.config())).toEqual(['ada'])
  expect(second.said).toEqual([expect.stringMatching(/control\.json: .* damaged there; what it said before holds/)])
  // A damaged one does not become the one before.
  await second.line.take(snapshotOf(configOf(keyed('cara')), 3))
  expect(JSON.parse(readFileSync(`${path}.before`, 'utf8'))).toMatchObject({ snapshot: { keys: [{ name: 'ada' }] } })
  for (const each of [path, `${path}.before`]) writeFileSync(each, 'x')
  const third = open(own)
  expect(names(third.line.config())).toEqual(['mine'])
  expect(third.said).toEqual([expect.stringContaining('weir.yaml alone holds')])
})

test('one that cannot be written holds all the same', async () => {
  const { open, path } = house()
  const { line, said } = open(configOf(''))
  await line.take(snapshotOf(configOf(keyed('ada')), 1))
  rmSync(path)
  rmSync(join(path, '..'), { recursive: true })
  writeFileSync(join(path, '..'), 'no folder')
  expect(await line.take(snapshotOf(configOf(keyed('bob')), 2))).toEqual({ state: 'taken' })
  expect(names(line.config())).toEqual(['bob'])
  expect(said.join()).toContain('cannot be kept on disk')
  chmodSync(join(path, '..'), 0o600)
})

test('what cannot hold here is refused whole, said once, and told as a cause', async () => {
  const { open } = house()
  const own = configOf(`${keyed('mine')}targets: { x: { provider: openai } }\ndefaults: { Fallback: '"@x"' }`)
  const { line, applied, said } = open(own)
  for (const madeAt of [1, 2]) {
    const taken = await line.take(snapshotOf(configOf(keyed('ada')), madeAt))
    expect(taken).toMatchObject({ state: 'refused', reason: expect.stringContaining('defaults.Fallback') })
  }
  expect([names(line.config()), applied, said.length]).toEqual([['mine'], [], 1])
  expect(line.stale()).toMatchObject({ effect: expect.stringContaining('cannot hold here'), refuses: false })
  await expect(line.take({ version: 2 })).rejects.toThrow()
  await line.take(snapshotOf(configOf(`${keyed('ada')}targets: { x: { provider: openai } }`), 3))
  expect([names(line.config()), line.stale()]).toEqual([['ada'], null])
  const vllm = configOf(
    'providers: { my-vllm: { origin: "http://10.0.0.1", family: openai-chat } }\ntargets: { x: { provider: my-vllm } }',
  )
  expect(await line.take(snapshotOf(vllm, 4))).toMatchObject({
    reason: expect.stringContaining('no provider is called "my-vllm"'),
  })
  // The own file is no better: then nothing of it is taken.
  expect(() => line.ownChanged(configOf(`defaults: { Fallback: '"@y"' }`))).toThrow('@y')
  expect(names(line.config())).toEqual(['ada'])
})

test('of two control planes the later one holds', async () => {
  const { open } = house()
  const { line } = open(configOf(''))
  await line.take(snapshotOf(configOf(keyed('later')), 20))
  expect(await line.take(snapshotOf(configOf(keyed('earlier')), 10))).toEqual({ state: 'older', madeAt: 20 })
  expect(await line.take(snapshotOf(configOf(keyed('earlier')), 21))).toEqual({ state: 'taken' })
})

test('it is stale half a minute after it was heard last, over restarts, too; past control.maxAge no call is taken', async () => {
  const { open, clock } = house()
  const lone = open(configOf(''))
  clock.ms += 3_600_000
  expect(lone.line.stale()).toBeNull()
  await lone.line.take(snapshotOf(configOf(''), 1))
  clock.ms += 30_000
  expect(lone.line.stale()).toBeNull()
  clock.ms += 10_000
  expect(lone.line.stale()).toMatchObject({ effect: expect.stringContaining('heard 40 s ago'), refuses: false })
  lone.line.heard()
  expect(lone.line.stale()).toBeNull()
  clock.ms += 50_000
  // A moment for the file's time to be set.
  await new Promise((resolve) => setTimeout(resolve, 50))
  const strict = configOf('control: { maxAge: 60s }')
  const again = open(strict)
  expect(again.line.stale()).toMatchObject({ effect: expect.stringContaining('heard 50 s ago'), refuses: false })
  clock.ms += 11_000
  expect(again.line.stale()).toMatchObject({ effect: expect.stringContaining('allows 60 s: calls get 503'), refuses: true })
  const never = house()
  const { line } = never.open(strict)
  never.clock.ms += 59_000
  expect(line.stale()).toBeNull()
  never.clock.ms += 2000
  expect(line.stale()).toMatchObject({ effect: expect.stringContaining('nothing since the start'), refuses: true })
})
