import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import type { Env } from './parse.js'

/** Shorter ones are not looked for: they would be found in the middle of words. */
const shortest = 6

/** Names whose value is a secret whatever it looks like; any header's may be. */
const secretName = /(?:key|secret|token|password|passphrase|authorization|cookie)$/i
const urlVariables = [
  'CLICKHOUSE_URL',
  'DATABASE_URL',
  'REDIS_URL',
  'KAFKA_BROKERS',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
]
const headerVariables = ['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_TRACES_HEADERS']

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** What stands between the first colon of an authority and the last `@`: also of a URL that is none. */
const passwordIn = (url: string): string[] => {
  const [, password] = /^(?:[a-z][a-z0-9+.-]*:\/\/)?[^:@/]*:(.*)@/is.exec(url) ?? []
  return password === undefined ? [] : [password, decoded(password)]
}

const ofFile = (path: string): string[] => {
  try {
    return [readFileSync(path, 'utf8').trim()]
  } catch {
    return []
  }
}

const variable = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g

const inYaml = (value: unknown, env: Env, name: string, isHeader: boolean, found: string[]): void => {
  if (typeof value === 'string') {
    for (const [, used = ''] of value.matchAll(variable)) found.push(env[used] ?? '')
    if (value.startsWith('file:/')) found.push(...ofFile(value.slice(5)))
    else if (isHeader || secretName.test(name)) found.push(value.replaceAll(variable, (_, used: string) => env[used] ?? ''))
    found.push(...passwordIn(value))
  } else if (Array.isArray(value)) for (const item of value) inYaml(item, env, name, isHeader, found)
  else if (value !== null && typeof value === 'object')
    for (const [key, item] of Object.entries(value)) inYaml(item, env, key, isHeader || /headers$/i.test(name), found)
}

/** The tree of a file, as far as it can be read: one with a fault has secrets, too. */
const treeOf = (text: string): unknown => {
  try {
    return parseDocument(text, { prettyErrors: false, logLevel: 'silent' }).toJS() as unknown
  } catch {
    return null
  }
}

/**
 * Every value of a configuration that nobody may read in a log, also of one that is refused: the admin secret, passwords in URLs, what
 * `${NAME}` stands for, key files, headers of trace destinations, values that are named like a secret.
 *
 * @param text Of weir.yaml; empty when there is none.
 * @returns Each at least 6 characters long.
 */
export const secretsIn = (text: string, env: Env): readonly string[] => {
  const found = [env.WEIR_ADMIN_SECRET ?? '']
  for (const name of urlVariables) found.push(...passwordIn(env[name] ?? ''))
  for (const name of headerVariables)
    for (const pair of (env[name] ?? '').split(',')) {
      const value = pair.slice(pair.indexOf('=') + 1).trim()
      found.push(value, decoded(value))
    }
  for (const [, used = ''] of text.matchAll(variable)) found.push(env[used] ?? '')
  inYaml(treeOf(text), env, '', false, found)
  // `Bearer abc` is said as a whole or without its first word.
  const parts = found.flatMap((secret) => [secret, secret.replace(/^(?:Bearer|Basic)\s+/i, '')])
  return [...new Set(parts)].filter((secret) => secret.length >= shortest)
}
