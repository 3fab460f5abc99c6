// `npm test`: sets up what the tests need on a fresh machine, runs every check and every test, and ends with "N passed, N failed".
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cache, has, kafkaJars, pathOf, root, run, stop, systemPackage } from './servers.mjs'

/** Python SDKs, pinned in e2e/requirements.txt, in a virtual environment of the repository's own. */
const pythonSdks = () => {
  const requirements = join(root, 'e2e', 'requirements.txt')
  const venv = join(cache, 'venv')
  const stamp = join(venv, '.requirements')
  const wanted = readFileSync(requirements, 'utf8')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return venv
  if (!has('python3')) stop('The tests need python3 (3.11 or newer).')
  console.log('Installing the Python SDKs ...')
  rmSync(venv, { recursive: true, force: true })
  if (run('python3', ['-m', 'venv', venv]) !== 0) stop('python3 -m venv failed. On Debian: apt-get install python3-venv.')
  if (run(join(venv, 'bin', 'pip'), ['install', '-q', '-r', requirements]) !== 0)
    stop('pip could not install e2e/requirements.txt.')
  writeFileSync(stamp, wanted)
  return venv
}

/** promtool says whether Prometheus would take what we tell it; out of its package, since a server is not needed. */
const promtool = () => {
  if (has('promtool')) return pathOf('promtool')
  const dir = join(cache, 'promtool')
  const tool = join(dir, 'package', 'usr', 'bin', 'promtool')
  if (existsSync(tool)) return tool
  if (!has('apt-get') || !has('dpkg-deb')) stop('The tests need promtool. Install Prometheus and run npm test again.')
  console.log('Fetching promtool ...')
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true })
  const options = { cwd: dir, stdio: 'ignore' }
  if (run('apt-get', ['download', '-qq', 'prometheus'], options) !== 0) {
    // The lists of packages are not there, or old.
    run('apt-get', ['update', '-qq'], options)
    if (run('apt-get', ['download', '-qq', 'prometheus'], options) !== 0) stop('apt-get could not fetch prometheus.')
  }
  const [archive = ''] = readdirSync(dir).filter((name) => name.endsWith('.deb'))
  if (run('dpkg-deb', ['-x', archive, 'package'], options) !== 0 || !existsSync(tool)) stop(`${archive} holds no promtool.`)
  rmSync(join(dir, archive))
  return tool
}

const filters = process.argv.slice(2)
if (filters.length === 0 && run(process.execPath, ['scripts/check.mjs']) !== 0) stop('npm run check failed.')
systemPackage('chromium', 'chromium')
systemPackage('redis-server', 'redis-server')
systemPackage('openssl', 'openssl')
const venv = pythonSdks()
const kafka = kafkaJars()
const prometheus = promtool()
if (run(process.execPath, ['scripts/build.mjs']) !== 0) stop('The build failed.')

const report = join(cache, 'tests.json')
rmSync(report, { force: true })
const status = run(
  join(root, 'node_modules', '.bin', 'vitest'),
  // A machine that others use, too, may be late once; what fails twice is a failure. The log names what had to be tried again.
  [
    'run',
    ...(process.env.CI ? ['--retry=1'] : []),
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...filters,
  ],
  {
    env: {
      ...process.env,
      WEIR_TEST_PYTHON: join(venv, 'bin', 'python'),
      WEIR_TEST_CHROMIUM: pathOf('chromium'),
      WEIR_TEST_REDIS: pathOf('redis-server'),
      WEIR_TEST_KAFKA: kafka,
      WEIR_TEST_PROMTOOL: prometheus,
    },
  },
)
if (!existsSync(report)) stop('vitest wrote no report.')
const { numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites } = JSON.parse(readFileSync(report, 'utf8'))
const failed = Math.max(numFailedTests, numFailedTests === 0 && (numFailedTestSuites > 0 || status !== 0) ? 1 : 0)
console.log(`${numPassedTests} passed, ${failed} failed${numPendingTests > 0 ? `, ${numPendingTests} skipped` : ''}`)
process.exit(failed === 0 ? 0 : 1)
