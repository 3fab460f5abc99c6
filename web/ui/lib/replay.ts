import type { RequestDetail } from '../../api/contract.js'

type Called = Pick<RequestDetail, 'provider' | 'endpoint' | 'api'>

const inShell = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
const envName = (provider: string): string => `${provider.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}_API_KEY`

const credential = ({ provider, api }: Called): readonly string[] => {
  const key = `$${envName(provider)}`
  if (api === 'messages' || api === 'count_tokens') return [`x-api-key: ${key}`, 'anthropic-version: 2023-06-01']
  if (api === 'generate_content' || api === 'embed_content' || api === 'count_content_tokens') return [`x-goog-api-key: ${key}`]
  return [`Authorization: Bearer ${key}`]
}

/**
 * The call as a curl command through the proxy, by the path the caller used. Keys are names of environment variables: the real one was never stored.
 *
 * @param body Text of the request as stored; `null` when there is none.
 */
export const curlOf = (proxy: string, call: Called, body: string | null): string => {
  const [method = 'POST', path = '/'] = call.endpoint.split(' ')
  const lines = [`curl ${inShell(proxy + path)}`, ...(method === 'POST' && body !== null ? [] : [`-X ${method}`])]
  lines.push(...credential(call).map((header) => `-H "${header}"`))
  if (body !== null) lines.push('-H "Content-Type: application/json"', `-d ${inShell(body)}`)
  return lines.join(' \\\n  ')
}

const methods: Readonly<Record<string, string>> = {
  chat: 'openai.chat.completions.create',
  completions: 'openai.completions.create',
  responses: 'openai.responses.create',
  embeddings: 'openai.embeddings.create',
}

/**
 * The call with the OpenAI SDK for TypeScript.
 *
 * @returns `null` when the SDK does not speak this API, or the stored body is no whole JSON object.
 */
export const openAiCallOf = (proxy: string, call: Called, body: string | null): string | null => {
  const method = methods[call.api]
  if (method === undefined || body === null) return null
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    return null
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed)) return null
  const root = call.endpoint.split(' ')[1]?.replace(/\/(chat\/completions|completions|responses|embeddings)$/, '') ?? '/v1'
  return `import OpenAI from 'openai'

const openai = new OpenAI({
  baseURL: ${JSON.stringify(proxy + root)},
  apiKey: process.env.${envName(call.provider)},
})

const reply = await ${method}(${JSON.stringify(parsed, null, 2)})
`
}
