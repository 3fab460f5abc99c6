import type { Family } from '../registry.js'
import { GeminiSession } from './gemini.js'
import { OpenAiSession } from './openai.js'
import type { SessionReader } from './session.js'

/**
 * The reader for a session of this wire family.
 *
 * @param path Path and query at the provider: `?model=` (OpenAI), `?deployment=` (Azure) name the model.
 */
export const readSession = (family: Family, path: string): SessionReader =>
  family === 'gemini' ? new GeminiSession(modelInQuery(path)) : new OpenAiSession(modelInQuery(path))

/** The model a session's URL asks for; `null` where it is named in the session itself. */
export const modelInQuery = (path: string): string | null => {
  const cut = path.indexOf('?')
  const query = new URLSearchParams(cut < 0 ? '' : path.slice(cut))
  return (query.get('model') ?? query.get('deployment') ?? '').slice(0, 256) || null
}
