import { describe, expect, test } from 'vitest'
import { readConversation } from '../../conversation.js'
import type { Block, Conversation, Message } from '../../messages.js'
import { chunkFrame, eventFrame, exceptionFrame } from '../framing/event-frames.js'
import { eventStreamText, isAwsEventStream } from '../framing/event-stream-text.js'
import { recordings, recordingsDir } from '../recordings.js'

const read = (api: 'converse' | 'invoke', request: unknown, answer: unknown): Conversation => {
  const responseBody = Buffer.isBuffer(answer) ? eventStreamText(answer) : answer === undefined ? '' : JSON.stringify(answer)
  const requestBody = request === undefined ? '' : JSON.stringify(request)
  const found = readConversation({ family: '', api, requestBody, responseBody, streaming: Buffer.isBuffer(answer) })
  if (found === null) throw new Error('no conversation')
  return found
}
const chunks = (...values: readonly unknown[]): Buffer => Buffer.concat(values.map(chunkFrame))
const text = (role: string, said: string): Message => ({ role, name: null, blocks: [{ type: 'text', text: said }] })
const blocks = ({ messages, answerAt }: Conversation): readonly Block[] => messages[answerAt]?.blocks ?? []

describe('text of frames', () => {
  const whole = Buffer.concat([
    eventFrame('contentBlockDelta', { delta: { text: 'Zoë\n👋' } }),
    chunkFrame({ type: 'ping' }),
    exceptionFrame('throttlingException', { message: 'later' }),
  ])

  test('as server-sent events, base64 undone', () => {
    expect(isAwsEventStream(whole)).toBe(true)
    expect(eventStreamText(whole)).toBe(
      'event: contentBlockDelta\ndata: {"delta":{"text":"Zoë\\n👋"}}\n\n' +
        'event: chunk\ndata: {"type":"ping"}\n\n' +
        'event: exception:throttlingException\ndata: {"message":"later"}\n\n',
    )
  })

  test('a piece out of the middle gives its whole frames', () => {
    const second = 'event: chunk\ndata: {"type":"ping"}\n\n'
    expect(eventStreamText(whole.subarray(7, whole.length - 1))).toBe(second)
    expect(eventStreamText(whole.subarray(0, 20))).toBe('')
  })

  test('other bodies are none', () => {
    for (const other of ['', '{"a":1}', 'data: {"a":1}\n\n', '\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0'])
      expect(isAwsEventStream(Buffer.from(other)), other).toBe(false)
  })
})

