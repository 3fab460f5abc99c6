import { existsSync, readFileSync } from 'node:fs'

/** Version of this Weir, from package.json: one folder up in the sources, two in dist/. */
export const version = (): string => {
  const path = ['../package.json', '../../package.json'].map((at) => new URL(at, import.meta.url)).find((at) => existsSync(at))
  return path === undefined ? 'unknown' : String((JSON.parse(readFileSync(path, 'utf8')) as { version?: string }).version)
}
