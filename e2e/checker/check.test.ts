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
    clientCall('early', { end: 'cut', status: 0, id: '', sha256: '' }),
    clientCall('down', { end: 'unconnected', status: 0, id: '', sha256: '' }),
    clientCall('raced'),
    clientCall('error', { status: 500 }),
    clientCall('broken', { sha256: 'part-and-event' }),
    clientCall('torn', { end: 'cut', sha256: 'part' }),
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
    storedCall('raced', { replayed: true }),
    storedCall('error', { status: 500, inputTokens: null, outputTokens: null, cost: '0' }),
    storedCall('broken', { outcome: 'upstream_abort', cost: '0' }),
    storedCall('torn', { outcome: 'stall', cost: '0' }),
  ],
  rowSums: { calls: 10, cost: '0.00031' },
  rollups: [
    { of: 'r_model_1h', calls: 10, cost: '0.00031' },
    { of: 'r_user_1d', calls: 10, cost: '0.00031' },
  ],
}

const withRow = (mark: string, more: Partial<StoredCall>): Histories => ({
  ...clean,
  rows: clean.rows.map((row) => (row.mark === mark ? { ...row, ...more } : row)),
})
const withoutRow = (mark: string): Histories => ({ ...clean, rows: clean.rows.filter((row) => row.mark !== mark) })

test('a clean run has no fault, and its line says what it was', () => {
  const verdicts = check(clean)
  expect(verdicts).toEqual({
    issued: 12,
    finished: 5,
    upstream: 10,
    rows: 10,
    lost: [],
    double: [],
    wrong: [],
    unseen: 2,
    proxyLost: 2,
  })
  expect(lineOf(verdicts, { seed: 7, crashes: 1 })).toBe(
    'seed 7: issued 12, finished 5, upstream 10, rows 10 (proxy_lost 2), lost 0, double 0, wrong 0, unseen 2, crashes 1',
  )
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
    ['cost', { cost: '0.00032' }],
  ])('a roll-up with other %s than the rows', (_, more) => {
    const { double } = check({ ...clean, rollups: [{ of: 'r_model_1h', ...clean.rowSums, ...more }] })
    expect(double).toHaveLength(1)
    expect(double[0]).toContain('r_model_1h')
  })
})

describe('wrong', () => {
  test.each([
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
    ['complete, although the connection was torn', 'torn', { outcome: 'complete' }],
    ['refused for a client that left', 'left', { outcome: 'refused' }],
  ])('%s', (_, mark, more) => {
    const { lost, double, wrong } = check(withRow(mark, more))
    expect(wrong.length).toBeGreaterThan(0)
    expect(wrong.every((fault) => fault.includes(mark))).toBe(true)
    expect([lost.length, double.length]).toEqual([0, 0])
  })
  test('a row of a call that nobody made, or that never connected', () => {
    expect(check({ ...clean, rows: [...clean.rows, storedCall('stray')] }).wrong).toHaveLength(1)
    expect(check({ ...clean, rows: [...clean.rows, storedCall('down')] }).wrong.length).toBeGreaterThan(0)
  })
})