describe('converse', () => {
  test('a request with all kinds of blocks', () => {
    const { messages, answerAt, notes } = read(
      'converse',
      {
        system: [{ text: 'be brief' }, { cachePoint: { type: 'default' } }],
        messages: [
          {
            role: 'user',
            content: [
              { text: 'look' },
              { image: { format: 'png', source: { bytes: 'aGk=' } } },
              { document: { format: 'pdf', name: 'd', source: { s3Location: { uri: 's3://b/k' } } } },
              { document: { format: 'txt', name: 'd', source: { text: 'plain' } } },
              { guardContent: { text: { text: 'guarded', qualifiers: ['query'] } } },
              { newKind: { a: 1 } },
            ],
          },
          { role: 'assistant', content: [{ toolUse: { toolUseId: 't1', name: 'f', input: { a: 1 } } }] },
          {
            role: 'user',
            content: [{ toolResult: { toolUseId: 't1', content: [{ json: { b: 2 } }, { text: 'x' }], status: 'error' } }],
          },
        ],
      },
      undefined,
    )
    expect(messages).toEqual([
      text('system', 'be brief'),
      {
        role: 'user',
        name: null,
        blocks: [
          { type: 'text', text: 'look' },
          { type: 'media', kind: 'image', mediaType: 'image/png', url: null, bytes: 2 },
          { type: 'media', kind: 'file', mediaType: 'pdf', url: 's3://b/k', bytes: null },
          { type: 'text', text: 'plain' },
          { type: 'text', text: 'guarded' },
          { type: 'other', label: 'newKind', json: '{"newKind":{"a":1}}' },
        ],
      },
      { role: 'assistant', name: null, blocks: [{ type: 'tool_call', id: 't1', name: 'f', arguments: '{"a":1}' }] },
      { role: 'tool', name: null, blocks: [{ type: 'tool_result', id: 't1', name: '', text: '{"b":2}\nx', error: true }] },
    ])
    expect([answerAt, notes]).toEqual([4, []])
  })

  test('a body and a stream say the same', () => {
    const expected = [
      { type: 'thinking', text: 'hm, hm', redacted: false },
      { type: 'text', text: 'abc' },
      { type: 'tool_call', id: 't', name: 'f', arguments: '{"a":1}' },
      { type: 'thinking', text: '', redacted: true },
    ]
    const content = [
      { reasoningContent: { reasoningText: { text: 'hm, hm', signature: 's' } } },
      { text: 'abc' },
      { toolUse: { toolUseId: 't', name: 'f', input: { a: 1 } } },
      { reasoningContent: { redactedContent: 'eA==' } },
    ]
    expect(blocks(read('converse', {}, { output: { message: { role: 'assistant', content } } }))).toEqual(expected)
    const delta = (contentBlockIndex: number, value: object): Buffer =>
      eventFrame('contentBlockDelta', { contentBlockIndex, delta: value, p: 'abc' })
    const events = [
      eventFrame('messageStart', { role: 'assistant' }),
      delta(0, { reasoningContent: { text: 'hm, ' } }),
      delta(0, { reasoningContent: { text: 'hm' } }),
      delta(0, { reasoningContent: { signature: 's' } }),
      delta(1, { text: 'ab' }),
      delta(1, { text: 'c' }),
      eventFrame('contentBlockStart', { contentBlockIndex: 2, start: { toolUse: { toolUseId: 't', name: 'f' } } }),
      delta(2, { toolUse: { input: '{"a"' } }),
      delta(2, { toolUse: { input: ':1}' } }),
      delta(3, { reasoningContent: { redactedContent: 'eA==' } }),
      eventFrame('messageStop', { stopReason: 'tool_use' }),
    ]
    const { messages, notes } = read('converse', undefined, Buffer.concat(events))
    expect(messages).toEqual([{ role: 'assistant', name: null, blocks: expected }])
    expect(notes).toEqual([])
    // An exception behind it changes nothing of what was said.
    const broken = Buffer.concat([...events, exceptionFrame('internalServerException', { message: 'm' })])
    expect(blocks(read('converse', undefined, broken))).toEqual(expected)
  })
})

