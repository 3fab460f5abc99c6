// npm writes only the platform packages it could fetch into the lock file, and `npm ci` then stops on another platform with
// "Missing ... from lock file". This adds the absent ones by name. Run it after every `npm install`.
import { readFileSync, writeFileSync } from 'node:fs'

const path = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(path, 'utf8'))
const { packages } = lock
const systems = ['darwin', 'win32', 'linux', 'android', 'freebsd', 'openharmony', 'netbsd', 'openbsd', 'sunos', 'aix']
const processors = {
  x64: 'x64',
  arm64: 'arm64',
  arm: 'arm',
  armv7: 'arm',
  ia32: 'ia32',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  loong64: 'loong64',
  mips64el: 'mips64el',
  wasm32: 'wasm32',
}

/** Where Node would find `name` from the package at `from`; undefined when it is not in the lock. */
const resolved = (from, name) => {
  for (let at = from; ; at = at.includes('/node_modules/') ? at.slice(0, at.lastIndexOf('/node_modules/')) : '') {
    const candidate = `${at === '' ? '' : `${at}/`}node_modules/${name}`
    if (packages[candidate] !== undefined) return candidate
    if (at === '') return undefined
  }
}
const platformOf = (name) => {
  const words = name.split(/[-/]/)
  const os = systems.find((system) => words.includes(system)) ?? (words.includes('windows') ? 'win32' : undefined)
  const word = words.find((candidate) => candidate in processors) ?? words.find((candidate) => /^armv[67]l?$/.test(candidate))
  return { os, cpu: word === undefined ? undefined : (processors[word] ?? 'arm') }
}

let added = 0
for (const [from, entry] of Object.entries(packages))
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (resolved(from, name) !== undefined) continue
    const { os, cpu } = platformOf(name)
    packages[`node_modules/${name}`] = {
      version: range.replace(/^[~^]/, ''),
      ...(cpu === undefined ? {} : { cpu: [cpu] }),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
      ...(os === undefined ? {} : { os: [os] }),
    }
    added++
  }
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`${added} platform packages added.`)
