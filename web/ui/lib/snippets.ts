/** Code to paste. `marks` are the words that make it go through Weir: lines that hold one are set apart. */
export interface Snippet {
  readonly id: string
  readonly label: string
  readonly language: string
  readonly code: string
}

/** A base URL per provider: what goes where the provider's own address stood. */
export const baseUrls = (proxy: string): readonly { provider: string; url: string; note: string }[] => [
  { provider: 'OpenAI', url: `${proxy}/openai/v1`, note: 'chat completions, Responses, embeddings, and the rest of the API' },
  { provider: 'Anthropic', url: `${proxy}/anthropic`, note: 'Messages; the SDK adds /v1 itself' },
  { provider: 'Gemini', url: `${proxy}/gemini`, note: 'generateContent; the SDK adds /v1beta itself' },
  {
    provider: 'Any other',
    url: `${proxy}/<provider>/v1`,
    note: 'groq, mistral, deepseek, openrouter, xai, together, ollama, your own',
  },
  { provider: 'One for all', url: `${proxy}/v1`, note: 'the model names the provider: anthropic/claude-sonnet-4-6' },
]

/** The same first call with every common client, through the proxy at this address. */
export const snippets = (proxy: string): readonly Snippet[] => [
  {
    id: 'openai-ts',
    label: 'OpenAI · TypeScript',
    language: 'TypeScript',
    code: `import OpenAI from 'openai'

const openai = new OpenAI({
  baseURL: '${proxy}/openai/v1',
  defaultHeaders: { 'Weir-User-Id': 'ada', 'Weir-Property-Feature': 'search' },
})

const reply = await openai.chat.completions.create({
  model: 'gpt-5-mini',
  messages: [{ role: 'user', content: 'Say hello to Weir.' }],
})
console.log(reply.choices[0].message.content)`,
  },
  {
    id: 'openai-py',
    label: 'OpenAI · Python',
    language: 'Python',
    code: `from openai import OpenAI

openai = OpenAI(
    base_url="${proxy}/openai/v1",
    default_headers={"Weir-User-Id": "ada", "Weir-Property-Feature": "search"},
)

reply = openai.chat.completions.create(
    model="gpt-5-mini",
    messages=[{"role": "user", "content": "Say hello to Weir."}],
)
print(reply.choices[0].message.content)`,
  },
  {
    id: 'anthropic-ts',
    label: 'Anthropic · TypeScript',
    language: 'TypeScript',
    code: `import Anthropic from '@anthropic-ai/sdk'

const anthropic = new Anthropic({
  baseURL: '${proxy}/anthropic',
  defaultHeaders: { 'Weir-User-Id': 'ada', 'Weir-Property-Feature': 'search' },
})

const reply = await anthropic.messages.create({
  model: 'claude-sonnet-4-6',
  max_tokens: 256,
  messages: [{ role: 'user', content: 'Say hello to Weir.' }],
})
console.log(reply.content)`,
  },
  {
    id: 'anthropic-py',
    label: 'Anthropic · Python',
    language: 'Python',
    code: `from anthropic import Anthropic

anthropic = Anthropic(
    base_url="${proxy}/anthropic",
    default_headers={"Weir-User-Id": "ada", "Weir-Property-Feature": "search"},
)

reply = anthropic.messages.create(
    model="claude-sonnet-4-6",
    max_tokens=256,
    messages=[{"role": "user", "content": "Say hello to Weir."}],
)
print(reply.content)`,
  },
  {
    id: 'gemini',
    label: 'Gemini',
    language: 'TypeScript',
    code: `import { GoogleGenAI } from '@google/genai'

const gemini = new GoogleGenAI({
  apiKey: process.env.GEMINI_API_KEY,
  httpOptions: {
    baseUrl: '${proxy}/gemini',
    headers: { 'Weir-User-Id': 'ada', 'Weir-Property-Feature': 'search' },
  },
})

const reply = await gemini.models.generateContent({
  model: 'gemini-2.5-flash',
  contents: 'Say hello to Weir.',
})
console.log(reply.text)`,
  },
  {
    id: 'curl',
    label: 'curl',
    language: 'Shell',
    code: `curl ${proxy}/openai/v1/chat/completions \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -H "Weir-User-Id: ada" \\
  -H "Weir-Property-Feature: search" \\
  -d '{"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Say hello to Weir."}]}'`,
  },
  {
    id: 'langchain',
    label: 'LangChain',
    language: 'Python',
    code: `from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    model="gpt-5-mini",
    base_url="${proxy}/openai/v1",
    default_headers={"Weir-User-Id": "ada", "Weir-Property-Feature": "search"},
)

print(model.invoke("Say hello to Weir.").content)`,
  },
  {
    id: 'vercel',
    label: 'Vercel AI SDK',
    language: 'TypeScript',
    code: `import { createOpenAI } from '@ai-sdk/openai'
import { generateText } from 'ai'

const openai = createOpenAI({
  baseURL: '${proxy}/openai/v1',
  headers: { 'Weir-User-Id': 'ada', 'Weir-Property-Feature': 'search' },
})

const { text } = await generateText({
  model: openai('gpt-5-mini'),
  prompt: 'Say hello to Weir.',
})
console.log(text)`,
  },
]

/** Whether a line is one of those that make the call go through Weir. */
export const isOurLine = (line: string, proxy: string): boolean => line.includes(proxy) || line.includes('Weir-')
