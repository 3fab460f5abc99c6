import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { keep, type Kept } from '../chaos/kept.js'
import { until } from './wait.js'

const weir = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** A role of its own, as on a host of its own: always on the same port and folder, and back whenever it ends. */
export interface KeptRole extends Kept {
  readonly url: string
  /** Its own weir.yaml. */
  readonly configFile: string
  readonly dataDir: string
  /** From now on it stays away once it ends, until what is given back is called. */
  hold(): () => void
}

interface Options {
  readonly role: 'proxy' | 'ingest' | 'web'
  readonly port: number
  /** Of its own; made. */
  readonly dir: string
  readonly yaml: string
  readonly env: Readonly<Record<string, string>>
}

const isAlive = (url: string): Promise<boolean> =>
  fetch(`${url}/healthz`, { signal: AbortSignal.timeout(1000) }).then(
    ({ ok }) => ok,
    () => false,
  )

/** @returns Once it answers. */
export const keepRole = async ({ role, port, dir, yaml, env }: Options): Promise<KeptRole> => {
  mkdirSync(dir, { recursive: true })
  const configFile = join(dir, 'weir.yaml')
  const dataDir = join(dir, 'data')
  writeFileSync(configFile, yaml)
  let held: Promise<void> = Promise.resolve()
  const kept = keep({
    name: role,
    command: process.execPath,
    args: [weir, role],
    cwd: dir,
    beforeAgain: () => held,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      WEIR_DATA: dataDir,
      WEIR_CONFIG: configFile,
      WEIR_LOG_LEVEL: 'warn',
      [`WEIR_${role.toUpperCase()}_PORT`]: String(port),
      ...env,
    },
  })
  const url = `http://127.0.0.1:${port}`
  await until(`${role} to answer`, () => isAlive(url), { timeoutMs: 60_000 })
  return {
    ...kept,
    url,
    configFile,
    dataDir,
    hold() {
      let release: () => void = () => undefined
      held = new Promise((resolve) => (release = resolve))
      return release
    },
  }
}
