import { describe, expect, test } from 'vitest'
import { check, lineOf, type ClientCall, type Histories, type StoredCall, type UpstreamCall } from './check.js'

const clientCall = (mark: string, more: Partial<ClientCall> = {}): ClientCall => ({
  mark,
  end: 'whole',
  status: 200,
  id: `id-${mark}`,
  refusal: '',
  sha256: `sha-${mark}`,
  ...more,
})
const upstreamCall = (mark: string, more: Partial<UpstreamCall> = {}): UpstreamCall => ({
  mark,
  sentSha256: `sha-${mark}`,
  status: 200,
  inputTokens: 10,
  outputTokens: 5,
  cost: '0.0001',
  ...more,
})
const storedCall = (mark: string, more: Partial<StoredCall> = {}): StoredCall => ({
  id: `id-${mark}`,
  mark,
  outcome: 'complete',
  status: 200,
  errorCode: '',
  attempts: 1,
  replayed: false,
  inputTokens: 10,
  outputTokens: 5,
  cost: '0.0001',
  responseSha256: `sha-${mark}`,
  ...more,
})

const proxyLost: Partial<StoredCall> = {
  outcome: 'proxy_lost',
  status: 0,
  inputTokens: null,
  outputTokens: null,
  cost: null,
  responseSha256: '',
  attempts: 0,
}

