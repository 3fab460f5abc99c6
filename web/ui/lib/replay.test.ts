import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { curlOf, openAiCallOf } from './replay.js'

const proxy = 'http://127.0.0.1:8787'
const chat = { provider: 'openai', api: 'chat', endpoint: 'POST /openai/v1/chat/completions' }

test('curl names the key, and never holds one', () => {
  expect(curlOf(proxy, chat, '{"model":"gpt-5"}')).toBe(
    `curl 'http://127.0.0.1:8787/openai/v1/chat/completions' \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model":"gpt-5"}'`,
  )
  const anthropic = curlOf(proxy, { provider: 'anthropic', api: 'messages', endpoint: 'POST /anthropic/v1/messages' }, '{}')
  expect(anthropic).toContain('-H "x-api-key: $ANTHROPIC_API_KEY"')
  expect(anthropic).toContain('-H "anthropic-version: 2023-06-01"')
  expect(curlOf(proxy, { provider: 'my-vllm', api: '', endpoint: 'GET /v1/models' }, null)).toContain('-X GET')
})

test('a body cannot break out of its quotes: the shell hands over exactly what was stored', () => {
  const body = `{"content":"it's $(touch /tmp/x) \`id\` \\" \n 🦊"}`
  const command = curlOf(proxy, chat, body).replace(/^curl/, 'printf %s\\\\0')
  const words = execFileSync('sh', ['-c', command], { encoding: 'utf8', env: { PATH: process.env.PATH } }).split('\0')
  expect(words).toContain(body)
})

test('the SDK call keeps the root of the provider', () => {
  const code = openAiCallOf(
    proxy,
    { provider: 'groq', api: 'chat', endpoint: 'POST /groq/openai/v1/chat/completions' },
    '{"model":"llama"}',
  )
  expect(code).toContain('baseURL: "http://127.0.0.1:8787/groq/openai/v1"')
  expect(code).toContain('process.env.GROQ_API_KEY')
  expect(code).toContain('openai.chat.completions.create({\n  "model": "llama"\n})')
})

test('no SDK call for what the SDK does not speak, or for a body that was cut', () => {
  expect(openAiCallOf(proxy, { provider: 'anthropic', api: 'messages', endpoint: 'POST /v1/messages' }, '{}')).toBeNull()
  expect(openAiCallOf(proxy, chat, '{"model":')).toBeNull()
  expect(openAiCallOf(proxy, chat, null)).toBeNull()
})
