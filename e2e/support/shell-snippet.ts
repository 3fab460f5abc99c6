import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** What a pasted curl command was answered with. */
export interface CurlAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  json<T = Record<string, unknown>>(): T
}

const headEnd = '\r\n\r\n'

const parse = (output: string): CurlAnswer => {
  let rest = output
  // An interim answer comes before the one that counts.
  while (/^HTTP\/1\.1 1\d\d/.test(rest)) rest = rest.slice(rest.indexOf(headEnd) + headEnd.length)
  const end = rest.indexOf(headEnd)
  const [statusLine = '', ...lines] = rest.slice(0, end).split('\r\n')
  const body = rest.slice(end + headEnd.length)
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    ),
    body,
    json: <T>() => JSON.parse(body) as T,
  }
}

/**
 * Runs a shell snippet with one `curl` in it, as somebody would who pastes it.
 *
 * @param replaced What stands in the snippet, and what takes its place: the host.
 * @param env Variables it refers to.
 * @throws Error when curl fails, with what it said.
 */
export const runCurl = async (
  snippet: string,
  replaced: readonly (readonly [from: string, to: string])[],
  env: Readonly<Record<string, string>> = {},
): Promise<CurlAnswer> => {
  const command = replaced
    .reduce((text, [from, to]) => text.replaceAll(from, to), snippet)
    .replace(/\bcurl /, "curl -sS -i --noproxy '*' -m 30 ")
  const { stdout } = await promisify(execFile)('sh', ['-c', command], {
    env: { PATH: process.env.PATH ?? '', ...env },
    maxBuffer: 16 * 1024 ** 2,
  })
  return parse(stdout)
}
