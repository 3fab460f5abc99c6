import { expect, test } from 'vitest'
import { outputLimit } from './output-limit.js'

test.each<readonly [unknown, number | null]>([
  [{ max_tokens: 100 }, 100],
  [{ max_completion_tokens: 200 }, 200],
  [{ max_tokens: 100, max_completion_tokens: 200 }, 200],
  [{ max_output_tokens: 300 }, 300],
  [{ generationConfig: { temperature: 1, maxOutputTokens: 400 } }, 400],
  [{ inferenceConfig: { maxTokens: 500 } }, 500],
  [{ textGenerationConfig: { maxTokenCount: 600 } }, 600],
  [{ options: { num_predict: 700 } }, 700],
  [{ max_tokens: 12.9 }, 12],
  [{}, null],
  [{ max_tokens: null }, null],
  [{ max_tokens: '100' }, null],
  [{ max_tokens: -1 }, null],
  [{ max_tokens: 0 }, null],
  [{ options: { num_predict: -1 } }, null],
  [{ generationConfig: [] }, null],
  [{ metadata: { max_tokens: 5 } }, null],
  [{ messages: [{ content: 'max_tokens: 5' }] }, null],
])('%j', (body, limit) => expect(outputLimit(Buffer.from(JSON.stringify(body)))).toBe(limit))

test('what is no JSON object says nothing', () => {
  for (const text of ['', 'max', '[{"max_tokens":1}]', '"max_tokens"', '{"max_tokens":'])
    expect(outputLimit(Buffer.from(text))).toBeNull()
})

test('a body of which only the head is held, and one that is very deep', () => {
  expect(outputLimit(Buffer.from(`{"max_tokens":7,"messages":[{"content":"${'a'.repeat(2 ** 20)}`))).toBe(7)
  expect(outputLimit(Buffer.from(`{"x":${'['.repeat(100_000)}${']'.repeat(100_000)},"max_tokens":8}`))).toBe(8)
})
