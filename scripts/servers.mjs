// Real servers for tests and chaos, fetched once: system packages by apt, Kafka by Maven into the repository's own cache.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')
export const cache = join(root, '.cache')
mkdirSync(cache, { recursive: true })

/** Runs a program in the repository's folder; its exit code. */
export const run = (command, args, options = {}) =>
  spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options }).status ?? 1
export const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
export const pathOf = (command) => execFileSync('sh', ['-c', `command -v ${command}`], { encoding: 'utf8' }).trim()
export const stop = (message) => {
  console.error(message)
  process.exit(1)
}

/** A system package, by apt where we are root; elsewhere the person is told. */
export const systemPackage = (command, name) => {
  if (has(command)) return pathOf(command)
  if (!has('apt-get') || process.getuid?.() !== 0)
    stop(`This needs ${command}. Install it (Debian: apt-get install ${name}) and run it again.`)
  console.error(`Installing ${name} ...`)
  run('apt-get', ['update', '-qq'], { stdio: 'ignore' })
  if (run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], { stdio: 'ignore' }) !== 0)
    stop(`${name} could not be installed.`)
  return pathOf(command)
}

/** Jars of a real Kafka broker (e2e/servers/kafka/pom.xml), in the repository's own cache. */
export const kafkaJars = () => {
  const lib = join(cache, 'kafka', 'lib')
  const stamp = join(cache, 'kafka', '.pom')
  const pom = join(root, 'e2e', 'servers', 'kafka', 'pom.xml')
  const wanted = readFileSync(pom, 'utf8')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return lib
  for (const command of ['java', 'mvn'])
    if (!has(command)) stop(`A Kafka broker needs ${command} (Debian: apt-get install openjdk-17-jre-headless maven).`)
  console.error('Fetching Kafka ...')
  rmSync(lib, { recursive: true, force: true })
  const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
  if (run('mvn', ['-q', '-B', '-ntp', '-f', pom, copy, `-DoutputDirectory=${lib}`, '-DincludeScope=runtime']) !== 0)
    stop('Maven could not fetch the Kafka broker.')
  writeFileSync(stamp, wanted)
  return lib
}