describe('invoke', () => {
  test('Claude', () => {
    const request = { anthropic_version: 'bedrock-2023-05-31', system: 's', messages: [{ role: 'user', content: 'hi' }] }
    const streamed = chunks(
      { type: 'message_start', message: { id: 'm', type: 'message', content: [] } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'ab' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'c' } },
    )
    const whole = { type: 'message', content: [{ type: 'text', text: 'abc' }] }
    for (const answer of [streamed, whole])
      expect(read('invoke', request, answer).messages).toEqual([
        text('system', 's'),
        text('user', 'hi'),
        text('assistant', 'abc'),
      ])
    expect(read('invoke', undefined, streamed).messages).toEqual([text('assistant', 'abc')])
  })

  test('Nova', () => {
    const request = {
      schemaVersion: 'messages-v1',
      system: [{ text: 's' }],
      messages: [{ role: 'user', content: [{ text: 'hi' }] }],
    }
    const streamed = chunks(
      { messageStart: { role: 'assistant' } },
      { contentBlockDelta: { contentBlockIndex: 0, delta: { text: 'ab' } } },
      { contentBlockDelta: { contentBlockIndex: 0, delta: { text: 'c' } } },
    )
    for (const answer of [streamed, { output: { message: { role: 'assistant', content: [{ text: 'abc' }] } } }])
      expect(read('invoke', request, answer).messages).toEqual([
        text('system', 's'),
        text('user', 'hi'),
        text('assistant', 'abc'),
      ])
  })

  test.each([
    ['Titan', { inputText: 'hi' }, { results: [{ outputText: 'abc' }] }, [{ outputText: 'ab' }, { outputText: 'c' }]],
    ['Llama', { prompt: 'hi' }, { generation: 'abc' }, [{ generation: 'ab' }, { generation: 'c' }]],
    ['Mistral', { prompt: 'hi' }, { outputs: [{ text: 'abc' }] }, [{ outputs: [{ text: 'ab' }] }, { outputs: [{ text: 'c' }] }]],
    [
      'DeepSeek R1',
      { prompt: 'hi' },
      { choices: [{ text: 'abc' }] },
      [{ choices: [{ text: 'ab' }] }, { choices: [{ text: 'c' }] }],
    ],
    ['old Claude', { prompt: 'hi' }, { completion: 'abc' }, [{ type: 'completion', completion: 'ab' }, { completion: 'c' }]],
    [
      'Cohere',
      { message: 'hi' },
      { text: 'abc', finish_reason: 'COMPLETE' },
      [{ event_type: 'text-generation', text: 'ab' }, { text: 'c' }, { event_type: 'stream-end', response: { text: 'abc' } }],
    ],
    [
      'OpenAI form',
      { messages: [{ role: 'user', content: 'hi' }] },
      { choices: [{ message: { role: 'assistant', content: 'abc' } }] },
      [{ choices: [{ index: 0, delta: { content: 'ab' } }] }, { choices: [{ index: 0, delta: { content: 'c' } }] }],
    ],
  ] as const)('%s', (_, request, whole, streamed) => {
    const expected = [text('user', 'hi'), text('assistant', 'abc')]
    expect(read('invoke', request, whole).messages).toEqual(expected)
    expect(read('invoke', request, chunks(...streamed)).messages).toEqual(expected)
  })

  test('a history of Cohere, texts to embed, pictures', () => {
    expect(
      read(
        'invoke',
        {
          preamble: 'p',
          chat_history: [
            { role: 'USER', message: 'a' },
            { role: 'CHATBOT', message: 'b' },
          ],
          message: 'c',
        },
        { text: '', tool_calls: [{ name: 'f', parameters: { x: 1 } }] },
      ).messages,
    ).toEqual([
      text('system', 'p'),
      text('user', 'a'),
      text('assistant', 'b'),
      text('user', 'c'),
      { role: 'assistant', name: null, blocks: [{ type: 'tool_call', id: '', name: 'f', arguments: '{"x":1}' }] },
    ])
    expect(read('invoke', { texts: ['a', 'b'], input_type: 'x' }, { embeddings: [[1]] }).messages).toEqual([
      text('user', 'a'),
      text('user', 'b'),
    ])
    expect(blocks(read('invoke', { textToImageParams: { text: 'a cat' } }, { images: ['aGk='] }))).toEqual([
      { type: 'media', kind: 'image', mediaType: '', url: null, bytes: 2 },
    ])
  })

  test.each([
    null,
    [],
    'x',
    7,
    { messages: 'x' },
    { messages: [null, 7] },
    { messages: [{ content: [null, 'x', []] }] },
    { output: 7 },
    [null],
  ])('odd bodies never throw: %j', (odd) => {
    for (const api of ['converse', 'invoke'] as const) {
      expect(() => read(api, odd, odd)).not.toThrow()
      expect(() => read(api, odd, chunks(odd, odd))).not.toThrow()
    }
  })
})

describe.skipIf(recordingsDir === null)('recordings', () => {
  const streams = recordings().filter(({ transport }) => transport === 'aws-eventstream')

  test.each(streams)('$id: the answer is put together again', ({ api: of, requestBody, body }) => {
    const api = of === 'converse' ? 'converse' : 'invoke'
    const { messages, answerAt, notes } = read(api, JSON.parse(requestBody.toString()), body)
    expect(notes).toEqual([])
    expect(answerAt).toBeGreaterThan(0)
    expect(messages.length).toBe(answerAt + 1)
    expect(messages.at(-1)?.blocks.some((block) => block.type === 'text' && block.text.length > 10)).toBe(true)
    expect(messages.flatMap((message) => message.blocks).some((block) => block.type === 'other')).toBe(false)
  })
})
