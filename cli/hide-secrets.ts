import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Env } from '../core/config/parse.js'
import { secretsIn } from '../core/config/secrets-in.js'
import { secretHider } from '../core/hide-secrets.js'

/**
 * Takes the secrets of this configuration out of whatever is told to a person, log or terminal. weir.yaml is read anew when it has
 * changed: also one that was refused may not be quoted.
 */
export const hideSecretsOf = (env: Env, cwd: string): ((text: string) => string) => {
  const path = resolve(cwd, env.WEIR_CONFIG || 'weir.yaml')
  const stampOf = (): string => {
    try {
      const { mtimeMs, size, ino } = statSync(path)
      return `${mtimeMs} ${size} ${ino}`
    } catch {
      return ''
    }
  }
  const textOf = (): string => {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return ''
    }
  }
  let stamp: string | null = null
  let hide = secretHider([])
  const known = new Set<string>()
  return (text) => {
    const now = stampOf()
    if (now !== stamp) {
      stamp = now
      // What was a secret of the file before is one still: a line may tell of it late.
      for (const secret of secretsIn(textOf(), env)) known.add(secret)
      hide = secretHider([...known])
    }
    return hide(text)
  }
}
