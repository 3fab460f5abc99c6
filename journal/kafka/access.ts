import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Config } from '../../core/config.js'
import { ConfigError } from '../../core/config/parse.js'
import type { KafkaAccess } from './client.js'

const pem = (name: string, path: string | undefined): string | undefined => {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ConfigError(`kafka.ssl.${name}: ${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? ''}).`)
  }
}

/**
 * How the brokers of a configuration are reached; `null` = it names none.
 *
 * @param role Stands in the brokers' logs: `weir-proxy-<host>`.
 * @throws ConfigError when a certificate cannot be read.
 */
export const kafkaAccess = (
  { kafkaBrokers, kafka: { ssl, sasl } }: Pick<Config, 'kafkaBrokers' | 'kafka'>,
  role: string,
): KafkaAccess | null => {
  if (kafkaBrokers === null) return null
  return {
    brokers: kafkaBrokers,
    ssl:
      typeof ssl === 'boolean' ? ssl : { ca: pem('ca', ssl.ca), cert: pem('cert', ssl.cert), key: pem('certKey', ssl.certKey) },
    sasl,
    clientId: `weir-${role}-${hostname()}`,
  }
}
