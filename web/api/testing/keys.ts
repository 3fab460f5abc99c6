import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Scope } from '../../../core/config/weir-key.js'
import { keyDigest } from '../../../core/weir-keys.js'

/** A Weir key the tests hold. */
export interface HeldKey {
  readonly key: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly tenant?: string
  readonly expires?: string
}

/** As in weir.yaml. */
const lineOf = ({ key, name, scopes, tenant = 'default', expires }: HeldKey): string =>
  `  - { name: ${name}, sha256: ${keyDigest(key)}, tenant: ${tenant}, scopes: [${scopes.join(', ')}]${expires === undefined ? '' : `, expires: ${expires}`} }\n`

/** Writes a weir.yaml that lists these keys. @returns The environment that names it. */
export const withKeys = async (
  dir: string,
  auth: 'open' | 'required',
  keys: readonly HeldKey[],
): Promise<Record<string, string>> => {
  const path = join(dir, `${auth}-${String(keys.length)}.yaml`)
  await writeFile(path, `auth: ${auth}\nkeys:\n${keys.map(lineOf).join('')}`)
  return { WEIR_CONFIG: path }
}
