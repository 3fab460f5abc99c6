import type { Condition } from './filter-sql.js'

/**
 * Free text as a condition over `requests`: the whole text in a preview, whatever the case, or all of its words in one body by the
 * bodies' text index. Needs the parameters of `within` over rows: bodies are looked through in the same period.
 */
export const searchSql = (text: string): Condition => {
  if (text.trim() === '') return { sql: '1', params: {} }
  const inPreview =
    'positionCaseInsensitiveUTF8(input_preview, {q:String}) > 0 OR positionCaseInsensitiveUTF8(output_preview, {q:String}) > 0'
  // Words are what the index knows: runs of letters and digits. Without one, every body would match.
  const hasWord = /[A-Za-z0-9\u0080-\u{10ffff}]/u.test(text)
  const inBody = `request_id IN (SELECT request_id FROM request_bodies
    WHERE tenant_id = {tenant:String} AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}
    AND (hasAllTokens(request_body, {q:String}) OR hasAllTokens(response_body, {q:String})) ORDER BY ts DESC LIMIT 100000)`
  return { sql: `(${hasWord ? `${inPreview} OR ${inBody}` : inPreview})`, params: { q: text.trim() } }
}
