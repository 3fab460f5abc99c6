import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { StoredBody } from '../../core/exchange.js'
import { countCall, type CallToCount, type Counts } from './count-call.js'

/** One token a character, so that every figure can be added up by hand. */
const perChar = (text: string): number => text.length

const body = (value: unknown, more: Partial<StoredBody> = {}): StoredBody => ({
  bytes: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  encoding: null,
  truncated: false,
  ...more,
})
const counted = (more: Partial<CallToCount>): Counts =>
  countCall(
    {
      api: 'chat',
      model: 'gpt-4o',
      streaming: false,
      need: { input: true, output: true },
      request: null,
      response: null,
      reqBytes: more.request?.bytes.length ?? 0,
      resBytes: more.response?.bytes.length ?? 0,
      contentChars: 0,
      ...more,
    },
    perChar,
  )
const input = (request: unknown, more: Partial<CallToCount> = {}): Counts =>
  counted({ need: { input: true, output: false }, request: body(request), ...more })
const output = (response: unknown, more: Partial<CallToCount> = {}): Counts =>
  counted({ need: { input: false, output: true }, response: body(response), ...more })

/** A PNG's head of 512 x 512: 255 tokens for gpt-4o, 350 for Claude, 258 a crop of 341 for Gemini: 4 of them. */
const png = Buffer.concat([
  Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
  Buffer.from([0, 0, 2, 0, 0, 0, 2, 0, 8, 6, 0, 0, 0]),
]).toString('base64')

