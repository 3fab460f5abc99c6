import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Pasted {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A folder with a command `weir` in it: the built one. */
export const weirCommand = (dir: string): string => {
  const bin = join(dir, 'bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, 'weir'), `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'dist/cli/main.js')}" "$@"\n`)
  chmodSync(join(bin, 'weir'), 0o755)
  return bin
}

/** The fenced block of a page that begins with this line. @throws Error when the page has no such block, or several. */
export const snippetOf = (page: string, firstLine: string): string => {
  const text = readFileSync(join(root, page), 'utf8')
  const found = [...text.matchAll(/^```\w+\n([^]*?)^```$/gm)].flatMap(([, block = '']) =>
    block.split('\n')[0] === firstLine ? [block] : [],
  )
  if (found.length !== 1) throw new Error(`${page} has ${found.length} blocks that begin with "${firstLine}".`)
  return found[0] as string
}

/**
 * Runs a snippet in a shell, as somebody would who pastes it.
 *
 * @param replaced What stands in it, and what takes its place: folders, hosts.
 */
export const paste = (
  snippet: string,
  replaced: readonly (readonly [from: string, to: string])[],
  { bin, env = {} }: { readonly bin: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Pasted> =>
  new Promise((resolve) => {
    const command = replaced.reduce((text, [from, to]) => text.replaceAll(from, to), snippet)
    execFile(
      'sh',
      ['-e', '-c', command],
      { env: { PATH: `${bin}:${process.env.PATH ?? ''}`, HOME: process.env.HOME ?? '', ...env }, maxBuffer: 16 * 1024 ** 2 },
      (cause, stdout, stderr) => resolve({ code: cause === null ? 0 : Number(cause.code ?? 1), stdout, stderr }),
    )
  })
