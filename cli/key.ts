import { randomBytes } from 'node:crypto'
import { stringify } from 'yaml'
import type { Config } from '../core/config.js'
import { scopes as allScopes, weirKey } from '../core/config/weir-key.js'
import { nearest } from '../core/nearest.js'
import { providersFrom } from '../core/providers/registry.js'
import { keyDigest, keyExpiresAt } from '../core/weir-keys.js'
import { checkedConfig } from './checked-config.js'
import { UsageError, type Command, type Values } from './command.js'

interface Asked {
  readonly name: string
  readonly tenant: string
  readonly scopes: readonly string[]
  readonly providers: readonly string[]
  readonly models: readonly string[]
  readonly expires: string | null
}

/** A key, and what weir.yaml is to say of it. */
export interface NewKey {
  /** In clear: nobody has it after this. */
  readonly key: string
  readonly sha256: string
  /** An item of `keys`, on one line. */
  readonly yaml: string
}

const keyBytes = 32
const usage = '`weir key new NAME` makes a key; `weir key --help` tells the options.'

const textOf = (values: Values, flag: string): string | null => {
  const value = values[flag]
  return typeof value === 'string' ? value : null
}
const listOf = (values: Values, flag: string): readonly string[] => {
  const value = values[flag]
  return Array.isArray(value) ? (value as readonly string[]) : []
}

const askedIn = (values: Values, words: readonly string[]): Asked => {
  const [verb, name, ...more] = words
  if (verb === undefined) throw new UsageError(`What is to be done with keys? ${usage}`)
  if (verb !== 'new') throw new UsageError(`"${verb}" is nothing that can be done with keys. ${usage}`)
  if (name === undefined) throw new UsageError(`What is the key called? ${usage}`)
  if (more.length > 0) throw new UsageError(`One name, please: "${more.join(' ')}" is too much. ${usage}`)
  return {
    name,
    tenant: textOf(values, 'tenant') ?? 'default',
    scopes: (textOf(values, 'scopes') ?? 'proxy').split(',').map((scope) => scope.trim()),
    providers: listOf(values, 'provider'),
    models: listOf(values, 'model'),
    expires: textOf(values, 'expires'),
  }
}

const checkFields = ({ name, tenant, scopes, models, expires }: Asked, now: number): void => {
  const { shape } = weirKey
  const form = (field: 'name' | 'tenant', text: string, what: string): void => {
    const read = shape[field].safeParse(text)
    if (!read.success) throw new UsageError(`${what}: "${text}" is none; ${read.error.issues[0]?.message ?? ''}.`)
  }
  form('name', name, 'NAME')
  form('tenant', tenant, '--tenant')
  for (const scope of scopes) {
    if (allScopes.some((known) => known === scope)) continue
    const near = nearest(scope, allScopes)
    throw new UsageError(
      `--scopes: "${scope}" is none.${near === null ? '' : ` Did you mean "${near}"?`} Accepted: ${allScopes.join(', ')}, joined by commas.`,
    )
  }
  for (const model of models)
    if (model === '' || model.length > 128) throw new UsageError('--model: accepted are 1 to 128 characters, * for any text.')
  if (expires === null) return
  if (!shape.expires.safeParse(expires).success)
    throw new UsageError(
      `--expires: "${expires}" is no day. Accepted: 2027-01-01 (midnight UTC), or a moment, as 2027-01-01T08:00:00+02:00.`,
    )
  if (keyExpiresAt({ expires }) <= now) throw new UsageError(`--expires: ${expires} has passed.`)
}

/** What only the file knows: which providers there are, and which names are taken. */
const checkAgainst = ({ name, providers: named }: Asked, config: Config): void => {
  const known = [...providersFrom(config).keys()]
  for (const provider of named) {
    if (known.includes(provider)) continue
    const near = nearest(provider, known)
    throw new UsageError(
      `--provider: no provider is called "${provider}". ${near === null ? `Known: ${known.join(', ')}.` : `Did you mean "${near}"?`}`,
    )
  }
  if (config.keys.some((key) => key.name === name))
    throw new UsageError(`NAME: weir.yaml has a key called "${name}" already. Choose another name; the old line may go later.`)
}

/**
 * Makes a key.
 *
 * @param config What the new line will stand in; `null` = it cannot be read.
 * @param now Milliseconds since the epoch.
 * @throws UsageError naming what is wrong and what is accepted.
 */
export const newKey = (values: Values, words: readonly string[], config: Config | null, now: number): NewKey => {
  const asked = askedIn(values, words)
  checkFields(asked, now)
  if (config !== null) checkAgainst(asked, config)
  const { name, tenant, scopes, providers, models, expires } = asked
  const key = `sk-weir-${randomBytes(keyBytes).toString('base64url')}`
  const sha256 = keyDigest(key)
  const allow = {
    ...(providers.length === 0 ? {} : { providers: [...new Set(providers)] }),
    ...(models.length === 0 ? {} : { models: [...new Set(models)] }),
  }
  const line = {
    name,
    sha256,
    tenant,
    scopes: [...new Set(scopes)],
    ...(Object.keys(allow).length === 0 ? {} : { allow }),
    ...(expires === null ? {} : { expires }),
  }
  return { key, sha256, yaml: `- ${stringify(line, { collectionStyle: 'flow', lineWidth: 0 }).trim()}` }
}

/** A weir.yaml that cannot be used stands in nobody's way: a missing key may be what is wrong with it. */
const configOrNull = (): Config | null => {
  try {
    return checkedConfig(process.env, process.cwd())
  } catch {
    return null
  }
}

export const command: Command = {
  summary: 'make a Weir key, for callers',
  words: 'new NAME',
  about: `
Prints a new key, once, and the line for keys in weir.yaml, which holds its SHA-256 alone. Nothing is written anywhere. A running Weir
takes the line within a second of its being saved, and refuses the key as soon as the line is gone; NAME stands on rows in its place.

  weir key new search-team --provider openai --model 'gpt-5*' --expires 2027-01-01`,
  flags: {
    tenant: { type: 'string', value: 'name', help: 'whose data its calls are (default)' },
    scopes: { type: 'string', value: 'a,b', help: `what it is for: ${allScopes.join(', ')} (proxy)` },
    provider: { type: 'string', value: 'name', several: true, help: 'may call this one; several times for several (all)' },
    model: { type: 'string', value: 'pattern', several: true, help: 'may ask for these, * is any text; several times (all)' },
    expires: { type: 'string', value: 'date', help: 'refused from then on: 2027-01-01, or 2027-01-01T08:00:00Z (never)' },
    json: { type: 'boolean', help: 'one JSON document: {"name", "key", "sha256", "yaml"}' },
  },
  run(values, words) {
    const { key, sha256, yaml } = newKey(values, words, configOrNull(), Date.now())
    if (values.json === true) {
      process.stdout.write(`${JSON.stringify({ name: words[1], key, sha256, yaml })}\n`)
      return Promise.resolve(0)
    }
    process.stderr.write('The key, which is shown this once, and its line under keys: in weir.yaml:\n\n')
    process.stdout.write(`${key}\n\n  ${yaml}\n`)
    return Promise.resolve(0)
  },
}
