// The root file system of the image, made in a stage of the Dockerfile: this Node, every shared library that it and the native packages
// load, the account Weir runs as, and the folders it may write to. No shell, no package manager, no other program.
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'

const [to] = process.argv.slice(2)
if (to === undefined) throw new Error('usage: node scripts/image-root.mjs <folder> [<node_modules>]')
const packages = process.argv[3] ?? 'node_modules'
const account = 10001

const put = (path) => {
  mkdirSync(dirname(join(to, path)), { recursive: true })
  // Follows links: the loader asks for libraries by the names they have here.
  copyFileSync(path, join(to, path))
}
const folder = (path, mode, owner = 0) => {
  mkdirSync(join(to, path), { recursive: true })
  chmodSync(join(to, path), mode)
  chownSync(join(to, path), owner, owner)
}
const text = (path, lines) => {
  mkdirSync(dirname(join(to, path)), { recursive: true })
  writeFileSync(join(to, path), `${lines.join('\n')}\n`)
}

const addons = readdirSync(packages, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.node'))
  .map((entry) => join(process.cwd(), entry.parentPath, entry.name))
for (const addon of addons) process.dlopen({ exports: {} }, addon)

const loaded = process.report.getReport().sharedObjects.filter((path) => path.startsWith('/') && existsSync(path))
const libraries = loaded.filter((path) => !path.includes('/node_modules/') && path !== process.execPath)
for (const path of [process.execPath, ...libraries]) put(path)

text('etc/passwd', ['root:x:0:0:root:/:/nonexistent', `weir:x:${account}:${account}:Weir:/var/lib/weir:/nonexistent`])
text('etc/group', ['root:x:0:', `weir:x:${account}:`])
text('etc/nsswitch.conf', ['hosts: files dns'])
folder('tmp', 0o1777)
folder('var/lib/weir', 0o700, account)
console.log(`${addons.length} native packages, ${libraries.length} libraries: ${libraries.join(' ')}`)
