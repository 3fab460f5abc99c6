import { expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import { post, startTestProxy, type TestProxy } from '../obtain/cache/testing.js'

// Unified paths that are no chat (headers.md §2.3), through a running proxy.

const open = async (): Promise<{ a: FakeProvider; b: FakeProvider; proxy: TestProxy }> => {
  const [a, b] = [await startFakeProvider(), await startFakeProvider()]
  for (const fake of [a, b]) onTestFinished(() => fake.close())
  const proxy = await startTestProxy(a.origin, { yaml: `  groq: { origin: "${b.origin}", key: of-groq }\n` })
  return { a, b, proxy }
}

test.each([
  ['/v1/images/generations', { model: 'groq/m', prompt: 'A weir' }, '/openai/v1/images/generations', 'images'],
  ['/v1/audio/speech', { model: 'groq/m', input: 'Grüße', voice: 'alloy' }, '/openai/v1/audio/speech', 'speech'],
  ['/ai/v1/embeddings', { model: 'm/groq', input: 'x' }, '/openai/v1/embeddings', 'embeddings'],
  ['/ai/moderations?x=1', { model: 'm/groq', input: 'x' }, '/openai/v1/moderations?x=1', 'moderations'],
  ['/v1/responses', { model: 'openai/x, groq/m, !openai', input: 'x' }, '/openai/v1/responses', 'responses'],
])('%s: the model decides', async (path, body, there, api) => {
  const { a, b, proxy } = await open()
  const got = await post(proxy.port, { path, body: JSON.stringify(body) })
  expect([got.status, a.total()]).toEqual([200, 0])
  expect(b.seen[0]?.path).toBe(there)
  expect(JSON.parse(b.seen[0]?.body ?? '')).toEqual({ ...body, model: 'm' })
  const end = await proxy.end(got.id)
  expect(end).toMatchObject({ provider: 'groq', api, requestModel: 'm' })
  if (api === 'speech') expect(end.priceFacts).toEqual({ characters: 5 })
})

test('a form goes to the default provider, whatever its model, byte for byte', async () => {
  const { a, b, proxy } = await open()
  const body = '--x\r\ncontent-disposition: form-data; name="model"\r\n\r\ngroq/whisper\r\n--x--\r\n'
  const got = await post(proxy.port, {
    path: '/v1/audio/transcriptions',
    body,
    headers: { 'content-type': 'multipart/form-data; boundary=x' },
  })
  expect([got.status, b.total()]).toEqual([200, 0])
  expect(a.seen[0]).toMatchObject({ path: '/v1/audio/transcriptions', body })
  expect(await proxy.end(got.id)).toMatchObject({
    provider: 'openai',
    api: 'transcription',
    requestModel: 'groq/whisper',
    altered: [],
  })
})

test.each([
  [{}, '[]', 'bad_body', 'it must be a JSON object with a "model"'],
  [{}, '{"model"', 'bad_body', 'it must be a JSON object with a "model"'],
  [{}, '{}', 'unknown_model', 'The body names no "model"'],
  [{}, '{"model":7}', 'unknown_model', 'The body names no "model"'],
  [{}, '', 'unknown_model', 'The body names no "model"'],
  [{ 'content-encoding': 'gzip' }, 'x', 'bad_body', 'it must not be encoded'],
])('%j %s: 400 %s', async (headers, body, code, message) => {
  const { a, b, proxy } = await open()
  const got = await post(proxy.port, { path: '/v1/chat/completions', headers, body })
  expect([got.status, got.headers['weir-error'], a.total(), b.total()]).toEqual([400, code, 0, 0])
  expect((JSON.parse(got.bytes.toString()) as { error: { message: string } }).error.message).toContain(message)
})
