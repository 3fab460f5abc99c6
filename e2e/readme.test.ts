import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfigFile } from '../core/config/parse.js'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'
import { runCurl } from './support/shell-snippet.js'

// Every snippet of README.md is run as it stands; the addresses are those of this house.

const root = fileURLToPath(new URL('..', import.meta.url))
const python = process.env.WEIR_TEST_PYTHON ?? null
const run = promisify(execFile)

interface Snippet {
  readonly language: string
  readonly text: string
  /** The line of README.md it begins in. */
  readonly line: number
}
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const snippets: readonly Snippet[] = [...readme.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map((found) => ({
  language: found[1] ?? '',
  text: found[2] ?? '',
  line: readme.slice(0, found.index).split('\n').length,
}))
const named = (wanted: (snippet: Snippet) => boolean): (readonly [string, Snippet])[] =>
  snippets
    .filter(wanted)
    .map((snippet) => [`line ${snippet.line}: ${snippet.text.trim().split('\n')[0] ?? ''}`, snippet] as const)
const isCommand = ({ language, text }: Snippet): boolean => language === 'sh' && text.startsWith('npx weir ')
const isCurl = ({ language, text }: Snippet): boolean => language === 'sh' && text.includes('curl ')
/** What other tests run: setting up, starting, a destination by its variable. */
const elsewhere = ['npm ci && npm start', 'npm ci && npm test', 'OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 npm start']

const keys = {
  OPENAI_API_KEY: 'sk-proj-readme',
  ANTHROPIC_API_KEY: 'sk-ant-readme',
  GROQ_API_KEY: 'gsk_readme',
  GEMINI_API_KEY: 'AIza-readme',
  WEIR_KEY: 'sk-weir-readme-0123456789',
  HELICONE_API_KEY: 'sk-helicone-readme-1234567',
  LANGFUSE_AUTH: 'bGFuZ2Z1c2U=',
}

let fake: FakeProvider
let house: RunningHouse
let folder: string
beforeAll(async () => {
  fake = await startFakeProvider()
  house = await openHouse({ yaml: providersAt(fake.origin, ['openai', 'anthropic', 'gemini', 'groq']) })
  // Where the SDKs are found.
  mkdirSync(join(root, '.cache'), { recursive: true })
  folder = mkdtempSync(join(root, '.cache', 'readme-'))
})
afterAll(async () => {
  await house?.stop()
  await fake?.close()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})

const addresses = (): readonly (readonly [string, string])[] => [
  ['http://127.0.0.1:8787', house.proxy],
  ['http://127.0.0.1:8123', house.sql],
  ['port=8123', `port=${new URL(house.sql).port}`],
]
const moved = (text: string): string => addresses().reduce((all, [from, to]) => all.replaceAll(from, to), text)
const callsDuring = async (act: () => Promise<unknown>): Promise<number> => {
  const before = fake.total()
  await act()
  return fake.total() - before
}

test('every snippet is run by this test or another', () => {
  expect(snippets.length).toBeGreaterThan(15)
  for (const snippet of snippets)
    expect(
      isCurl(snippet) ||
        isCommand(snippet) ||
        ['ts', 'python', 'sql', 'yaml'].includes(snippet.language) ||
        elsewhere.includes(snippet.text.trim()),
      `line ${snippet.line}`,
    ).toBe(true)
})

test.each(named(isCurl))('sh, %s', async (_, { text }) => {
  const isCall = text.includes(':8787') && !text.includes('/weir/test')
  let answered = 0
  const calls = await callsDuring(async () => {
    const answer = await runCurl(text, addresses(), keys)
    answered = answer.status
    expect(answer.headers.get('weir-warning')).toBeUndefined()
    if (text.includes('/weir/test'))
      expect(answer.json<{ targets: unknown }>().targets).toMatchObject([{ provider: 'anthropic', model: 'claude-haiku-4-5' }])
  })
  expect({ answered, calls }).toEqual({ answered: 200, calls: isCall ? 1 : 0 })
})

test.each(named(isCommand))('sh, %s', async (_, { text }) => {
  const { stdout } = await run(
    'sh',
    ['-c', text.replace('npx weir', `"${process.execPath}" "${join(root, 'dist', 'cli', 'main.js')}"`)],
    {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '' },
    },
  )
  const [, key = '', digest = ''] = /^(sk-weir-\S+)\n[^]*sha256: "?([0-9a-f]{64})/.exec(stdout) ?? []
  expect(createHash('sha256').update(key).digest('hex')).toBe(digest)
})