describe('input', () => {
  test('chat: the texts, 3 a message, 3', () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: [{ type: 'text', text: 'What is a weir?' }] },
    ]
    expect(input({ messages })).toEqual({ inputTokens: 9 + 15 + 3 * 3, outputTokens: null, notes: [] })
  })

  test('tools: their JSON, compact, however it was sent', () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }]
    const request = JSON.stringify({ messages: [{ role: 'user', content: 'hi' }], tools }, null, 2)
    expect(input(request).inputTokens).toBe(2 + 6 + JSON.stringify(tools).length)
    const functions = [{ name: 'f' }]
    expect(input({ messages: [{ role: 'user', content: 'hi' }], functions }).inputTokens).toBe(2 + 6 + 14)
  })

  test('tool calls and their results', () => {
    const messages = [
      { role: 'assistant', content: null, tool_calls: [{ id: 'c', function: { name: 'f', arguments: '{"x":1}' } }] },
      { role: 'tool', tool_call_id: 'c', content: 'done' },
    ]
    // f, {"x":1}, done, and three times three.
    expect(input({ messages }).inputTokens).toBe(1 + 7 + 4 + 9)
  })

  test('each family', () => {
    expect(
      input(
        { system: 'Be brief.', messages: [{ role: 'user', content: 'hi' }], tools: [{ name: 'f' }] },
        { api: 'messages', model: 'claude-sonnet-4-5' },
      ).inputTokens,
    ).toBe(9 + 2 + 9 + 14)
    expect(
      input(
        { systemInstruction: { parts: [{ text: 'Be brief.' }] }, contents: [{ role: 'user', parts: [{ text: 'hi' }] }] },
        { api: 'generate_content', model: 'gemini-2.5-flash' },
      ).inputTokens,
    ).toBe(9 + 2 + 9)
    expect(input({ instructions: 'Be brief.', input: 'hi' }, { api: 'responses' }).inputTokens).toBe(9 + 2 + 9)
    // No messages, nothing around them.
    expect(input({ prompt: 'hello' }, { api: 'completions' }).inputTokens).toBe(5)
    expect(input({ input: 'hello', voice: 'alloy', instructions: 'sad' }, { api: 'speech' })).toMatchObject({
      inputTokens: 8,
      notes: [],
    })
  })

  test.each([
    ['one text', { input: 'hello' }, 5],
    ['texts', { input: ['hello', 'you'] }, 8],
    ['token ids', { input: [1, 2, 3] }, 3],
    ['lists of token ids', { input: [[1, 2, 3], [4]] }, 4],
    ['texts of Cohere', { texts: ['hello'] }, 5],
    ['texts of Titan', { inputText: 'hello' }, 5],
    ['objects', { input: [{ text: 'hello' }] }, 5],
    ['nothing', { model: 'x' }, null],
  ])('embeddings: %s', (_, request, tokens) => {
    expect(input(request, { api: 'embeddings' }).inputTokens).toBe(tokens)
  })
  test('embeddings of Gemini', () => {
    expect(input({ content: { parts: [{ text: 'hello' }] } }, { api: 'embed_content' }).inputTokens).toBe(5)
    expect(
      input(
        { requests: [{ content: { parts: [{ text: 'a' }] } }, { content: { parts: [{ text: 'b' }] } }] },
        { api: 'embed_content' },
      ).inputTokens,
    ).toBe(2)
  })

  test('Bedrock Converse', () => {
    const converse = {
      system: [{ text: 'Be brief.' }],
      messages: [
        { role: 'user', content: [{ text: 'hi' }, { image: { format: 'png', source: { bytes: png } } }] },
        { role: 'assistant', content: [{ toolUse: { toolUseId: 't', name: 'f', input: { x: 1 } } }] },
        { role: 'user', content: [{ toolResult: { toolUseId: 't', content: [{ text: 'done' }] } }] },
      ],
      toolConfig: { tools: [{ toolSpec: { name: 'f' } }] },
      inferenceConfig: { maxTokens: 5 },
    }
    // Be brief., hi, f{"x":1}, done; four messages; a picture of 350; the tools.
    expect(input(converse, { api: 'converse', model: 'anthropic.claude-3-haiku' }).inputTokens).toBe(
      9 + 2 + 8 + 4 + 3 * 5 + 350 + JSON.stringify(converse.toolConfig.tools).length,
    )
  })

  test('a form that no conversation is read from', () => {
    expect(input({ model: 'm', input: 'hello' }, { api: 'unheard_of' }).inputTokens).toBe(5 + 6)
    const turns = [
      { role: 'user', content: [{ type: 'text', text: 'hi' }] },
      { role: 'model', content: 'hello' },
    ]
    expect(input({ input: turns, system_instruction: 'Be brief.' }, { api: 'unheard_of' }).inputTokens).toBe(2 + 5 + 9 + 6)
  })

  const dataUrl = `data:image/png;base64,${png}`
  test.each([
    [
      'openai chat',
      'chat',
      'gpt-4o',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: dataUrl } }] }] },
      6 + 255,
    ],
    [
      'openai chat, low',
      'chat',
      'gpt-4o',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: dataUrl, detail: 'low' } }] }] },
      6 + 85,
    ],
    [
      'responses',
      'responses',
      'gpt-4o',
      { input: [{ role: 'user', content: [{ type: 'input_image', image_url: dataUrl }] }] },
      6 + 255,
    ],
    [
      'anthropic',
      'messages',
      'claude-sonnet-4-5',
      {
        messages: [
          { role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } }] },
        ],
      },
      6 + 350,
    ],
    [
      'anthropic, in the result of a tool',
      'messages',
      'claude-sonnet-4-5',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 't', content: [{ type: 'image', source: { type: 'base64', data: png } }] },
            ],
          },
        ],
      },
      6 + '[media]'.length + 350,
    ],
    [
      'gemini',
      'generate_content',
      'gemini-2.5-flash',
      { contents: [{ role: 'user', parts: [{ inlineData: { mimeType: 'image/png', data: png } }] }] },
      6 + 4 * 258,
    ],
    [
      'gemini, in the other spelling',
      'generate_content',
      'gemini-2.5-flash',
      { contents: [{ role: 'user', parts: [{ inline_data: { mime_type: 'image/png', data: png } }] }] },
      6 + 4 * 258,
    ],
  ])('a picture that tells its size: %s', (_, api, model, request, tokens) => {
    expect(input(request, { api, model })).toEqual({ inputTokens: tokens, outputTokens: null, notes: [] })
  })

  test.each([
    ['a picture by its address', { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }],
    ['a picture that tells no size', { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
    ['sound', { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }],
    ['a file', { type: 'file', file: { file_data: 'data:application/pdf;base64,AAAA' } }],
    ['video', { type: 'video_url', video_url: { url: 'https://example.com/a.mp4' } }],
  ])('what cannot be counted makes the input a lower bound: %s', (_, part) => {
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'hi' }, part] }]
    expect(input({ messages }).notes).toEqual(['media_not_counted'])
    expect(input({ messages }).inputTokens).toBeGreaterThanOrEqual(8)
  })

  test('a document in plain text is text', () => {
    const content = [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'hello' } }]
    expect(input({ messages: [{ role: 'user', content }] }, { api: 'messages', model: 'claude-3' })).toEqual({
      inputTokens: 6 + 5,
      outputTokens: null,
      notes: [],
    })
  })

  test('what a tool was called with is no picture', () => {
    const content = [{ type: 'tool_use', id: 't', name: 'f', input: { content: [{ type: 'image_url', image_url: 'x' }] } }]
    expect(input({ messages: [{ role: 'assistant', content }] }, { api: 'messages' }).notes).toEqual([])
  })

  test('base64 where text is due is not taken for text', () => {
    const content = [{ type: 'new_part', data: 'A'.repeat(5000) }]
    const { inputTokens, notes } = input({ messages: [{ role: 'user', content }] })
    expect(notes).toEqual(['media_not_counted'])
    expect(inputTokens).toBeLessThan(100)
    // What a user wrote is counted as it was written.
    expect(input({ messages: [{ role: 'user', content: 'A'.repeat(5000) }] })).toMatchObject({ inputTokens: 5006, notes: [] })
  })

  test('earlier turns that the provider keeps make it a lower bound', () => {
    expect(input({ input: 'hi', previous_response_id: 'resp_1' }, { api: 'responses' })).toMatchObject({
      inputTokens: 8,
      notes: ['context_not_counted'],
    })
    expect(input({ input: 'hi', previous_response_id: null }, { api: 'responses' }).notes).toEqual([])
  })

  test.each([
    ['no JSON', '{{{'],
    ['no object', '[1]'],
    ['nothing that is known', { hello: 1 }],
    ['binary', '\0\0\0'],
  ])('nothing to count: %s', (_, request) => {
    expect(input(request).inputTokens).toBeNull()
  })
  test('not stored, or not asked for', () => {
    expect(counted({ request: null }).inputTokens).toBeNull()
    expect(output('', { request: body({ messages: [{ role: 'user', content: 'hi' }] }) }).inputTokens).toBeNull()
  })

  test('a request kept in part is scaled to the whole', () => {
    // 1,000 bytes are kept of 4,000; each is a character, and a token here. Twice three around it.
    const kept = `{"messages":[{"role":"user","content":"${'word '.repeat(192)}`.padEnd(1000, ' ').slice(0, 1000)
    expect(input('', { request: body(kept, { truncated: true }), reqBytes: 4000 }).inputTokens).toBe(4000 + 6)
    // Escapes are one character each: 600 kept, 300 meant; 2,400 in all.
    const escapes = '\\n'.repeat(300)
    expect(input('', { request: body(escapes, { truncated: true }), reqBytes: 2400 }).inputTokens).toBe(1200 + 6)
  })
  test('but a picture in the middle of it is not', () => {
    const kept = body(`{"text":"${'word '.repeat(100)}","data":"${'iVBOR'.repeat(1000)}`, { truncated: true })
    const { inputTokens, notes } = input('', { request: kept, reqBytes: 10_000_000 })
    expect(notes).toEqual(['media_not_counted'])
    expect(inputTokens).toBeLessThan(600)
  })
})

