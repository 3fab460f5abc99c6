import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { effectiveConfig, type Config } from '../core/config.js'
import { parseConfigFile } from '../core/config/parse.js'
import { weirKeyring } from '../core/weir-keys.js'
import { readLine, UsageError } from './command.js'
import { command, newKey, type NewKey } from './key.js'

const now = Date.parse('2026-11-26T12:00:00Z')
const configOf = (yaml: string): Config => effectiveConfig(parseConfigFile({ path: 'weir.yaml', text: yaml }, {}), null, {}, '/')
const make = (args: readonly string[], config: Config | null = null): NewKey => {
  const { values, words } = readLine(command, args)
  return newKey(values, words, config, now)
}

test('a key is 32 random bytes behind sk-weir-; its line in weir.yaml makes it known', () => {
  const made = Array.from({ length: 100 }, () => make(['new', 'search-team']))
  for (const { key, yaml } of made) {
    expect(key).toMatch(/^sk-weir-[A-Za-z0-9_-]{43}$/)
    expect(yaml).not.toContain(key)
  }
  expect(new Set(made.map(({ key }) => key)).size).toBe(100)
  const [{ key, sha256, yaml }] = made as [NewKey]
  expect(yaml).toMatch(new RegExp(`^- \\{ name: search-team, sha256: "?${sha256}"?, tenant: default, scopes: \\[ proxy \\] \\}$`))
  expect(weirKeyring(configOf(`keys:\n  ${yaml}\n`), () => now).find(key).holder).toMatchObject({
    name: 'search-team',
    tenant: 'default',
    scopes: new Set(['proxy']),
    allow: null,
  })
})

test('all that can be said of it is in the line, and read back as it was said', () => {
  const said = ['--tenant', 'acme', '--scopes', 'proxy, sql,sql', '--expires', '2027-01-01T08:00:00+02:00']
  const allowed = ['--provider', 'openai', '--provider', 'anthropic', '--model', 'gpt-5*', '--model', '*: "x", [y] # z']
  const { key, yaml } = make(['new', 'grafana', ...said, ...allowed])
  const config = configOf(`keys:\n  ${yaml}\n`)
  expect(config.keys[0]?.expires).toBe('2027-01-01T08:00:00+02:00')
  expect(weirKeyring(config, () => now).find(key).holder).toEqual({
    name: 'grafana',
    tenant: 'acme',
    everyTenant: false,
    scopes: new Set(['proxy', 'sql']),
    allow: { providers: ['openai', 'anthropic'], models: ['gpt-5*', '*: "x", [y] # z'] },
  })
})

test.each(['true', 'null', '123', '1e5', '0x1f', 'y'])('a key may be called %s', (name) => {
  const { yaml } = make(['new', name, '--tenant', name])
  expect(configOf(`keys:\n  ${yaml}\n`).keys[0]).toMatchObject({ name, tenant: name })
})

const config = configOf(
  `keys: [{ name: taken, sha256: ${'a'.repeat(64)} }]\nproviders: { mine: { origin: "http://localhost:1" } }\n`,
)
test.each([
  [[], 'What is to be done with keys? `weir key new NAME` makes a key; `weir key --help` tells the options.'],
  [['rotate'], '"rotate" is nothing that can be done with keys.'],
  [['new'], 'What is the key called?'],
  [['new', 'a', 'b', 'c'], 'One name, please: "b c" is too much.'],
  [['new', 'Search'], 'NAME: "Search" is none; accepted form: lower-case letters, digits, ., _ and -, at most 64.'],
  [['new', 'taken'], 'NAME: weir.yaml has a key called "taken" already. Choose another name; the old line may go later.'],
  [['new', 'a', '--tenant', 'a.b'], '--tenant: "a.b" is none; accepted form: lower-case letters, digits, _ and -, at most 64.'],
  [
    ['new', 'a', '--scopes', 'proxy,sqll'],
    '--scopes: "sqll" is none. Did you mean "sql"? Accepted: proxy, read-metrics, read-bodies, sql, admin, joined by commas.',
  ],
  [['new', 'a', '--scopes', ''], '--scopes: "" is none. Accepted: proxy,'],
  [['new', 'a', '--provider', 'opnai'], '--provider: no provider is called "opnai". Did you mean "openai"?'],
  [['new', 'a', '--model', ''], '--model: accepted are 1 to 128 characters, * for any text.'],
  [
    ['new', 'a', '--expires', '1.1.2027'],
    '--expires: "1.1.2027" is no day. Accepted: 2027-01-01 (midnight UTC), or a moment, as',
  ],
  [['new', 'a', '--expires', '2027-02-30'], '--expires: "2027-02-30" is no day.'],
  [['new', 'a', '--expires', '2026-11-26'], '--expires: 2026-11-26 has passed.'],
  [['new', 'a', '--tenat', 'x'], "Unknown option '--tenat'"],
] as const)('%o: %s', (args, message) => {
  expect(() => make(args, config)).toThrow(UsageError)
  expect(() => make(args, config)).toThrow(message)
})

test('an own provider is one; without a weir.yaml that can be read nobody is asked about', () => {
  expect(make(['new', 'a', '--provider', 'mine'], config).yaml).toContain('providers: [ mine ]')
  expect(make(['new', 'taken', '--provider', 'other']).yaml).toContain('providers: [ other ]')
})

test('on the command line: key and line on stdout, the rest on stderr; --json; a weir.yaml that is broken stands in nobody’s way', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-key-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  writeFileSync(join(dir, 'weir.yaml'), 'nonsense: [\n')
  const root = new URL('../', import.meta.url).pathname
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, 'node_modules/tsx/dist/cli.mjs'), join(root, 'cli/main.ts'), 'key', ...args], {
      cwd: dir,
      encoding: 'utf8',
    })
  const plain = run('new', 'app')
  expect([plain.status, plain.stderr]).toEqual([
    0,
    'The key, which is shown this once, and its line under keys: in weir.yaml:\n\n',
  ])
  expect(plain.stdout).toMatch(/^sk-weir-\S{43}\n\n {2}- \{ name: app, .*\}\n$/)
  const json = run('new', 'app', '--json')
  expect([json.stderr, Object.keys(JSON.parse(json.stdout) as object)]).toEqual(['', ['name', 'key', 'sha256', 'yaml']])
  expect(run('--help').stdout).toContain('usage: weir key new NAME [options]')
  const bad = run('new', 'App')
  expect([bad.status, bad.stdout, bad.stderr.split('\n').length]).toEqual([2, '', 2])
})
