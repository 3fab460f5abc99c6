import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readConversation } from './conversation.js'
import type { Conversation } from './messages.js'
import { recordings, recordingsDir } from './providers/recordings.js'

const chat = (requestBody: unknown, responseBody: string): Conversation | null =>
  readConversation({
    family: 'openai-chat',
    api: 'chat',
    requestBody: JSON.stringify(requestBody),
    responseBody,
    streaming: false,
  })

const stream = (...events: readonly unknown[]): string =>
  `${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`

describe('chat', () => {
  test('every kind of block, asked and answered', () => {
    const found = chat(
      {
        messages: [
          { role: 'developer', content: 'Be brief.' },
          {
            role: 'user',
            name: 'ada',
            content: [
              { type: 'text', text: 'What is this?' },
              { type: 'image_url', image_url: { url: 'data:image/png;base64,aGVsbG8=' } },
              { type: 'image_url', image_url: { url: 'https://example.com/a.jpg' } },
            ],
          },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look', arguments: '{"x":1}' } }],
          },
          { role: 'tool', tool_call_id: 'c1', content: 'a cat' },
        ],
      },
      JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'A cat.', reasoning_content: 'hm' } }] }),
    )
    expect(found).toEqual({
      answerAt: 4,
      notes: [],
      messages: [
        { role: 'system', name: null, blocks: [{ type: 'text', text: 'Be brief.' }] },
        {
          role: 'user',
          name: 'ada',
          blocks: [
            { type: 'text', text: 'What is this?' },
            { type: 'media', kind: 'image', mediaType: 'image/png', url: null, bytes: 5 },
            { type: 'media', kind: 'image', mediaType: '', url: 'https://example.com/a.jpg', bytes: null },
          ],
        },
        { role: 'assistant', name: null, blocks: [{ type: 'tool_call', id: 'c1', name: 'look', arguments: '{"x":1}' }] },
        { role: 'tool', name: null, blocks: [{ type: 'tool_result', id: 'c1', name: '', text: 'a cat', error: false }] },
        {
          role: 'assistant',
          name: null,
          blocks: [
            { type: 'thinking', text: 'hm', redacted: false },
            { type: 'text', text: 'A cat.' },
          ],
        },
      ],
    })
  })

  test('a stream is put together again, tool calls by their index', () => {
    const delta = (value: object): object => ({ choices: [{ index: 0, delta: value }] })
    const found = chat(
      { messages: [] },
      stream(
        delta({ role: 'assistant', content: 'Ol' }),
        delta({ content: 'á' }),
        delta({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{"x"' } }] }),
        delta({ tool_calls: [{ index: 1, id: 'b', function: { name: 'g', arguments: '{}' } }] }),
        delta({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }),
      ),
    )
    expect(found?.messages).toEqual([
      {
        role: 'assistant',
        name: null,
        blocks: [
          { type: 'text', text: 'Olá' },
          { type: 'tool_call', id: 'a', name: 'f', arguments: '{"x":1}' },
          { type: 'tool_call', id: 'b', name: 'g', arguments: '{}' },
        ],
      },
    ])
  })

  test('a stream that was cut gives what came, with a note for the broken event', () => {
    const found = chat({ messages: [] }, 'data: {"choices":[{"delta":{"content":"Hal"}}]}\n\ndata: {"choices":[{"del')
    expect(found).toMatchObject({ notes: ['event_unreadable'], messages: [{ blocks: [{ type: 'text', text: 'Hal' }] }] })
  })

  test('a request that is no JSON is noted', () => {
    expect(
      readConversation({ family: 'openai-chat', api: 'chat', requestBody: '{"a":', responseBody: '', streaming: false }),
    ).toEqual({
      messages: [],
      answerAt: 0,
      notes: ['request_unreadable'],
    })
  })
})

test('responses: instructions, items, and a stream whose end never came', () => {
  const found = readConversation({
    family: 'openai-responses',
    api: 'responses',
    requestBody: JSON.stringify({
      instructions: 'Be brief.',
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'Hi' }] },
        { type: 'function_call_output', call_id: 'c', output: '5' },
      ],
    }),
    responseBody: [
      {
        type: 'response.output_item.added',
        output_index: 0,
        item: { type: 'function_call', id: 'fc', call_id: 'c2', name: 'add', arguments: '' },
      },
      { type: 'response.function_call_arguments.delta', output_index: 0, delta: '{"a"' },
      { type: 'response.function_call_arguments.delta', output_index: 0, delta: ':2}' },
      { type: 'response.output_text.delta', output_index: 1, delta: 'Five' },
    ]
      .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
      .join(''),
    streaming: true,
  })
  expect(found?.messages.map(({ role, blocks }) => [role, blocks])).toEqual([
    ['system', [{ type: 'text', text: 'Be brief.' }]],
    ['user', [{ type: 'text', text: 'Hi' }]],
    ['tool', [{ type: 'tool_result', id: 'c', name: '', text: '5', error: false }]],
    [
      'assistant',
      [
        { type: 'tool_call', id: 'c2', name: 'add', arguments: '{"a":2}' },
        { type: 'text', text: 'Five' },
      ],
    ],
  ])
})

