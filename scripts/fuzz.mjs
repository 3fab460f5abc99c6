// `npm run fuzz`: every property test with ten times the cases of `npm test` (`npm run fuzz -- 100`: a hundred times), under one seed,
// which is printed and taken back: WEIR_FUZZ_SEED=123 npm run fuzz.
import { randomInt } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const [times = '10', ...filters] = process.argv.slice(2)
if (!/^\d{1,4}$/.test(times) || Number(times) < 1) {
  console.error(`"${times}" is not a number of times. As: npm run fuzz -- 10 core/providers/framing`)
  process.exit(2)
}
const seed = process.env.WEIR_FUZZ_SEED ?? String(randomInt(2 ** 31 - 1))
const { stdout } = spawnSync('git', ['ls-files', '*.test.ts'], { cwd: root, encoding: 'utf8' })
const files = stdout
  .split('\n')
  .filter((file) => file !== '' && !file.startsWith('e2e/') && readFileSync(join(root, file), 'utf8').includes('WEIR_FUZZ'))
  .filter((file) => filters.length === 0 || filters.some((filter) => file.startsWith(filter)))
console.log(`seed ${seed}, ${times} times the cases, ${files.length} files`)
const { status } = spawnSync(
  join(root, 'node_modules', '.bin', 'vitest'),
  ['run', '--project', 'unit', '--testTimeout=3600000', '--hookTimeout=3600000', ...files],
  { cwd: root, stdio: 'inherit', env: { ...process.env, WEIR_FUZZ: times, WEIR_FUZZ_SEED: seed } },
)
console.log(`seed ${seed}`)
process.exit(status ?? 1)
