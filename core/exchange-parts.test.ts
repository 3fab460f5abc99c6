import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeExchange, encodeExchange, type Identity, type Learned, type Settled } from './exchange.js'
import { encodeParts } from './exchange-parts.js'

const identity: Identity = {
  userId: 'ada',
  sessionId: null,
  sessionName: null,
  sessionPath: null,
  properties: { feature: 'search' },
  tags: ['a'],
  clientRequestId: null,
  promptId: null,
  promptVersion: null,
  modelOverride: null,
  keyId: 'k1',
  trace: null,
  omitRequest: false,
  omitResponse: false,
}
const settled: Settled = {
  v: 1,
  id: '019ab000-0000-7000-8000-000000000001',
  tenant: 'default',
  writer: '019ab000-0000-7000-8000-000000000002',
  startedAt: '2026-11-25T10:00:00.000Z',
  operation: 'chat',
  provider: 'openai',
  api: 'chat',
  endpoint: 'POST /openai/v1/chat/completions',
  target: 'openai/gpt-5-mini',
  serverAddress: 'api.openai.com',
  streaming: true,
  requestModel: 'gpt-5-mini',
  priceFacts: { n: 2 },
  reqHeaders: [['user-agent', 'test/1.0']],
  identity,
  retentionDays: { rows: 400, bodies: 30 },
}
const raw = [{ source: 'usage', json: '{"prompt_tokens":1}' }]
const marksUs = { admitted: 1, sent: 2, headers: 3, firstByte: 4, firstContent: 5, lastByte: 6, closed: 7 }
const learned: Learned = {
  kind: 'end',
  seq: 7,
  marksUs,
  responseModel: 'gpt-5-mini-2025-08-07',
  responseId: 'chatcmpl-1',
  finishReason: 'stop',
  status: 200,
  outcome: 'complete',
  error: { kind: 'server', code: 'x', message: 'y' },
  attempts: [
    {
      target: 'openai/gpt-5-mini',
      provider: 'openai',
      model: 'gpt-5-mini',
      status: 200,
      errorKind: '',
      startUs: 2,
      endUs: 6,
      usageRaw: raw,
    },
  ],
  usageRaw: raw,
  counts: { reqBytes: 4, resBytes: 6, chunks: 1, events: 1, contentChars: 2, toolCalls: 0 },
  sha256: { req: 'a', res: 'b' },
  resHeaders: [['x-request-id', 'r1']],
  reqBody: { length: 4, encoding: null, truncated: false },
  resBody: { length: 6, encoding: 'gzip', truncated: true },
  cache: null,
  guardrails: [],
  altered: ['model'],
  warnings: ['w'],
  notes: ['n'],
  spill: 'default/20261125/id',
}
const bodies = [Buffer.from('abcd'), Buffer.from('efghij')]
const decoded = (pieces: readonly Uint8Array[]) => decodeExchange(Buffer.concat(pieces))

describe('an event in two parts', () => {
  test('reads like one that was written whole, with every field', () => {
    const [req, res] = [learned.reqBody, learned.resBody].map((head, i) => ({ ...head!, pieces: [bodies[i]!] }))
    const whole = encodeExchange({ ...settled, ...learned, reqBody: req!, resBody: res! })
    const parts = encodeParts(JSON.stringify(settled), learned, bodies)
    expect(decoded(parts)).toEqual(decoded(whole))
    expect(Buffer.from(decoded(parts).resBody!.bytes).toString()).toBe('efghij')
  })

  test('a start leaves out what has not happened, and reads with all of it', () => {
    const start = decoded(
      encodeParts(
        JSON.stringify(settled),
        { kind: 'start', seq: 6, marksUs, counts: learned.counts, altered: [], warnings: ['w'] },
        [],
      ),
    )
    expect(start).toMatchObject({ ...settled, kind: 'start', seq: 6, marksUs, warnings: ['w'] })
    expect(Object.keys(start).toSorted()).toEqual(
      Object.keys({ ...settled, ...learned })
        .filter((key) => key !== 'spill')
        .toSorted(),
    )
    expect([start.outcome, start.status, start.attempts, start.sha256, start.reqBody]).toEqual([
      'proxy_lost',
      0,
      [],
      { req: null, res: null },
      null,
    ])
  })

  test('heads that share a slab stay apart, whatever their length and alphabet', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.nat(6000).map((n) => 'x'.repeat(n)),
      fc.nat(3000).map((n) => '\u20ac'.repeat(n)),
      fc.nat(3000).map((n) => '\u{1f600}'.repeat(n)),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 12 }), (all) => {
        const heads = all.map(([user, note]) =>
          encodeParts(
            JSON.stringify({ ...settled, identity: { ...identity, userId: user } }),
            { ...learned, reqBody: null, resBody: null, notes: [note] },
            [],
          ),
        )
        // What JSON itself does to the text (lone surrogates) is not in question here.
        const wanted = all.map(([user, note]) => JSON.parse(Buffer.from(JSON.stringify([user, note])).toString()) as unknown)
        expect(heads.map((head) => [decoded(head).identity.userId, decoded(head).notes[0]])).toEqual(wanted)
      }),
      { numRuns: 300 },
    )
  })
})