/** A run in which everything is as it should be, and every kind of call occurs. */
const clean: Histories = {
  client: [
    clientCall('whole'),
    clientCall('refused', { status: 503, refusal: 'draining', sha256: 'r' }),
    clientCall('open', { end: 'cut', sha256: 'part' }),
    clientCall('headless', { end: 'cut', status: 0, id: '', sha256: '' }),
    clientCall('last-byte', { end: 'cut', sha256: 'part' }),
    clientCall('left', { end: 'left', sha256: 'part' }),
    clientCall('left-early', { end: 'left', status: 0, id: '', sha256: '' }),
    clientCall('early', { end: 'cut', status: 0, id: '', sha256: '' }),
    clientCall('down', { end: 'unconnected', status: 0, id: '', sha256: '' }),
    clientCall('raced'),
    clientCall('error', { status: 500 }),
    clientCall('broken', { sha256: 'part-and-event', event: 'upstream_reset' }),
    clientCall('torn', { end: 'cut', sha256: 'part', question: 'qt' }),
    clientCall('follower', { end: 'cut', sha256: 'part', question: 'qt', cache: 'HIT' }),
    clientCall('miss', { question: 'q', cache: 'MISS' }),
    clientCall('hit', { question: 'q', cache: 'HIT', sha256: 'sha-miss' }),
    clientCall('moved'),
    clientCall('tired', { status: 502, refusal: 'upstream_reset', sha256: 'r' }),
    clientCall('unlinked', { onBrokenLink: true, sha256: 'part-and-event', event: 'upstream_reset' }),
    clientCall('drained', { sha256: 'part-and-event', event: 'draining' }),
  ],
  upstream: [
    upstreamCall('whole'),
    upstreamCall('open', { sentSha256: null }),
    upstreamCall('headless', { sentSha256: null }),
    upstreamCall('last-byte'),
    upstreamCall('left', { sentSha256: null }),
    upstreamCall('raced'),
    upstreamCall('raced'),
    upstreamCall('error', { status: 500, fault: 'status' }),
    upstreamCall('broken', { sentSha256: null, fault: 'broken' }),
    upstreamCall('torn', { sentSha256: null, fault: 'broken' }),
    upstreamCall('miss'),
    upstreamCall('moved', { model: 'first', status: 500, fault: 'status', sentSha256: 'sha-of-error' }),
    upstreamCall('moved', { model: 'second' }),
    upstreamCall('tired', { sentSha256: null, status: 0, fault: 'broken' }),
    upstreamCall('tired', { sentSha256: null, status: 0, fault: 'broken' }),
    upstreamCall('tired', { sentSha256: null, status: 0, fault: 'broken' }),
    upstreamCall('left-early'),
    upstreamCall('unlinked'),
    upstreamCall('drained', { sentSha256: null }),
  ],
  rows: [
    storedCall('whole'),
    storedCall('refused', {
      outcome: 'refused',
      status: 503,
      errorCode: 'draining',
      attempts: 0,
      inputTokens: null,
      outputTokens: null,
      cost: '0',
      responseSha256: '',
    }),
    storedCall('open', proxyLost),
    storedCall('headless', proxyLost),
    storedCall('last-byte'),
    storedCall('left', { outcome: 'client_abort', inputTokens: 10, outputTokens: 1, cost: '0.00001' }),
    storedCall('left-early', {
      outcome: 'client_abort',
      status: 0,
      inputTokens: null,
      outputTokens: null,
      cost: '0',
      responseSha256: '',
    }),
    storedCall('raced', { replayed: true }),
    storedCall('error', { status: 500, inputTokens: null, outputTokens: null, cost: '0' }),
    storedCall('broken', { outcome: 'upstream_abort', errorCode: 'upstream_reset', cost: '0' }),
    storedCall('torn', { outcome: 'stall', cost: '0' }),
    storedCall('follower', {
      outcome: 'stall',
      cacheStatus: 'hit',
      attempts: 0,
      inputTokens: null,
      outputTokens: null,
      cost: '0',
      responseSha256: 'part',
    }),
    storedCall('miss', { cacheStatus: 'miss' }),
    storedCall('hit', {
      outcome: 'cached',
      cacheStatus: 'hit',
      attempts: 0,
      inputTokens: null,
      outputTokens: null,
      cost: '0',
      saved: '0.0001',
      responseSha256: 'sha-miss',
    }),
    storedCall('moved', {
      attempts: 2,
      targets: [
        ['first', 500],
        ['second', 200],
      ],
      attemptsCost: '0.0001',
    }),
    storedCall('tired', {
      outcome: 'upstream_abort',
      status: 502,
      errorCode: 'upstream_reset',
      attempts: 2,
      replayed: true,
      replays: 1,
      inputTokens: null,
      outputTokens: null,
      cost: '0',
      responseSha256: '',
    }),
    storedCall('unlinked', { outcome: 'upstream_abort', errorCode: 'upstream_reset', attempts: 1, replayed: true, cost: '0' }),
    storedCall('drained', { outcome: 'upstream_abort', errorCode: 'draining', cost: '0.00001' }),
  ],
  rowSums: { calls: 18, cost: '0.00051' },
  rollups: [
    { of: 'r_model_1h', calls: 18, cost: '0.00051' },
    { of: 'r_user_1d', calls: 18, cost: '0.00051' },
  ],
  otherRollups: [],
}

const withRow = (mark: string, more: Partial<StoredCall>): Histories => ({
  ...clean,
  rows: clean.rows.map((row) => (row.mark === mark ? { ...row, ...more } : row)),
})
const withoutRow = (mark: string): Histories => ({ ...clean, rows: clean.rows.filter((row) => row.mark !== mark) })

test('a clean run has no fault, and its line says what it was', () => {
  const verdicts = check(clean)
  expect(verdicts).toEqual({
    issued: 20,
    finished: 11,
    upstream: 19,
    rows: 18,
    lost: [],
    double: [],
    wrong: [],
    unseen: 2,
    proxyLost: 2,
  })
  expect(lineOf(verdicts, { seed: 7, crashes: 1 })).toBe(
    'seed 7: issued 20, finished 11, upstream 19, rows 18 (proxy_lost 2), lost 0, double 0, wrong 0, unseen 2, crashes 1',
  )
})

