import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readUsage } from '../../usage-reader.js'
import { recordingsDir } from '../recordings.js'
import { readSession } from './read-session.js'
import type { SessionReader, Turn } from './session.js'

type Event = Readonly<Record<string, unknown>>
/** Bytes of a frame as a reader gets them: one character a byte. */
const frameOf = (event: unknown): string => Buffer.from(JSON.stringify(event)).toString('latin1')

const server = (session: SessionReader, events: readonly unknown[]): { ended: Turn[]; parts: number } => {
  const ended: Turn[] = []
  let parts = 0
  for (const event of events)
    for (const step of session.server(typeof event === 'string' ? event : frameOf(event))) {
      parts++
      if (step.ended) ended.push(step.turn)
    }
  return { ended, parts }
}
const usageOf = (turn: Turn): ReturnType<typeof readUsage> => readUsage('openai', turn.api, turn.seen.facts().usageRaw)

const openAi = (): SessionReader => readSession('openai-chat', '/v1/realtime?model=gpt-realtime')
const created = (id = 'r1'): Event => ({ type: 'response.created', response: { id, status: 'in_progress', output: [] } })
const done = (more: Event = {}, id = 'r1'): Event => ({
  type: 'response.done',
  response: { id, status: 'completed', output: [], ...more },
})

/** 1,000 text (400 cached), 2,000 audio (500 cached), 300 of pictures (100 cached); 50 text and 700 audio out. */
const usage = {
  total_tokens: 4050,
  input_tokens: 3300,
  output_tokens: 750,
  input_token_details: {
    text_tokens: 1000,
    audio_tokens: 2000,
    image_tokens: 300,
    cached_tokens: 1000,
    cached_tokens_details: { text_tokens: 400, audio_tokens: 500, image_tokens: 100 },
  },
  output_token_details: { text_tokens: 50, audio_tokens: 700 },
}
const figures = {
  inputTokens: 3300,
  outputTokens: 750,
  cacheReadTokens: 1000,
  inputAudioTokens: 2000,
  inputImageTokens: 300,
  cacheReadAudioTokens: 500,
  cacheReadImageTokens: 100,
  outputAudioTokens: 700,
  usageSource: 'wire',
  reason: null,
  notes: [],
}

describe.each([
  ['GA', 'response.output_text.delta', 'response.output_audio.delta', 'response.output_audio_transcript.delta'],
  ['beta', 'response.text.delta', 'response.audio.delta', 'response.audio_transcript.delta'],
])('OpenAI, %s names', (_, text, audio, transcript) => {
  test('one response', () => {
    const session = openAi()
    const { ended, parts } = server(session, [
      { type: 'session.created', event_id: 'e', session: { id: 's1', model: 'gpt-realtime-2025-08-28' } },
      created(),
      { type: 'rate_limits.updated', rate_limits: [] },
      { type: audio, response_id: 'r1', delta: 'QUJD' },
      { type: transcript, response_id: 'r1', delta: 'é👋"' },
      { type: text, response_id: 'r1', delta: 'abc' },
      { type: 'response.function_call_arguments.delta', response_id: 'r1', delta: '{}' },
      { type: 'response.output_item.done', response_id: 'r1', item: { type: 'message' } },
      done({ usage, output: [{ type: 'function_call', name: 'f', arguments: '{}' }] }),
    ])
    expect(parts).toBe(7)
    expect(ended).toHaveLength(1)
    const [turn] = ended as [Turn]
    expect([turn.api, turn.requestModel]).toEqual(['realtime', 'gpt-realtime'])
    expect(turn.seen.facts()).toMatchObject({
      responseModel: 'gpt-realtime-2025-08-28',
      responseId: 'r1',
      finishReason: 'completed',
      // 4 units of the transcript, 3 of the text, 2 of the arguments; sound has no characters.
      contentChars: 9,
      toolCalls: 1,
      error: null,
      events: 7,
    })
    expect(usageOf(turn)).toMatchObject(figures)
    expect([...session.open()]).toEqual([])
    expect(session.facts()).toMatchObject({ id: 's1', model: 'gpt-realtime-2025-08-28', error: null, notes: [] })
  })
})

