import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

/** What the tests look at, of a service whose aliases, merges and variables are resolved. */
export interface ComposeService {
  readonly image: string
  readonly build?: string
  readonly user?: string
  readonly hostname?: string
  readonly init?: boolean
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly profiles?: readonly string[]
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly networks?: readonly string[]
  readonly volumes?: readonly string[]
  readonly tmpfs?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean }
  readonly stop_grace_period?: string
  readonly deploy?: { readonly resources: { readonly limits: { readonly cpus: string; readonly memory: string } } }
}

export interface ComposeFile {
  readonly name: string
  readonly services: Readonly<Record<string, ComposeService>>
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>
  readonly volumes: Readonly<Record<string, unknown>>
}

type Env = Readonly<Record<string, string | undefined>>

/** `${NAME}`, `${NAME:-else}`, `${NAME:?message}`; other forms are not used. */
const variable = /\$\{([A-Z_]+)(?::([-?])([^}]*))?\}/g

/** @throws Error as Compose does: `required variable NAME is missing a value: message`. */
const filledIn = (text: string, env: Env): string =>
  text.replaceAll(variable, (_, name: string, sort: string | undefined, more: string | undefined) => {
    const value = env[name] ?? ''
    if (value !== '') return value
    if (sort === '?') throw new Error(`required variable ${name} is missing a value: ${more ?? ''}`)
    return more ?? ''
  })

const interpolated = (value: unknown, env: Env): unknown => {
  if (typeof value === 'string') return filledIn(value, env)
  if (Array.isArray(value)) return value.map((item) => interpolated(item, env))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolated(item, env)]))
}

/** A variable without a value comes from the environment, or is not set at all. */
const environmentOf = (given: Readonly<Record<string, string | null>>, env: Env): Record<string, string> =>
  Object.fromEntries(
    Object.entries(given).flatMap(([name, value]): [string, string][] => {
      const found = value ?? env[name]
      return found === undefined ? [] : [[name, found]]
    }),
  )

/**
 * Reads a Compose file as Compose would, as far as ours goes.
 *
 * @throws Error when a variable that must be set is not.
 */
export const readCompose = (path: URL, env: Env): ComposeFile => {
  const raw = interpolated(parse(readFileSync(path, 'utf8'), { merge: true }), env) as ComposeFile
  const services = Object.entries(raw.services).map(([name, service]) => [
    name,
    { ...service, ...(service.environment === undefined ? {} : { environment: environmentOf(service.environment, env) }) },
  ])
  return { ...raw, services: Object.fromEntries(services) as ComposeFile['services'] }
}

/** Names of the variables a Compose file asks for, and of those without which it refuses. */
export const variablesIn = (path: URL): { readonly all: readonly string[]; readonly required: readonly string[] } => {
  const text = readFileSync(path, 'utf8').replaceAll(/^ *#.*$/gm, '')
  const found = [...text.matchAll(variable)]
  const names = (of: readonly RegExpMatchArray[]): string[] => [...new Set(of.map(([, name = '']) => name))].sort()
  return { all: names(found), required: names(found.filter(([, , sort]) => sort === '?')) }
}