test('anthropic: a stream of thinking, text and a tool call', () => {
  const events = [
    { type: 'message_start', message: {} },
    { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'hm' } },
    { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'Hi ' } },
    { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'there' } },
    { type: 'content_block_start', index: 2, content_block: { type: 'tool_use', id: 't', name: 'add', input: {} } },
    { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '{"a": 2}' } },
  ]
  const found = readConversation({
    family: 'anthropic',
    api: 'messages',
    requestBody: JSON.stringify({
      system: 'S',
      messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'u', content: 'no', is_error: true }] }],
    }),
    responseBody: events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}   \n\n`).join(''),
    streaming: true,
  })
  expect(found?.messages.map(({ role, blocks }) => [role, blocks])).toEqual([
    ['system', [{ type: 'text', text: 'S' }]],
    ['tool', [{ type: 'tool_result', id: 'u', name: '', text: 'no', error: true }]],
    [
      'assistant',
      [
        { type: 'thinking', text: 'hm', redacted: false },
        { type: 'text', text: 'Hi there' },
        { type: 'tool_call', id: 't', name: 'add', arguments: '{"a": 2}' },
      ],
    ],
  ])
})

test('gemini: an array of elements; neighbouring texts are one', () => {
  const part = (parts: readonly object[]): object => ({ candidates: [{ content: { role: 'model', parts } }] })
  const found = readConversation({
    family: 'gemini',
    api: 'generate_content',
    requestBody: JSON.stringify({
      systemInstruction: { parts: [{ text: 'S' }] },
      contents: [{ role: 'user', parts: [{ text: 'Hi' }, { inlineData: { mimeType: 'audio/wav', data: 'AAAA' } }] }],
    }),
    responseBody: JSON.stringify([
      part([{ text: 'hm', thought: true }]),
      part([{ text: 'Ol' }]),
      part([{ text: 'á' }, { functionCall: { name: 'f', args: { x: 1 } } }]),
    ]),
    streaming: true,
  })
  expect(found?.messages.map(({ role, blocks }) => [role, blocks])).toEqual([
    ['system', [{ type: 'text', text: 'S' }]],
    [
      'user',
      [
        { type: 'text', text: 'Hi' },
        { type: 'media', kind: 'audio', mediaType: 'audio/wav', url: null, bytes: 3 },
      ],
    ],
    [
      'assistant',
      [
        { type: 'thinking', text: 'hm', redacted: false },
        { type: 'text', text: 'Olá' },
        { type: 'tool_call', id: '', name: 'f', arguments: '{"x":1}' },
      ],
    ],
  ])
})

test('an API that is no conversation has none', () => {
  expect(readConversation({ family: 'openai-chat', api: '', requestBody: '{}', responseBody: '{}', streaming: false })).toBeNull()
})

const spoken = recordings().filter(
  ({ api, status }) => status === 200 && ['chat', 'responses', 'messages', 'generate_content'].includes(api),
)

describe.skipIf(recordingsDir === null)('recordings', () => {
  test('WEIR_WIRE_FIXTURES names their folder', () => {
    expect(spoken.length).toBeGreaterThan(10)
  })

  test.each(spoken)('$id is read without a note, and the answer says something', (recording) => {
    const body = (recording.encoding === 'gzip' ? gunzipSync(recording.body) : recording.body).toString()
    const found = readConversation({
      family: recording.family,
      api: recording.api,
      requestBody: recording.requestBody.toString(),
      responseBody: body,
      streaming: recording.streaming,
    })
    expect(found?.notes).toEqual([])
    const others = found?.messages.flatMap(({ blocks }) => blocks).filter(({ type }) => type === 'other')
    expect(others?.map((block) => ('label' in block ? block.label : ''))).toEqual(
      recording.id.includes('compaction') ? ['compaction'] : [],
    )
    // Two answers are empty on the wire: cut off while thinking, and filtered.
    if (!/openai-chat-cache-write|azure-content-filter/.test(recording.id))
      expect(found?.messages.length).toBeGreaterThan(found?.answerAt ?? 0)
  })
})

describe('what is no chat', () => {
  const said = (
    api: string,
    requestBody: unknown,
    responseBody: string,
    binaryBytes: number | null = null,
  ): Conversation | null =>
    readConversation({
      family: '',
      api,
      requestBody: requestBody === '' ? '' : JSON.stringify(requestBody),
      responseBody,
      streaming: false,
      binaryBytes,
    })
  const text = (words: string): object => ({ type: 'text', text: words })
  const blocks = (found: Conversation | null): readonly unknown[] =>
    found?.messages.map((message) => [message.role, message.blocks]) ?? []
  const sound = { type: 'media', kind: 'audio', mediaType: '', url: null, bytes: null }

  test('transcripts: as a body, as events whole and cut, as plain text', () => {
    for (const answer of [
      '{"text":"Olá"}',
      stream({ type: 'transcript.text.delta', delta: 'O' }, { type: 'transcript.text.done', text: 'Olá' }),
      stream({ type: 'transcript.text.delta', delta: 'O' }, { type: 'transcript.text.delta', delta: 'lá' }),
      stream({ type: 'transcription.text.delta', text: 'Olá' }),
      'Olá\n',
    ])
      expect(blocks(said('transcription', '', answer)), answer).toEqual([
        ['user', [sound]],
        ['assistant', [text('Olá')]],
      ])
    expect(blocks(said('transcription', '', '[Music] {x}'))[1]).toEqual(['assistant', [text('[Music] {x}')]])
    expect(said('transcription', '', '')).toMatchObject({ answerAt: 1, notes: [] })
  })
  test('speech: sound only where there was some', () => {
    const request = { model: 'tts-1', input: 'Hello', instructions: 'Calmly.', response_format: 'wav' }
    const asked = [
      ['system', [text('Calmly.')]],
      ['user', [text('Hello')]],
    ]
    expect(blocks(said('speech', request, '', 4000))).toEqual([
      ...asked,
      ['assistant', [{ ...sound, mediaType: 'audio/wav', bytes: 4000 }]],
    ])
    // Two pieces of 3 bytes.
    expect(
      blocks(
        said(
          'speech',
          request,
          stream({ type: 'speech.audio.delta', audio: 'AAAA' }, { type: 'speech.audio.delta', audio: 'AAAA' }),
        ),
      )[2],
    ).toEqual(['assistant', [{ ...sound, mediaType: 'audio/wav', bytes: 6 }]])
    expect(blocks(said('speech', request, ''))).toEqual(asked)
  })
  test('pictures', () => {
    const picture = { type: 'media', kind: 'image', mediaType: 'image/png', url: null, bytes: 3 }
    expect(
      blocks(
        said(
          'images',
          { prompt: 'a cat' },
          JSON.stringify({ data: [{ b64_json: 'AAAA', revised_prompt: 'A grey cat' }, { url: 'https://x/1' }] }),
        ),
      ),
    ).toEqual([
      ['user', [text('a cat')]],
      ['assistant', [text('A grey cat'), picture, { ...picture, mediaType: '', url: 'https://x/1', bytes: null }]],
    ])
    const events = stream(
      { type: 'image_generation.partial_image', b64_json: 'AA' },
      { type: 'image_generation.completed', b64_json: 'AAAA' },
    )
    expect(blocks(said('images', '', events))).toEqual([['assistant', [picture]]])
  })
  test('OCR, rerank and moderation', () => {
    expect(
      blocks(
        said(
          'ocr',
          { document: { type: 'document_url', document_url: 'https://x/a.pdf' } },
          JSON.stringify({ pages: [{ markdown: '# A' }, { markdown: 'B' }] }),
        ),
      ),
    ).toEqual([
      ['user', [{ type: 'media', kind: 'file', mediaType: '', url: 'https://x/a.pdf', bytes: null }]],
      ['assistant', [text('# A'), text('B')]],
    ])
    expect(
      blocks(said('rerank', { query: 'q', documents: ['a', { text: 'b' }, { title: 'c' }] }, '{"results":[{"index":0}]}')),
    ).toEqual([
      ['user', [text('q'), text('a'), text('b'), { type: 'other', label: 'document', json: '{"title":"c"}' }]],
      ['assistant', [{ type: 'other', label: 'results', json: '[{"index":0}]' }]],
    ])
    expect(blocks(said('moderations', { input: [{ type: 'text', text: 'hm' }] }, '{"results":[]}'))).toEqual([
      ['user', [text('hm')]],
    ])
  })
  test.each(['transcription', 'speech', 'images', 'ocr', 'rerank', 'moderations'])(
    '%s: whatever the bodies are, nothing is thrown',
    (api) => {
      for (const body of [
        'null',
        '[]',
        '{"data":5,"pages":{},"results":"x","document":[]}',
        '{',
        'data: {"type":5}\n\n',
        '\u0000',
      ])
        expect(readConversation({ family: '', api, requestBody: body, responseBody: body, streaming: true })).not.toBeNull()
    },
  )
})
