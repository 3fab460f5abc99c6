import { describe, expect, test } from 'vitest'
import type { Exchange, StoredBody } from '../../core/exchange.js'
import type { Conversation } from '../../core/messages.js'
import { noUsage, type Usage } from '../../core/usage.js'
import { exchange } from '../testing.js'
import type { Counts } from '../tokens/count-call.js'
import { completeUsage, needOf } from './estimate.js'

const stored: StoredBody = { bytes: Buffer.from('{}'), encoding: null, truncated: false }
const call = (more: Partial<Exchange> = {}): Exchange => exchange({ usageRaw: [], reqBody: stored, resBody: stored, ...more })
const delivered = (contentChars: number, toolCalls = 0): Exchange['counts'] => ({
  ...exchange().counts,
  contentChars,
  toolCalls,
})
const told = (more: Partial<Usage> = {}): Usage => ({
  ...noUsage('not_on_wire'),
  usageSource: 'wire',
  reason: null,
  inputTokens: 1000,
  outputTokens: 100,
  ...more,
})
const untold = noUsage('not_on_wire')
const counts = (inputTokens: number | null, outputTokens: number | null, ...notes: string[]): Counts => ({
  inputTokens,
  outputTokens,
  notes,
})
const completed = (usage: Usage, event: Exchange, found: Counts | null, conversation: Conversation | null = null): Usage =>
  completeUsage(usage, event, { counts: found, conversation })
const cut = { outcome: 'upstream_abort', streaming: true, finishReason: null } as const

describe('what is counted', () => {
  test('nothing of a usage that was told whole, of a refusal, an HTTP error, or an API that is no conversation', () => {
    expect(needOf(told(), call())).toBeNull()
    for (const more of [
      { outcome: 'refused' },
      { outcome: 'cached' },
      { outcome: 'proxy_lost' },
      { status: 429 },
      { api: 'images' },
      { api: '' },
      { reqBody: null, resBody: null },
    ] as const)
      expect(needOf(untold, call(more))).toBeNull()
    expect(needOf({ ...untold, extra: { images: 2 } }, call({ api: 'invoke' }))).toBeNull()
    expect(needOf(untold, call({ api: 'invoke', counts: delivered(20) }))).not.toBeNull()
  })

  test('the text of a transcript; never the recording it was made from', () => {
    expect(needOf(untold, call({ api: 'transcription', counts: delivered(20) }))).toEqual({ input: false, output: true })
  })

  test('both of a call that told nothing', () => {
    for (const api of ['chat', 'completions', 'messages', 'responses', 'generate_content'])
      expect(needOf(untold, call({ api, counts: delivered(20) }))).toEqual({ input: true, output: true })
  })

  test('the output of a stream that was cut, the input where it was not told', () => {
    expect(needOf(told({ outputTokens: 1 }), call(cut))).toEqual({ input: false, output: true })
    expect(needOf(untold, call(cut))).toEqual({ input: true, output: true })
    // A cut behind the usage changes nothing.
    expect(needOf(told(), call({ ...cut, finishReason: 'stop' }))).toBeNull()
  })

  test('the input of embeddings and speech', () => {
    expect(needOf(untold, call({ api: 'embeddings' }))).toEqual({ input: true, output: false })
    expect(needOf(untold, call({ api: 'speech' }))).toEqual({ input: true, output: false })
    expect(needOf(told({ outputTokens: null }), call({ api: 'embeddings' }))).toBeNull()
  })

  test('nothing of a call that was never answered: whether it used anything is not known', () => {
    const marksUs = { ...exchange().marksUs, headers: null, firstByte: null, firstContent: null }
    const event = call({ ...cut, marksUs, status: 0 })
    expect(needOf(untold, event)).toBeNull()
    expect(completed(untold, event, null)).toMatchObject({ usageSource: 'none', reason: 'cut' })
    // But of one we gave up on: it may have worked all the while.
    expect(needOf(untold, call({ outcome: 'stall', marksUs, status: 0 }))).toEqual({ input: true, output: true })
  })
})