describe('OpenAI', () => {
  test('what a cut response had delivered stays open', () => {
    const session = openAi()
    server(session, [created(), { type: 'response.text.delta', response_id: 'r1', delta: 'abcd' }])
    expect(Array.from(session.open(), ({ seen }) => seen.contentChars)).toEqual([4])
  })

  test('without a usage, what a count of the text would leave out is noted', () => {
    const session = openAi()
    server(session, [created('a'), { type: 'response.text.delta', response_id: 'a', delta: 'abcd' }, created('b')])
    server(session, [{ type: 'response.output_audio.delta', response_id: 'b', delta: 'AAAA' }])
    expect(Array.from(session.open(), (turn) => turn.facts().notes)).toEqual([[], ['sound_not_counted', 'context_not_counted']])
    expect(server(session, [done({ usage }, 'b')]).ended[0]?.facts().notes).toEqual([])
  })

  test.each([
    [{ status: 'cancelled', status_details: { type: 'cancelled', reason: 'turn_detected' } }, 'turn_detected', null],
    [{ status: 'cancelled', status_details: null }, 'cancelled', null],
    [{ status: 'incomplete', status_details: { reason: 'max_output_tokens' } }, 'max_output_tokens', null],
    [
      {
        status: 'failed',
        status_details: { type: 'failed', error: { type: 'invalid_request_error', code: 'insufficient_quota' } },
      },
      'failed',
      { kind: 'quota', code: 'insufficient_quota' },
    ],
    [{ status: 'failed' }, 'failed', { kind: 'server', code: 'response_failed' }],
  ])('%o', (response, reason, error) => {
    const { ended } = server(openAi(), [created(), done(response)])
    expect(ended[0]?.seen.facts().finishReason).toBe(reason)
    expect(ended[0]?.seen.facts().error).toEqual(error === null ? null : expect.objectContaining(error))
  })

  test('responses side by side, and events whose keys stand in another order', () => {
    const session = openAi()
    const { ended } = server(session, [
      created('a'),
      created('b'),
      '{"delta":"12345","response_id":"b","type":"response.text.delta"}',
      { event_id: 'x', type: 'response.text.delta', response_id: 'a', delta: '1' },
      '{ "response" : {"output":[{"type":"message"}],"id":"b","status":"completed","usage":{"input_tokens":5,"output_tokens":6}}, "type" : "response.done" }',
      done({ usage: { input_tokens: 1, output_tokens: 2 } }, 'a'),
    ])
    expect(ended.map(({ seen }) => [seen.responseId, seen.contentChars])).toEqual([
      ['b', 5],
      ['a', 1],
    ])
    expect(ended.map((turn) => [usageOf(turn).inputTokens, usageOf(turn).outputTokens])).toEqual([
      [5, 6],
      [1, 2],
    ])
  })

  test('a response whose beginning nobody saw is one; what comes of one that has ended is none', () => {
    const session = openAi()
    const { ended } = server(session, [
      { type: 'response.audio.delta', response_id: 'r1', delta: 'AAAA' },
      done({ usage }),
      { type: 'response.audio.delta', response_id: 'r1', delta: 'AAAA' },
      { type: 'response.output_item.done', response_id: 'r1', item: {} },
      done({ usage }),
    ])
    expect(ended).toHaveLength(1)
    expect([...session.open()]).toEqual([])
    expect(server(session, [done({ usage }, 'r2')]).ended).toHaveLength(1)
  })

  test('null and missing usage, and details that are not told', () => {
    const { ended } = server(openAi(), [
      done({ usage: null }, 'a'),
      done({}, 'b'),
      done({ usage: { input_tokens: 7, output_tokens: 0 } }, 'c'),
    ])
    expect(ended.map((turn) => usageOf(turn))).toMatchObject([
      { inputTokens: null, usageSource: 'none', reason: 'not_on_wire' },
      { inputTokens: null, usageSource: 'none' },
      { inputTokens: 7, outputTokens: 0, cacheReadTokens: null, inputAudioTokens: null, usageSource: 'wire' },
    ])
  })

  test('cached tokens that are told by modality alone are their sum; more cached sound than sound is clamped', () => {
    const told = (input_token_details: Event): Turn =>
      server(openAi(), [done({ usage: { input_tokens: 100, output_tokens: 1, input_token_details } })]).ended[0] as Turn
    expect(usageOf(told({ audio_tokens: 60, cached_tokens_details: { text_tokens: 20, audio_tokens: 30 } }))).toMatchObject({
      cacheReadTokens: 50,
      cacheReadAudioTokens: 30,
    })
    expect(usageOf(told({ audio_tokens: 10, cached_tokens: 50, cached_tokens_details: { audio_tokens: 30 } }))).toMatchObject({
      cacheReadAudioTokens: 10,
      notes: ['clamped_audio'],
    })
  })

  const transcribed = (more: Event): Event => ({
    type: 'conversation.item.input_audio_transcription.completed',
    event_id: 'e',
    item_id: 'item_1',
    content_index: 0,
    transcript: 'hello',
    ...more,
  })
  test.each([
    ['GA', { audio: { input: { transcription: { model: 'gpt-4o-transcribe' } } } }],
    ['beta', { input_audio_transcription: { model: 'gpt-4o-transcribe' } }],
  ])('a transcript is paid for at its own model (%s)', (_, settings) => {
    const session = openAi()
    const { ended } = server(session, [
      { type: 'session.updated', session: { model: 'gpt-realtime', ...settings } },
      transcribed({
        usage: {
          type: 'tokens',
          total_tokens: 22,
          input_tokens: 13,
          input_token_details: { text_tokens: 0, audio_tokens: 13 },
          output_tokens: 9,
        },
      }),
      transcribed({ usage: { type: 'duration', seconds: 3.5 } }),
      transcribed({ usage: null }),
    ])
    expect(ended.map(({ api, requestModel }) => [api, requestModel])).toEqual(
      Array.from({ length: 3 }, () => ['transcription', 'gpt-4o-transcribe']),
    )
    expect(ended[0]?.seen.facts()).toMatchObject({ responseId: 'item_1', contentChars: 5 })
    expect(ended.map((turn) => usageOf(turn))).toMatchObject([
      { inputTokens: 13, inputAudioTokens: 13, outputTokens: 9 },
      { inputTokens: null, extra: { audio_seconds: 3.5 } },
      { usageSource: 'none' },
    ])
    expect([...session.open()]).toEqual([])
  })

  test('a transcript that neither usage nor a model was told for comes with the session', () => {
    expect(server(openAi(), [transcribed({})]).ended).toEqual([])
  })

  test('an error counts for the session until a response follows it', () => {
    const session = openAi()
    server(session, [
      { type: 'error', event_id: 'e', error: { type: 'invalid_request_error', code: 'session_expired', message: 'Over.' } },
    ])
    expect(session.facts().error).toMatchObject({ code: 'session_expired', message: 'Over.' })
    server(session, [created()])
    expect(session.facts().error).toBeNull()
  })

  test('the model of the URL, of the client, of the session', () => {
    const session = readSession('openai-chat', '/openai/realtime?api-version=1&deployment=mine')
    expect(server(session, [done()]).ended[0]).toMatchObject({ requestModel: 'mine' })
    const unnamed = readSession('openai-chat', '/v1/realtime')
    unnamed.client(frameOf({ type: 'session.update', session: { model: 'asked' } }))
    server(unnamed, [{ type: 'session.created', session: { model: 'served' } }])
    const { ended } = server(unnamed, [done()])
    expect([ended[0]?.requestModel, ended[0]?.seen.facts().responseModel]).toEqual(['asked', 'served'])
  })

  test('Responses over a WebSocket, and a session that is sold by time', () => {
    const session = openAi()
    const { ended } = server(session, [
      {
        type: 'response.completed',
        response: { id: 'x', model: 'gpt-5', status: 'completed', usage: { input_tokens: 3, output_tokens: 4 } },
      },
      {
        type: 'session.closed',
        reason: 'close_requested',
        session: { id: 'live_1', model: 'gpt-live-1' },
        usage: { seconds: 15 },
      },
    ])
    expect(ended.map(({ seen }) => seen.responseModel)).toEqual(['gpt-5', 'gpt-live-1'])
    expect(ended.map((turn) => [usageOf(turn).inputTokens, usageOf(turn).extra])).toEqual([
      [3, {}],
      [null, { audio_seconds: 15 }],
    ])
  })

  test('what is no event is borne', () => {
    const session = openAi()
    const odd = ['', '[]', 'null', '{', '{"type":5}', '{"type":"response.done"}', '{"type":"response.done","response":null}']
    expect(server(session, odd)).toEqual({ ended: [], parts: 0 })
    odd.forEach((text) => session.client(text))
    expect(session.facts().notes).toEqual(['malformed'])
  })
})

