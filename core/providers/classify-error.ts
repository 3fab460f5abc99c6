import type { AnswerError } from '../exchange.js'
import { toldByAnthropic } from './anthropic/errors.js'
import { toldByBedrock, typedError } from './bedrock/errors.js'
import { toldByCohere } from './cohere/errors.js'
import { errorText } from './error-text.js'
import { kindOfStatus } from './error-status.js'
import { listAt, objectAt, textAt } from './json-text.js'
import { toldByGoogle } from './gemini/errors.js'
import { toldByOllama } from './ollama/errors.js'
import { toldByOpenAi } from './openai-chat/errors.js'
import type { Told } from './told-error.js'

interface Answered {
  readonly family: string
  readonly provider: string
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The body without content coding, as far as it was read. */
  readonly body: Uint8Array | string | null
}

const readers: readonly ((value: unknown) => Told | null)[] = [toldByAnthropic, toldByGoogle, toldByOpenAi]
const own: Readonly<Record<string, (value: unknown) => Told | null>> = {
  anthropic: toldByAnthropic,
  bedrock: toldByBedrock,
  cohere: toldByCohere,
  gemini: toldByGoogle,
  ollama: toldByOllama,
  'openai-chat': toldByOpenAi,
  'openai-responses': toldByOpenAi,
}

const told = (family: string, value: unknown): Told | null => {
  const first = (own[family] ?? toldByOpenAi)(value)
  if (first !== null && (first.kind !== '' || first.code !== '')) return first
  // A gateway in front may answer in another family's form.
  for (const reader of readers) {
    const found = reader(value)
    if (found !== null && found.kind !== '') return found
  }
  return first
}

/** An error that is no object of its own: `{message}`, `{detail}` (FastAPI, problem details); only believed under an error status. */
const plainly = (value: unknown): Told | null => {
  const message = textAt(value, 'message') ?? textAt(value, 'detail') ?? textAt(objectAt(value, 'detail'), 'error')
  if (message !== null) return { kind: '', code: '', message }
  const details = listAt(value, 'detail').map((detail) => textAt(detail, 'msg') ?? '')
  return details.length === 0 ? null : { kind: '', code: '', message: details.join('; ') }
}

/**
 * What an error answer means, in the kinds of routing.md §3. The body decides before the status.
 *
 * @param value A parsed body or event.
 * @param status Of the answer; below 400 for an error inside a stream.
 * @returns `null` when neither tells of an error.
 */
export const errorIn = (family: string, status: number, value: unknown): AnswerError | null => {
  const found = told(family, value) ?? (status >= 400 ? plainly(value) : null)
  if (found === null) return null
  const kind = found.kind !== '' ? found.kind : status >= 400 ? kindOfStatus(status) : 'server'
  return { kind, code: found.code === '' && status >= 400 ? String(status) : found.code, message: errorText(found.message) }
}

/** The error of a status answer whose body tells nothing. */
export const errorOfStatus = (status: number, text = ''): AnswerError => ({
  kind: kindOfStatus(status),
  code: String(status),
  message: errorText(text),
})

/** Classifies a status answer from its bytes; for an answer that is not an error the kind is empty. */
export const classifyError = ({ family, status, headers, body }: Answered): AnswerError => {
  const text =
    body === null ? '' : typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()
  const type = headers['x-amzn-errortype']
  let value: unknown
  try {
    value = text === '' ? undefined : JSON.parse(text)
  } catch {
    // Not JSON: a proxy's HTML page or plain text. Its status says the kind.
  }
  const found = errorIn(family, status, typeof type === 'string' ? typedError(type, value) : value)
  if (found !== null) return value === undefined ? { ...found, message: errorText(text.slice(0, 1000)) } : found
  return errorOfStatus(status, text.slice(0, 1000))
}
