/**
 * Why Redis cannot be used, in a sentence that says what to look at where that is known.
 *
 * @param cause What the client told last; `null` = it said nothing.
 * @param url As it is asked for.
 */
export const redisFault = (cause: Error | null, url: string): string => {
  const isTls = url.startsWith('rediss:')
  if (cause === null) return 'it does not answer.'
  const said = cause.message.replace(/\.$/, '')
  if (/WRONGPASS|NOAUTH|invalid password|without any password/.test(said)) return `it refuses the user or the password (${said}).`
  if (/NOPERM/.test(said)) return `its user may not do this (${said}).`
  // What is no Redis ends one or the other way, as its bytes happen to come.
  if (/^(?:Protocol error|Unknown RESP type)/.test(said))
    return `what answers is no Redis, or speaks TLS (rediss://) (${said.slice(0, 80)}).`
  if (/wrong version number|EPROTO|SSL routines|packet length too long/i.test(said))
    return `it speaks no TLS there: redis:// instead of rediss:// (${said.slice(0, 120)}).`
  if (/certificate|self.signed|altnames/i.test(said)) return `its certificate is not trusted (${said}).`
  if (/EPIPE|ECONNRESET|Connection is closed/.test(said))
    return `it ends the connection (${said}): is it a Redis, ${isTls ? 'with' : 'without'} TLS?`
  if (isTls && said.includes('ETIMEDOUT')) return `it does not answer (${said}): does it speak TLS there, as rediss:// says?`
  return `it does not answer (${said}).`
}