/** What a snippet that only makes a client is followed by. */
const firstCalls = {
  "from 'openai'": `const answer = await client.chat.completions.create({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'Hello' }] })
console.log(answer.choices[0].message.content)`,
  "from '@anthropic-ai/sdk'": `const answer = await client.messages.create({ model: 'claude-haiku-4-5', max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }] })
console.log(answer.content[0].text)`,
  "from '@google/genai'": `const answer = await client.models.generateContent({ model: 'gemini-2.5-flash', contents: 'Hello' })
console.log(answer.text)`,
  'from openai import': `answer = client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "Hello"}])
print(answer.choices[0].message.content)`,
  'from anthropic import': `answer = client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": "Hello"}])
print(answer.content[0].text)`,
  'import clickhouse_connect': '',
} as const
const followUp = (text: string): string => {
  const found = Object.entries(firstCalls).find(([mark]) => text.includes(mark))
  if (found === undefined) throw new Error(`No call is known that would follow:\n${text}`)
  return found[1]
}

test.each(named(({ language }) => language === 'ts'))('ts, %s', async (_, { text }) => {
  const file = join(folder, 'snippet.mts')
  writeFileSync(file, `${moved(text)}\n${followUp(text)}\n`)
  let said = ''
  const calls = await callsDuring(async () => {
    const { stdout } = await run(process.execPath, ['--import', 'tsx', file], {
      cwd: root,
      env: { PATH: process.env.PATH ?? '', ...keys },
      timeout: 60_000,
    })
    said = stdout
  })
  expect(said.trim().length).toBeGreaterThan(20)
  expect(calls).toBe(1)
  expect(fake.seen.at(-1)?.headers['weir-user-id']).toBeUndefined()
})

describe.skipIf(python === null)('python (WEIR_TEST_PYTHON is set)', () => {
  test.each(named(({ language }) => language === 'python'))('python, %s', async (_, { text }) => {
    const isSql = text.includes('clickhouse_connect')
    let said = ''
    const calls = await callsDuring(async () => {
      const { stdout } = await run(python ?? '', ['-c', `${moved(text)}\n${followUp(text)}\n`], {
        env: { PATH: process.env.PATH ?? '', NO_PROXY: '127.0.0.1,localhost', ...keys },
        timeout: 60_000,
      })
      said = stdout
    })
    expect(said.trim()).not.toBe('')
    expect(calls).toBe(isSql ? 0 : 1)
  })
})

test.each(named(({ language }) => language === 'sql'))('sql, %s', async (_, { text }) => {
  await house.caughtUp()
  expect((await house.query(text.trim())).length).toBeGreaterThan(0)
})

test.each(named(({ language }) => language === 'yaml'))('yaml, %s', async (_, { text }) => {
  parseConfigFile({ path: 'weir.yaml', text }, keys)
  // The command says the same, and with more than the schema: names that must exist.
  writeFileSync(join(folder, 'weir.yaml'), text)
  const { stdout } = await run(process.execPath, [join(root, 'dist', 'cli', 'main.js'), 'config', '--check'], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', ...keys },
  })
  expect(stdout).toContain('in order')
})

test('no call of these went wrong, and each has its row', async () => {
  await house.caughtUp()
  const rows = await house.rows('1')
  const calling = snippets.filter(
    ({ language, text }) =>
      (language === 'sh' && text.includes('curl ') && text.includes(':8787') && !text.includes('/weir/test')) ||
      language === 'ts' ||
      (language === 'python' && python !== null && !text.includes('clickhouse_connect')),
  )
  expect(rows).toHaveLength(calling.length)
  expect(rows.map(({ status, outcome }) => `${status} ${outcome}`)).toEqual(rows.map(() => '200 complete'))
  expect(rows.filter(({ userId }) => userId === 'ada').length).toBeGreaterThan(4)
})
