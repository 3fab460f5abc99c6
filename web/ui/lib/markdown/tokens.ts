import { lexer, type Token } from 'marked'

/** Beyond this many characters the lexer could hold up the page. */
const most = 100_000

/**
 * Untrusted text as markdown tokens.
 *
 * @returns `null` when it is to be shown as it is: too long, or nested so deeply that the lexer runs out of stack (3,000 `>` do).
 */
export const tokensOf = (text: string): readonly Token[] | null => {
  if (text.length > most) return null
  try {
    return lexer(text, { gfm: true, breaks: true })
  } catch {
    return null
  }
}
