// Builds dist/: every .ts file transpiled in place, SQL and JSON copied, the UI bundled. Does nothing when dist/ is newer than all sources.
import { build } from 'esbuild'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync, chmodSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')
const folders = ['core', 'journal', 'proxy', 'clickhouse', 'ingest', 'control', 'web/api', 'cli', 'bench', 'e2e']
const ui = join(root, 'web', 'ui')

const files = (dir) =>
  existsSync(dir)
    ? readdirSync(dir, { recursive: true, withFileTypes: true })
        .filter((e) => e.isFile())
        .map((e) => join(e.parentPath, e.name))
    : []
const newest = (paths) => paths.reduce((latest, path) => Math.max(latest, statSync(path).mtimeMs), 0)
const own = [join(root, 'package.json'), join(root, 'package-lock.json'), join(root, 'scripts', 'build.mjs')].filter(existsSync)

const stampIsNewer = (stamp, paths) => existsSync(stamp) && statSync(stamp).mtimeMs > newest(paths)

const serverFiles = folders
  .flatMap((folder) => files(join(root, folder)))
  .filter((path) => !path.endsWith('.test.ts') && !path.includes('/screenshots/'))
const serverStamp = join(dist, '.server')
if (!stampIsNewer(serverStamp, [...serverFiles, ...own])) {
  for (const folder of folders) rmSync(join(dist, folder), { recursive: true, force: true })
  await build({
    entryPoints: serverFiles.filter((path) => path.endsWith('.ts')),
    outdir: dist,
    outbase: root,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'warning',
  })
  for (const path of serverFiles.filter((path) => /\.(sql|json)$/.test(path))) {
    const to = join(dist, relative(root, path))
    mkdirSync(dirname(to), { recursive: true })
    cpSync(path, to)
  }
  const main = join(dist, 'cli', 'main.js')
  if (existsSync(main)) chmodSync(main, 0o755)
  writeFileSync(serverStamp, '')
}

const uiFiles = files(ui)
const uiStamp = join(dist, '.ui')
if (uiFiles.length > 0 && !stampIsNewer(uiStamp, [...uiFiles, ...files(join(root, 'core')), ...own])) {
  const { build: viteBuild } = await import('vite')
  await viteBuild({ configFile: join(ui, 'vite.config.ts'), root: ui, logLevel: 'warn' })
  writeFileSync(uiStamp, '')
}