test('what a full log counted itself is told apart', () => {
  const about = { seed: 7, crashes: 0, counted: 2 }
  expect(lineOf({ ...check(clean), lost: ['a', 'b'] }, about)).toContain(' lost 0 (2 dropped and counted),')
  expect(lineOf({ ...check(clean), lost: ['a', 'b', 'c'] }, about)).toContain(' lost 1 (2 dropped and counted),')
  // Two of the clean run nobody would miss.
  expect(lineOf({ ...check(clean), lost: [] }, about)).toContain(' lost 0 (2 dropped and counted),')
  expect(lineOf({ ...check(clean), lost: [] }, { ...about, counted: 5 })).toContain(' lost 3 (5 dropped and counted),')
})

describe('lost', () => {
  test.each([
    ['the client saw the end', 'whole'],
    ['the client was refused', 'refused'],
    ['the upstream had it, the client got no head', 'headless'],
    ['the upstream had it, the client part of it', 'open'],
    ['the client left, the upstream had it', 'left'],
  ])('%s, and there is no row', (_, mark) => {
    const { lost, double, wrong } = check(withoutRow(mark))
    expect([lost.length, double.length, wrong.length]).toEqual([1, 0, 0])
    expect(lost[0]).toContain(mark)
  })
})

describe('double', () => {
  test('two rows of one id', () => {
    const { lost, double, wrong } = check({ ...clean, rows: [...clean.rows, storedCall('whole')] })
    expect([lost.length, double.length, wrong.length]).toEqual([0, 1, 0])
  })
  test('two ids for one call', () => {
    const { double } = check({ ...clean, rows: [...clean.rows, storedCall('open', { ...proxyLost, id: 'another' })] })
    expect(double).toEqual(['open: one call, 2 rows'])
  })
  test.each([
    ['calls', { calls: 8 }],
    ['cost', { cost: '0.00052' }],
  ])('a roll-up with other %s than the rows', (_, more) => {
    const { double } = check({ ...clean, rollups: [{ of: 'r_model_1h', ...clean.rowSums, ...more }] })
    expect(double).toHaveLength(1)
    expect(double[0]).toContain('r_model_1h')
  })
  test('a roll-up of which another sum differs', () => {
    expect(check({ ...clean, otherRollups: ['r_key_1h: 7, the rows 8'] }).double).toEqual(['r_key_1h: 7, the rows 8'])
  })
})