describe('Gemini Live', () => {
  const live = (): SessionReader => {
    const session = readSession('gemini', '/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent')
    session.client(frameOf({ setup: { model: 'models/gemini-2.5-flash-native-audio' } }))
    return session
  }
  const sound = { serverContent: { modelTurn: { parts: [{ inlineData: { mimeType: 'audio/pcm;rate=24000', data: 'AAAA' } }] } } }
  /** 100 text and 60 audio in; 5 text and 70 audio out. */
  const usageMetadata = {
    promptTokenCount: 160,
    responseTokenCount: 75,
    totalTokenCount: 235,
    promptTokensDetails: [
      { modality: 'TEXT', tokenCount: 100 },
      { modality: 'AUDIO', tokenCount: 60 },
    ],
    responseTokensDetails: [
      { modality: 'TEXT', tokenCount: 5 },
      { modality: 'AUDIO', tokenCount: 70 },
    ],
  }
  const complete = { serverContent: { turnComplete: true } }

  test('a turn, its usage with its end', () => {
    const session = live()
    const { ended } = server(session, [
      { setupComplete: {} },
      { serverContent: { inputTranscription: { text: 'hi' } } },
      sound,
      { serverContent: { outputTranscription: { text: 'abc' } } },
      { serverContent: { generationComplete: true } },
      { ...complete, usageMetadata },
    ])
    expect(ended).toHaveLength(1)
    expect(ended[0]?.requestModel).toBe('gemini-2.5-flash-native-audio')
    expect(ended[0]?.seen.facts()).toMatchObject({ contentChars: 3, finishReason: 'STOP', error: null })
    expect(usageOf(ended[0] as Turn)).toMatchObject({
      inputTokens: 160,
      inputAudioTokens: 60,
      outputTokens: 75,
      outputAudioTokens: 70,
      cacheReadTokens: 0,
      usageSource: 'wire',
      notes: [],
    })
    expect([...session.open()]).toEqual([])
  })

  test('usage behind the end of its turn belongs to it; the next turn ends one that never told any', () => {
    const session = live()
    expect(server(session, [sound, complete]).ended).toEqual([])
    const late = server(session, [{ usageMetadata }])
    expect(late.ended.map((turn) => usageOf(turn).inputTokens)).toEqual([160])
    const next = server(session, [sound, complete, sound])
    expect(next.ended.map((turn) => usageOf(turn).usageSource)).toEqual(['none'])
    expect([...session.open()]).toHaveLength(1)
  })

  test('a tool call: of the turn that goes on behind it, unless it tells a usage of its own', () => {
    const toolCall = { functionCalls: [{ id: '1', name: 'f', args: { a: 1 } }] }
    const one = server(live(), [{ toolCall }, sound, { ...complete, usageMetadata }])
    expect(one.ended.map(({ seen }) => [seen.toolCalls, seen.finishReason])).toEqual([[1, 'STOP']])
    const two = server(live(), [
      { toolCall, usageMetadata: { promptTokenCount: 9, responseTokenCount: 3 } },
      sound,
      { ...complete, usageMetadata },
    ])
    expect(two.ended.map((turn) => [usageOf(turn).inputTokens, turn.seen.toolCalls])).toEqual([
      [9, 1],
      [160, 0],
    ])
  })

  test('within a turn the newest usage counts; an interruption is its end', () => {
    const { ended } = server(live(), [
      sound,
      { ...sound, usageMetadata: { promptTokenCount: 160, responseTokenCount: 10 } },
      { serverContent: { interrupted: true } },
      { ...complete, usageMetadata },
    ])
    expect(ended.map((turn) => [usageOf(turn).outputTokens, turn.seen.finishReason])).toEqual([[75, 'interrupted']])
  })

  test('ends and words of no turn are none; usage of nothing said is paid for', () => {
    const session = live()
    expect(
      server(session, [
        { setupComplete: {} },
        { serverContent: { interrupted: true } },
        complete,
        { sessionResumptionUpdate: { newHandle: 'h', resumable: true } },
        { goAway: { timeLeft: '10s' } },
        { toolCallCancellation: { ids: ['1'] } },
        '',
        '[',
      ]),
    ).toEqual({ ended: [], parts: 0 })
    expect(server(session, [{ usageMetadata: { promptTokenCount: 5 } }]).ended.map((turn) => usageOf(turn).inputTokens)).toEqual([
      5,
    ])
    expect(session.facts().notes).toEqual(['malformed'])
  })
})

