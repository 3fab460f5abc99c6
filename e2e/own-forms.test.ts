import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openHouse, providersAt, type Row, type RunningHouse } from './support/house.js'
import { jsonHeaders, send, type Answer } from './support/send.js'

// Answers of Ollama's own API and of Cohere that end early, or cost what is billed, through the whole house.

const line = (value: object): string => `${JSON.stringify({ model: 'llama3', created_at: '2026-01-01T00:00:00Z', ...value })}\n`
const first = line({ message: { role: 'assistant', content: 'Hello' }, done: false })
const last = line({
  message: { role: 'assistant', content: '' },
  done: true,
  done_reason: 'stop',
  prompt_eval_count: 11,
  eval_count: 2,
})
const event = (value: { type: string } & Record<string, unknown>): string =>
  `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`
const delta = event({ type: 'content-delta', index: 0, delta: { message: { content: { text: 'Hello' } } } })
const lines = 'application/x-ndjson'
const events = 'text/event-stream'

interface Played {
  readonly type: string
  readonly body: string
  readonly gzip?: boolean
}
const played: Readonly<Record<string, Played>> = {
  whole: { type: lines, body: first + last },
  'on a line': { type: lines, body: first },
  'in a line': { type: lines, body: first + last.slice(0, 20) },
  'gzip whole': { type: lines, body: first + last, gzip: true },
  'gzip cut': { type: lines, body: first, gzip: true },
  'on an event': { type: events, body: delta },
}

let upstream: Server
let house: RunningHouse

beforeAll(async () => {
  upstream = createServer((req, res) => {
    req.resume()
    const found = played[String(req.headers['x-play'])]
    if (found === undefined) return void res.writeHead(404).end()
    res.writeHead(200, { 'content-type': found.type, ...(found.gzip === true ? { 'content-encoding': 'gzip' } : {}) })
    // Chunked, as a stream is: without a promised length.
    res.write(found.gzip === true ? gzipSync(found.body) : found.body, () => res.end())
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  house = await openHouse({
    yaml: providersAt(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, ['cohere', 'ollama']),
  })
})
afterAll(async () => {
  await house?.stop()
  upstream?.closeAllConnections()
  upstream?.close()
})

const play = async (path: string, name: string): Promise<{ answer: Answer; row: Row }> => {
  const answer = await send(`${house.proxy}${path}`, {
    method: 'POST',
    headers: { ...jsonHeaders, 'x-play': name },
    // Ollama streams without being asked to.
    body: JSON.stringify({
      model: 'llama3',
      messages: [{ role: 'user', content: 'Hi' }],
      ...(path.includes('ollama') ? {} : { stream: true }),
    }),
  })
  return { answer, row: await house.row(answer.id) }
}

test.each(['whole', 'gzip whole'])('Ollama, %s: counted, and without a price', async (name) => {
  const { answer, row } = await play('/ollama/api/chat', name)
  expect(answer.end).toBe('clean')
  expect(row).toMatchObject({
    outcome: 'complete',
    usageSource: 'wire',
    inputTokens: 11,
    outputTokens: 2,
    costStatus: 'unpriced',
    cost: null,
  })
})

test('Ollama, ended on a line: our error is the last line', async () => {
  const { answer, row } = await play('/ollama/api/chat', 'on a line')
  expect(answer.end).toBe('clean')
  const [head, tail] = answer.bytes.toString().split('\n')
  expect(`${head}\n`).toBe(first)
  expect(JSON.parse(tail ?? '')).toMatchObject({ code: 'upstream_reset' })
  expect(row).toMatchObject({ outcome: 'upstream_abort', usageSource: 'estimated', usageReason: 'cut' })
})

test('Ollama, ended in a line: never a clean end', async () => {
  const { answer, row } = await play('/ollama/api/chat', 'in a line')
  expect(answer.end).toBe('broken')
  expect(answer.bytes.toString()).toBe(first + last.slice(0, 20))
  expect(row).toMatchObject({ outcome: 'upstream_abort', usageReason: 'cut' })
})

test('Ollama, encoded and ended early: the row alone tells', async () => {
  const { answer, row } = await play('/ollama/api/chat', 'gzip cut')
  expect(answer.end).toBe('clean')
  expect(row).toMatchObject({ outcome: 'upstream_abort', usageReason: 'cut' })
})

test('Cohere, ended on an event: the end of a generation that failed; version 1 is cut', async () => {
  const { answer, row } = await play('/cohere/v2/chat', 'on an event')
  expect(answer.end).toBe('clean')
  const told = answer.bytes.toString().slice(delta.length)
  expect(told).toMatch(/^event: message-end\ndata: \{.*"finish_reason":"ERROR".*\}\n\n$/)
  expect(row).toMatchObject({ outcome: 'upstream_abort', usageReason: 'cut' })
  const old = await play('/cohere/v1/chat', 'on an event')
  expect(old.answer.end).toBe('broken')
  expect(old.answer.bytes.toString()).toBe(delta)
})
