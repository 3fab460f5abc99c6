/** What an error of the client's was made of; of several that came together, the first. */
const within = (error: Error): unknown => error.cause ?? (error as { errors?: readonly unknown[] }).errors?.[0]

/** An error of the client's, with those it was made of. */
const chain = (cause: unknown): readonly Error[] => {
  const all: Error[] = []
  for (let at: unknown = cause; at instanceof Error && !all.includes(at); at = within(at)) all.push(at)
  return all
}

const typeOf = (errors: readonly Error[]): string =>
  errors.map((error) => (error as { type?: unknown }).type).find((type) => typeof type === 'string') ?? ''

const notAllowed = new Set(['TOPIC_AUTHORIZATION_FAILED', 'GROUP_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED'])

/**
 * Why Kafka cannot be used, in one sentence that says what to look at where that is known.
 *
 * @param cause What the client threw.
 */
export const whyOf = (cause: unknown): string => {
  const errors = chain(cause)
  const innermost = errors.at(-1)
  if (innermost === undefined) return String(cause)
  const said = innermost.message.trim().replace(/[.:]$/, '')
  const named = (name: string): boolean => errors.some((error) => error.name === name)
  if (named('KafkaJSSASLAuthenticationError')) return `The brokers refuse the user of kafka.sasl in weir.yaml (${said}).`
  if (notAllowed.has(typeOf(errors))) return `The user of kafka.sasl in weir.yaml may not do this (${said}).`
  // An alert comes from the other side: what it does not like is ours, or that there is none.
  const alert = /alert (bad certificate|unknown ca|certificate (?:required|unknown|expired|revoked))/i.exec(said)?.[1]
  if (alert !== undefined)
    return `The brokers do not take our certificate, or ask for one (${alert}). kafka.ssl.cert and kafka.ssl.certKey of weir.yaml name it.`
  if (/certificate|self.signed|altnames|unable to get|wrong version number|ssl3?_|SSL routines|tlsv1|EPROTO/i.test(said))
    return `No TLS with the brokers: ${said}. kafka.ssl of weir.yaml says whether there is, and whose certificates are trusted.`
  if (named('KafkaJSConnectionError') || named('KafkaJSConnectionClosedError') || named('KafkaJSRequestTimeoutError'))
    return `No broker of KAFKA_BROKERS answers (${said}).`
  return `${said}.`
}
