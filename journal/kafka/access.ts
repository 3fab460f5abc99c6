import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Config } from '../../core/config.js'
import type { KafkaAccess } from './client.js'

/**
 * How the brokers of a configuration are reached; `null` = it names none.
 *
 * @param role Stands in the brokers' logs: `weir-proxy-<host>`.
 * @throws Error when a certificate cannot be read.
 */
export const kafkaAccess = (
  { kafkaBrokers, kafka: { ssl, sasl } }: Pick<Config, 'kafkaBrokers' | 'kafka'>,
  role: string,
): KafkaAccess | null => {
  if (kafkaBrokers === null) return null
  const pem = (path: string | undefined): string | undefined => (path === undefined ? undefined : readFileSync(path, 'utf8'))
  return {
    brokers: kafkaBrokers,
    ssl: typeof ssl === 'boolean' ? ssl : { ca: pem(ssl.ca), cert: pem(ssl.cert), key: pem(ssl.certKey) },
    sasl,
    clientId: `weir-${role}-${hostname()}`,
  }
}