describe('output', () => {
  const message = {
    role: 'assistant',
    content: 'A low wall.',
    reasoning_content: 'hm',
    tool_calls: [{ id: 'c', function: { name: 'f', arguments: '{}' } }],
  }
  test('text, thinking and tool arguments', () => {
    expect(output({ choices: [{ message }] }).outputTokens).toBe(11 + 2 + 1 + 2)
  })

  test('of a stream that was cut inside an event, and of an encoded one', () => {
    const events = `data: {"choices":[{"delta":{"content":"A low "}}]}\n\ndata: {"choices":[{"delta":{"content":"wall"}}]}\n\ndata: {"choi`
    expect(output(events, { streaming: true }).outputTokens).toBe(10)
    const encoded = body('', { encoding: 'gzip' })
    expect(output('', { streaming: true, response: { ...encoded, bytes: gzipSync(events).subarray(0, -9) } }).outputTokens).toBe(
      10,
    )
  })

  test("results of the provider's own tools were not generated", () => {
    const content = [
      { type: 'server_tool_use', id: 's', name: 'search', input: {} },
      { type: 'web_search_tool_result', tool_use_id: 's', content: [{ type: 'web_search_result', text: 'x'.repeat(1000) }] },
      { type: 'text', text: 'Found.' },
    ]
    expect(output({ content }, { api: 'messages', model: 'claude-3' }).outputTokens).toBe('search'.length + 2 + 6)
  })

  test('without a stored answer, four characters are a token', () => {
    expect(counted({ contentChars: 41 }).outputTokens).toBe(11)
    expect(output('{{{', { contentChars: 8 }).outputTokens).toBe(2)
    expect(output({}, { api: 'unheard_of', contentChars: 8 }).outputTokens).toBe(2)
    expect(counted({ contentChars: 0 }).outputTokens).toBe(0)
  })

  test('an answer kept in part is scaled by what was delivered', () => {
    const events = `data: {"choices":[{"delta":{"content":"${'x'.repeat(100)}"}}]}\n\n`.repeat(4)
    const { outputTokens } = output('', { response: body(events, { truncated: true }), contentChars: 8000, streaming: true })
    expect(outputTokens).toBe(8000)
  })
})

