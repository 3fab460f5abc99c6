/** A port cannot be listened on. The message names it, its variable and the way out. */
export class PortError extends Error {
  constructor({ port, host, variable, code }: { port: number; host: string; variable: string; code: string }) {
    super(
      code === 'EADDRINUSE'
        ? `Port ${port} on ${host} is taken by another program: stop that one, or set ${variable} to another port (0 picks a free one).`
        : code === 'EACCES'
          ? `Port ${port} on ${host} needs rights this user does not have: set ${variable} to a port from 1024 on.`
          : code === 'EADDRNOTAVAIL'
            ? `${host} is not an address of this machine: set WEIR_HOST to one that is, or to 127.0.0.1.`
            : `Port ${port} on ${host} cannot be listened on (${code}): set ${variable} to another one.`,
    )
    this.name = 'PortError'
  }
}

/** The data folder cannot be used. The message says why and what to do. */
export class DataFolderError extends Error {
  constructor(dir: string, code: string) {
    const why =
      code === 'ENOSPC'
        ? 'its disk is full: make room, or set WEIR_DATA to a folder on another disk'
        : code === 'EROFS'
          ? 'its file system is read-only: set WEIR_DATA to a folder that can be written'
          : code === 'ENOTDIR' || code === 'EEXIST'
            ? 'a part of this path is a file: set WEIR_DATA to a folder'
            : `this user may not write there (${code}): change its owner, or set WEIR_DATA to another folder`
    super(`The data folder ${dir} cannot be used, ${why}.`)
    this.name = 'DataFolderError'
  }
}

/** Another Weir runs on this data folder. */
export class HouseOwnedError extends Error {
  constructor(dir: string, { pid, host, since }: { readonly pid: number; readonly host: string; readonly since: string }) {
    super(
      `The data folder ${dir} is in use by another Weir, process ${pid} on host ${host} since ${since}: ` +
        'stop that one, or set WEIR_DATA to another folder.',
    )
    this.name = 'HouseOwnedError'
  }
}

const diskCodes = new Set(['ENOSPC', 'EACCES', 'EROFS', 'EPERM', 'ENOTDIR'])

/** Told by name, so that a role need not load what it does not use just to recognise an error. */
const expected = new Set([
  'RoleFailed',
  'ConfigError',
  'FolderOwnedError',
  'SchemaError',
  'PortError',
  'DataFolderError',
  'HouseOwnedError',
])

/** True for an error of the operator's surroundings: one sentence, no stack, and trying again at once would not help. */
export const isExpected = (cause: unknown): boolean => cause instanceof Error && expected.has(cause.name)

interface Surroundings {
  readonly host: string
  readonly dataDir: string
  /** Variable by port, for errors of a bare `listen`. */
  readonly ports: Readonly<Record<number, string>>
}

/** Names what the system only gave a code: a port or a folder. Everything else stays as it is. */
export const explained = (cause: unknown, { host, dataDir, ports }: Surroundings): unknown => {
  if (!(cause instanceof Error) || isExpected(cause)) return cause
  const { code = '', port, syscall } = cause as NodeJS.ErrnoException & { port?: number }
  if (syscall === 'listen' && port !== undefined)
    return new PortError({ port, host, variable: ports[port] ?? 'its variable', code })
  if (diskCodes.has(code) && syscall !== 'connect') return new DataFolderError(dataDir, code)
  return cause
}

export const sentenceOf = (cause: unknown): string =>
  cause instanceof Error ? (isExpected(cause) ? cause.message : `${cause.name}: ${cause.message}`) : String(cause)