test('any events are borne, and nothing stays behind that has ended', () => {
  const type = fc.constantFrom(
    'response.created',
    'response.done',
    'response.text.delta',
    'session.updated',
    'error',
    'x',
    5,
    null,
  )
  const value = fc.oneof(
    fc.jsonValue(),
    fc.record({ id: fc.constantFrom('a', 'b'), usage: fc.jsonValue(), session: fc.jsonValue() }),
  )
  const event = fc.oneof(
    fc.record({ type, response: value, response_id: fc.constantFrom('a', 'b', 3), delta: fc.jsonValue(), session: value }),
    fc.record({ serverContent: fc.jsonValue(), usageMetadata: fc.jsonValue(), toolCall: fc.jsonValue(), error: fc.jsonValue() }),
    fc.jsonValue(),
  )
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 12 }),
      fc.constantFrom('openai-chat' as const, 'gemini' as const),
      (events, family) => {
        const session = readSession(family, '')
        const { ended } = server(session, events)
        events.forEach((one) => session.client(frameOf(one)))
        const open = new Set(session.open())
        for (const turn of ended) {
          expect(open.has(turn)).toBe(false)
          const { inputTokens, outputTokens } = usageOf(turn)
          for (const count of [inputTokens, outputTokens])
            expect(count === null || (Number.isInteger(count) && count >= 0)).toBe(true)
        }
        session.facts()
      },
    ),
  )
})

describe.skipIf(recordingsDir === null)('recorded sessions (WEIR_WIRE_FIXTURES is set)', () => {
  interface Recorded {
    readonly id: string
    readonly messages: string
    readonly raw_usage_per_response: readonly unknown[]
  }
  const told = JSON.parse(
    recordingsDir === null ? '{"realtime":[]}' : readFileSync(join(recordingsDir, 'expected.json'), 'utf8'),
  ) as { realtime: readonly Recorded[] }
  test.each(told.realtime)('$id', ({ messages, raw_usage_per_response: expected }) => {
    const session = openAi()
    const ended: Turn[] = []
    for (const line of readFileSync(join(recordingsDir ?? '', messages), 'utf8')
      .trim()
      .split('\n')) {
      const { direction, data } = JSON.parse(line) as { direction: string; data: unknown }
      if (direction === 'sent') session.client(frameOf(data))
      else ended.push(...server(session, [data]).ended)
    }
    expect(ended.map(({ seen }) => JSON.parse(seen.facts().usageRaw[0]?.json ?? 'null') as unknown)).toEqual(expected)
    expect([...session.open()]).toEqual([])
    expect(session.facts().notes).toEqual([])
  })
})
