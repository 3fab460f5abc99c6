// Everything that can be said about the code without running it. Prints each check's verdict; exits 1 if any failed.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = (name) => join(root, 'node_modules', '.bin', name)
const checks = [
  ['types', bin('tsc'), ['-p', 'tsconfig.json']],
  ['svelte', bin('svelte-check'), ['--tsconfig', './tsconfig.json', '--fail-on-warnings', '--threshold', 'warning']],
  ['lint', bin('oxlint'), ['--deny-warnings']],
  ['format', bin('prettier'), ['--check', '--log-level', 'warn', '.']],
  [
    'imports',
    bin('depcruise'),
    [
      '--config',
      '.dependency-cruiser.cjs',
      'core',
      'journal',
      'proxy',
      'clickhouse',
      'ingest',
      'control',
      'web',
      'cli',
      'bench',
      'e2e',
    ],
  ],
  ['unused', bin('knip'), ['--no-progress']],
]
const only = process.argv.slice(2)
let failed = 0
for (const [name, command, args] of checks) {
  if (only.length > 0 && !only.includes(name)) continue
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name}`)
  if (status !== 0) {
    failed++
    console.log(`${stdout ?? ''}${stderr ?? ''}`.trim())
  }
}
process.exit(failed === 0 ? 0 : 1)