test('beyond the budget the rest is told by ratio: 3 MiB of prose count as much as they should', () => {
  const text = 'word '.repeat(600_000)
  let asked = 0
  const counts = countCall(
    {
      api: 'chat',
      model: 'gpt-4o',
      streaming: false,
      need: { input: true, output: true },
      request: body({ messages: [{ role: 'user', content: text }] }),
      response: null,
      reqBytes: 3_000_100,
      resBytes: 0,
      contentChars: 0,
    },
    (piece) => {
      asked += piece.length
      return piece.length / 5
    },
  )
  expect(counts.inputTokens).toBe(600_006)
  expect(asked).toBe(1024 * 1024)
})

test('whatever was sent, counts are whole numbers or null', () => {
  const odd = [
    '',
    'null',
    '[]',
    '{"messages":[null,1,"x",{"content":[null,{"type":"image"}]}]}',
    '{"input":{"a":1}}',
    '{"tools":1}',
  ]
  const deep = `{"messages":${'[{"content":'.repeat(2000)}1${'}]'.repeat(2000)}}`
  for (const api of [
    'chat',
    'responses',
    'messages',
    'generate_content',
    'embeddings',
    'speech',
    'completions',
    'converse',
    'invoke',
  ])
    for (const text of [...odd, deep]) {
      const { inputTokens, outputTokens } = counted({ api, request: body(text), response: body(text) })
      for (const tokens of [inputTokens, outputTokens])
        expect(tokens === null || (Number.isInteger(tokens) && tokens >= 0)).toBe(true)
    }
})