describe('wrong', () => {
  test.each<readonly [string, string, Partial<StoredCall>]>([
    ['an outcome', 'whole', { outcome: 'client_abort' }],
    ['proxy_lost for an answer that was seen to its end', 'whole', proxyLost],
    ['a status', 'whole', { status: 500 }],
    ['input tokens', 'whole', { inputTokens: 11 }],
    ['output tokens', 'whole', { outputTokens: 0 }],
    ['no tokens', 'whole', { outputTokens: null }],
    ['a cost', 'whole', { cost: '0.0002' }],
    ['a hash', 'whole', { responseSha256: 'other' }],
    ['attempts', 'whole', { attempts: 2 }],
    ['an unmarked second send', 'raced', { replayed: false }],
    ['an id the client was not told', 'whole', { id: 'id-other' }],
    ['a refusal told otherwise', 'refused', { errorCode: 'saturated' }],
    ['a refusal stored as complete', 'refused', { outcome: 'complete' }],
    ['client_abort for a client that stayed', 'open', { ...proxyLost, outcome: 'client_abort' }],
    ['complete with half of the bytes', 'last-byte', { responseSha256: 'part' }],
    ['a price for a call nobody knows the end of', 'open', { ...proxyLost, cost: '0' }],
    ['tokens of an error answer', 'error', { inputTokens: 10 }],
    ['complete, although the upstream broke off', 'broken', { outcome: 'complete' }],
    ["a cost of another one's torn answer", 'follower', { cost: '0.0001' }],
    ['complete, although the connection was torn', 'torn', { outcome: 'complete' }],
    ['refused for a client that left', 'left', { outcome: 'refused' }],
    ['no cost of a call that was left', 'left', { cost: null }],
    ['no input of a call that was left', 'left', { inputTokens: null }],
    ['a cost where no answer had begun', 'left-early', { cost: '0.0001' }],
    ['tokens where no answer had begun', 'left-early', { inputTokens: 10 }],
    ['another code than the event', 'broken', { errorCode: 'timeout_idle' }],
    ['another outcome than the event', 'broken', { outcome: 'client_abort' }],
    ['upstream_abort of an answer that came whole', 'whole', { outcome: 'upstream_abort' }],
    ['a hit that was none', 'miss', { outcome: 'cached', cacheStatus: 'hit' }],
    ['a hit that is stored as complete', 'hit', { outcome: 'complete' }],
    ['a hit the row does not know', 'hit', { outcome: 'complete', cacheStatus: '', attempts: 1 }],
    ['a hit that costs something', 'hit', { cost: '0.0001' }],
    ['a hit that used tokens', 'hit', { inputTokens: 10 }],
    ['a hit that saved nothing', 'hit', { saved: null }],
    ['a hit that saved something else', 'hit', { saved: '0.0002' }],
    ['a hit with an attempt', 'hit', { attempts: 1 }],
    ['the bytes of another answer', 'hit', { responseSha256: 'sha-whole' }],
    ['an attempt too few', 'moved', { attempts: 1 }],
    [
      'another first target',
      'moved',
      {
        targets: [
          ['second', 500],
          ['second', 200],
        ],
      },
    ],
    [
      'another status of an attempt',
      'moved',
      {
        targets: [
          ['first', 200],
          ['second', 200],
        ],
      },
    ],
    ['attempts that cost something else', 'moved', { attemptsCost: '0.0002' }],
    ['an unmarked second send among attempts', 'tired', { replayed: false, replays: 0 }],
    ['sends that the upstream had', 'unlinked', { attempts: 0, replayed: false }],
    ['complete, although the event says otherwise', 'unlinked', { outcome: 'complete' }],
    ['a drained call that says nothing of it', 'drained', { errorCode: '' }],
  ])('%s', (_, mark, more) => {
    const { lost, double, wrong } = check(withRow(mark, more))
    expect(wrong.length).toBeGreaterThan(0)
    expect(wrong.every((fault) => fault.includes(mark))).toBe(true)
    expect([lost.length, double.length]).toEqual([0, 0])
  })
  test('a hit that broke off, and nobody who asked the same saw that', () => {
    const client = clean.client.map((call) => (call.mark === 'torn' ? { ...call, question: 'another' } : call))
    expect(check({ ...clean, client }).wrong.join()).toContain('follower')
  })
  test('a broken answer that was passed on as a whole one', () => {
    const client = clean.client.map((call) => (call.mark === 'broken' ? { ...call, event: '', sha256: 'sha-broken' } : call))
    const rows = clean.rows.map((row) => (row.mark === 'broken' ? storedCall('broken', { responseSha256: 'sha-broken' }) : row))
    expect(check({ ...clean, client, rows }).wrong).toEqual([
      expect.stringContaining('the upstream broke off'),
      expect.anything(),
    ])
  })
  test('an error event and a refusal that nobody gave cause for', () => {
    for (const more of [{ event: 'upstream_reset' }, { status: 502, refusal: 'upstream_reset' }]) {
      const client = clean.client.map((call) => (call.mark === 'whole' ? { ...call, ...more } : call))
      const rows = clean.rows.map((row) =>
        row.mark === 'whole'
          ? { ...row, outcome: 'upstream_abort', errorCode: 'upstream_reset', status: more.status ?? 200 }
          : row,
      )
      expect(check({ ...clean, client, rows }).wrong).toEqual([expect.stringContaining('nobody broke off')])
    }
  })
  test('a row of a call that nobody made, or that never connected', () => {
    expect(check({ ...clean, rows: [...clean.rows, storedCall('stray')] }).wrong).toHaveLength(1)
    expect(check({ ...clean, rows: [...clean.rows, storedCall('down')] }).wrong.length).toBeGreaterThan(0)
  })
})
