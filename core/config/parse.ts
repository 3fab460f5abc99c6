import { readFileSync, statSync } from 'node:fs'
import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { nearest } from '../nearest.js'
import { overlapsOf } from '../prices/override.js'
import { nameFaults } from './names.js'
import { offsetIn } from './places.js'
import { file, type File } from './schema.js'

export type Env = Readonly<Record<string, string | undefined>>

/** A configuration that cannot be used. The message is whole sentences for the operator, one fault a line. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

const secretName = /(key|secret|token|authorization|password)/i
const looksLikeKey = /^(Bearer\s+|Basic\s+)?(sk-|gsk_|xai-|AIza|AKIA|ghp_|pplx-)[A-Za-z0-9_-]{12,}/

interface Sourced {
  readonly path: string
  readonly text: string
}

const substitute = (value: unknown, env: Env, missing: string[], at: string): unknown => {
  if (typeof value === 'string')
    return value.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
      const found = env[name]
      if (found === undefined) missing.push(`${at}: the environment variable ${name} is not set.`)
      return found ?? ''
    })
  // A date that YAML 1.1 reads as one.
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map((item, i) => substitute(item, env, missing, `${at}.${i}`))
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, substitute(item, env, missing, at === '' ? key : `${at}.${key}`)]),
    )
  return value
}

/** Text of a secret's file, which nobody but its owner may read. */
const secretOf = (path: string, at: string, faults: string[]): string => {
  try {
    if ((statSync(path).mode & 0o077) !== 0) {
      faults.push(`${at}: ${path} can be read by others. Take the right away: chmod 600 ${path}`)
      return ''
    }
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    faults.push(`${at}: ${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown'}).`)
    return ''
  }
}

/** `file:/path` in the place of a key. */
const withSecretFiles = (value: unknown, faults: string[], at = ''): unknown => {
  if (Array.isArray(value)) return value.map((item, i) => withSecretFiles(item, faults, `${at}.${i}`))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const here = at === '' ? key : `${at}.${key}`
      return key === 'key' && typeof item === 'string' && item.startsWith('file:/')
        ? [key, secretOf(item.slice(5), here, faults)]
        : [key, withSecretFiles(item, faults, here)]
    }),
  )
}

const literalSecrets = (value: unknown, at: string, found: string[]): void => {
  if (typeof value === 'string') {
    const name = at.split('.').at(-1) ?? ''
    if (looksLikeKey.test(value) || (secretName.test(name) && /^(Bearer|Basic)\s+[A-Za-z0-9+/=_-]{16,}$/.test(value)))
      found.push(at)
  } else if (Array.isArray(value)) value.forEach((item, i) => literalSecrets(item, `${at}.${i}`, found))
  else if (value !== null && typeof value === 'object')
    for (const [key, item] of Object.entries(value)) literalSecrets(item, at === '' ? key : `${at}.${key}`, found)
}

const knownKeysAt = (path: readonly PropertyKey[]): readonly string[] => {
  let schema: unknown = file
  for (const step of path) {
    schema = unwrap(schema)
    if (schema instanceof z.ZodObject) schema = (schema.shape as Record<PropertyKey, unknown>)[step]
    else if (schema instanceof z.ZodRecord) schema = schema.valueType
    else if (schema instanceof z.ZodArray) schema = schema.element
    else return []
  }
  schema = unwrap(schema)
  if (schema instanceof z.ZodRecord && schema.keyType instanceof z.ZodEnum) return schema.keyType.options.map(String)
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}
const unwrap = (schema: unknown): unknown => {
  let inner = schema
  while (
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodPrefault ||
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodNullable
  )
    inner = inner.unwrap()
  return inner
}

/**
 * Checks the text of a weir.yaml.
 *
 * @throws ConfigError naming file, line, column, the fault and what is accepted, for every fault found.
 */
export const parseConfigFile = ({ path, text }: Sourced, env: Env): File => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  const faults: string[] = []
  const where = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${path}:${line}:${col}`
  }
  for (const error of document.errors) faults.push(`${where(error.pos[0])}: ${error.message}`)
  if (faults.length > 0) throw new ConfigError(faults.join('\n'))
  const offsetOf = (steps: readonly PropertyKey[], lastKey?: string): number => offsetIn(document, steps, lastKey)
  const raw: unknown = document.toJS() ?? {}
  const secrets: string[] = []
  literalSecrets(raw, '', secrets)
  for (const at of secrets)
    faults.push(
      `${where(offsetOf(at.split('.')))}: ${at} holds a secret in clear. Put it into the environment and write \${NAME} here, or into a file and write file:/path.`,
    )
  const missing: string[] = []
  const checked = file.safeParse(withSecretFiles(substitute(raw, env, missing, ''), missing))
  for (const fault of missing) faults.push(`${where(offsetOf((fault.split(':')[0] ?? '').split('.')))}: ${fault}`)
  if (!checked.success)
    for (const issue of checked.error.issues) {
      if (issue.code === 'unrecognized_keys') {
        for (const key of issue.keys) {
          const known = knownKeysAt(issue.path)
          const near = nearest(key, known)
          const label = [...issue.path, key].join('.')
          faults.push(
            `${where(offsetOf(issue.path, key))}: unknown ${issue.path[2] === 'prices' ? 'unit' : 'key'} "${label}". ` +
              (near === null ? `Known here: ${known.join(', ')}.` : `Did you mean "${near}"? Known here: ${known.join(', ')}.`),
          )
        }
      } else {
        const message = issue.code === 'invalid_key' ? issue.issues.map((each) => each.message).join('; ') : issue.message
        faults.push(`${where(offsetOf(issue.path))}: ${issue.path.join('.')}: ${message}`)
      }
    }
  if (checked.success) {
    for (const { steps, message } of nameFaults(checked.data))
      faults.push(`${where(offsetOf(steps))}: ${steps.join('.')}: ${message}`)
    for (const field of ['name', 'sha256'] as const) {
      const seen = new Set<string>()
      for (const [i, key] of checked.data.keys.entries()) {
        if (seen.has(key[field]))
          faults.push(`${where(offsetOf(['keys', i]))}: keys: the ${field} "${key[field]}" is used twice.`)
        seen.add(key[field])
      }
    }
    const names = new Set<string>()
    for (const [i, { name }] of checked.data.exports.entries()) {
      if (names.has(name)) faults.push(`${where(offsetOf(['exports', i]))}: exports: the name "${name}" is used twice.`)
      names.add(name)
    }
    for (const { first, second, reason } of overlapsOf(checked.data.prices))
      faults.push(
        `${where(offsetOf(['prices', second]))}: prices.${second} overlaps prices.${first} ` +
          `(line ${lines.linePos(offsetOf(['prices', first])).line}): ${reason}. Let one end (until) where the other begins (from).`,
      )
  }
  if (faults.length > 0 || !checked.success) throw new ConfigError(faults.join('\n'))
  return checked.data
}
