/** Why a Postgres cannot be used, in a sentence that says what to look at where that is known. */
export const postgresFault = (cause: unknown): string => {
  const { code = '', message } = cause as Error & { code?: string }
  const said = (message || code).replace(/\.$/, '')
  if (code === '28P01' || code === '28000' || /password/.test(said)) return `It refuses the user or the password (${said}).`
  if (code === '3D000') return `It has no database of that name: make it, or name another one (${said}).`
  if (code === '42501') return `Its user may not make tables (${said}).`
  if (/does not support SSL/.test(said)) return `It speaks no TLS: leave sslmode out (${said}).`
  if (/certificate|self.signed|altnames/i.test(said)) return `Its certificate is not trusted (${said}).`
  if (code.startsWith('E') || /timeout|ENOTFOUND|terminated/i.test(said)) return `It does not answer (${said}).`
  return `What answers there is no Postgres, or it cannot be used (${said}).`
}