describe('what becomes of the counts', () => {
  test('they fill in what was not told, and the source is estimated', () => {
    expect(completed(untold, call(), counts(30, 7))).toMatchObject({
      inputTokens: 30,
      outputTokens: 7,
      usageSource: 'estimated',
      reason: 'not_on_wire',
      notes: [],
    })
  })

  test('what the wire told is never made smaller, and one figure of ours makes the whole estimated', () => {
    const start = told({ inputTokens: 2000, outputTokens: 1 })
    expect(completed(start, call(cut), counts(null, 40))).toMatchObject({
      inputTokens: 2000,
      outputTokens: 40,
      usageSource: 'estimated',
      reason: 'cut',
    })
    const growing = told({ outputTokens: 50 })
    expect(completed(growing, call(cut), counts(null, 40))).toEqual(growing)
    // Only the input was no count: the output of a whole answer stays as it was told, whatever we count.
    expect(completed(told({ inputTokens: null, outputTokens: 5 }), call(), counts(30, 6))).toMatchObject({
      inputTokens: 30,
      outputTokens: 5,
      usageSource: 'estimated',
    })
  })

  test('nor smaller than what a stream told of its output when it began', () => {
    const begun = call({
      ...cut,
      api: 'messages',
      usageRaw: [{ source: 'message_start', json: '{"input_tokens":1000,"output_tokens":8}' }],
    })
    expect(completed(told({ outputTokens: null }), begun, counts(null, 0))).toMatchObject({
      inputTokens: 1000,
      outputTokens: 8,
      reason: 'cut',
    })
    expect(completed(told({ outputTokens: null }), begun, counts(null, 11))).toMatchObject({ outputTokens: 11 })
  })

  test('a cut after the usage keeps it', () => {
    const usage = told()
    expect(completed(usage, call({ ...cut, finishReason: 'stop' }), counts(1, 1))).toBe(usage)
  })

  test('nothing delivered before the cut is 0; nothing found in a whole answer is not known', () => {
    expect(completed(untold, call(cut), counts(30, 0))).toMatchObject({ outputTokens: 0, reason: 'cut' })
    expect(completed(untold, call(), counts(30, 0))).toMatchObject({ inputTokens: 30, outputTokens: null })
    expect(completed(untold, call(), counts(null, 0))).toMatchObject({ usageSource: 'none', reason: 'not_on_wire' })
  })

  test('embeddings put out nothing, speech something that no text tells', () => {
    expect(completed(untold, call({ api: 'embeddings' }), counts(12, null))).toMatchObject({ inputTokens: 12, outputTokens: 0 })
    const speech = call({ api: 'speech', priceFacts: { characters: 63 } })
    expect(completed(untold, speech, counts(10, null))).toMatchObject({
      inputTokens: 10,
      outputTokens: null,
      extra: { characters: 63 },
      usageSource: 'estimated',
    })
  })

  test('the last part grows with the sum', () => {
    const part = { ...told({ inputTokens: 10, outputTokens: 3 }), type: 'message', model: null }
    const usage = told({ inputTokens: 20, outputTokens: 6, parts: [part, part] })
    const { parts, outputTokens } = completed(usage, call(cut), counts(null, 10))
    expect([outputTokens, parts.map((each) => each.outputTokens), parts.map((each) => each.inputTokens)]).toEqual([
      10,
      [3, 7],
      [10, 10],
    ])
  })

  test('notes of the counting stay', () => {
    expect(completed(untold, call(), counts(30, 7, 'media_not_counted')).notes).toEqual(['media_not_counted'])
  })
})

describe('without a tokenizer', () => {
  const conversation: Conversation = {
    messages: [
      { role: 'system', name: null, blocks: [{ type: 'text', text: 'Be brief.' }] },
      { role: 'user', name: null, blocks: [{ type: 'text', text: 'What is a weir?' }] },
    ],
    answerAt: 2,
    notes: [],
  }
  test('four characters are a token, and the row says why', () => {
    // (9 + 15) / 4 = 6, and 3 x (2 + 1); 41 / 4, rounded up.
    expect(completed(untold, call({ counts: delivered(41) }), null, conversation)).toMatchObject({
      inputTokens: 15,
      outputTokens: 11,
      usageSource: 'estimated',
      notes: ['tokenizer_failed'],
    })
  })
  test('where no text was stored, nothing failed', () => {
    const event = call({ reqBody: null, resBody: null, counts: delivered(41) })
    expect(completed(untold, event, null)).toMatchObject({ inputTokens: null, outputTokens: 11, notes: [] })
  })
})

describe('responses that are made in the background', () => {
  const silent = { api: 'responses', counts: delivered(0), finishReason: null }
  test('the call that starts one owes what a read will tell', () => {
    for (const usage of [untold, noUsage('not_applicable')]) {
      const event = call({ ...silent, endpoint: 'POST /v1/responses' })
      expect(needOf(usage, event)).toBeNull()
      expect(completed(usage, event, null)).toMatchObject({
        usageSource: 'none',
        reason: 'not_on_wire',
        notes: ['told_by_a_read'],
      })
    }
  })
  test('a read that tells nothing owes nothing; one that was cut after text came is estimated by that text alone', () => {
    for (const more of [silent, { ...cut, api: 'responses', counts: delivered(0) }]) {
      const event = call({ ...more, endpoint: 'GET /v1/responses/{id}' })
      expect(needOf(untold, event)).toBeNull()
      expect(completed(untold, event, null)).toMatchObject({ usageSource: 'none', reason: 'not_applicable' })
    }
    const resumed = call({ ...cut, api: 'responses', counts: delivered(400), endpoint: 'GET /v1/responses/{id}' })
    expect(needOf(untold, resumed)).toEqual({ input: false, output: true })
    // 400 characters, four a token; what was asked lies in another call.
    expect(completed(untold, resumed, null)).toMatchObject({
      usageSource: 'estimated',
      reason: 'cut',
      inputTokens: null,
      outputTokens: 100,
    })
  })
  test('a read that tells the usage tells it', () => {
    const usage = told()
    expect(completed(usage, call({ api: 'responses', endpoint: 'GET /v1/responses/{id}' }), null)).toBe(usage)
  })
  test('the stream of one that was cut is counted', () => {
    const event = call({ ...cut, api: 'responses', endpoint: 'POST /v1/responses', counts: delivered(40) })
    expect(needOf(untold, event)).toEqual({ input: true, output: true })
  })
})
