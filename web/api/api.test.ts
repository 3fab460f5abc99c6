import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { z } from 'zod'
import {
  bodiesSchema,
  errorsSchema,
  fieldsSchema,
  overviewSchema,
  type Bodies,
  type Errors,
  type Fields,
  type Overview,
  type RequestCount,
  type RequestDetail,
  type RequestPage,
  requestDetailSchema,
  requestPageSchema,
  requestSorts,
  type Series,
  type SqlAnswer,
  sqlAnswerSchema,
  seriesSchema,
  type Top,
  topSchema,
} from './contract.js'
import { byCost, cost, idAt, linesOf, type MadeCall, madeCalls, rowOf, sum, usd } from './testing/calls.js'
import { type OpenHouse, openHouse } from './testing/open-house.js'

const hour = 3_600_000
const day = 24 * hour
const end = Math.floor(Date.now() / day) * day
const recent = madeCalls({ count: 700, endMs: end, spanMs: 3 * day })
/** 15 models on one old day, dearer and dearer: more than a chart draws apart. */
const many: MadeCall[] = Array.from({ length: 15 }, (_, i) => ({
  ...(madeCalls({ count: 1, endMs: end - 20 * day, spanMs: hour, source: 'w2' })[0] as MadeCall),
  id: idAt(end - 20 * day + i, 5000 + i),
  atMs: end - 20 * day + i * hour,
  offset: i + 1,
  model: `m-${String(i).padStart(2, '0')}`,
  costPico: BigInt(i + 1) * 10n ** 12n,
  costStatus: 'exact',
}))
const calls = [...recent, ...many]
const theirs = madeCalls({ count: 200, endMs: end, spanMs: 3 * day, seed: 99, source: 'w3' }).map((call, i) => ({
  ...call,
  id: idAt(call.atMs, 9000 + i),
}))

let house: OpenHouse
beforeAll(async () => {
  house = await openHouse()
  await house.db.insert('requests', linesOf(calls.map((call) => rowOf(call))), 'ours')
  await house.db.insert('requests', linesOf(theirs.map((call) => rowOf(call, 'other'))), 'theirs')
})
afterAll(() => house.close())

const within = (fromMs: number, toMs: number): MadeCall[] => calls.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
const at = (ms: number): string => new Date(ms).toISOString()
const query = (params: Record<string, string | number>): string =>
  new URLSearchParams(Object.entries(params).map(([k, v]) => [k, String(v)])).toString()
const ask = async <T>(schema: z.ZodType<T>, path: string, params: Record<string, string | number> = {}): Promise<T> => {
  const answer: unknown = await house.json(`${path}?${query(params)}`)
  // The schema is the promise; strict parsing would strip nothing, so compare what it keeps with what came.
  expect(schema.parse(answer)).toEqual(answer)
  return answer as T
}
const good = (call: MadeCall): boolean => call.outcome === 'complete' && call.errorKind === ''
/** A quantile sketch may be off by its neighbours' distance; far more would be a wrong set of rows. */
const expectQuantile = (got: number | null, values: readonly number[], q: number): void => {
  const sorted = [...values].sort((a, b) => a - b)
  const near = (rank: number): number => sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(rank)))] as number
  const slack = Math.max(2, sorted.length * 0.02)
  expect(got).toBeGreaterThanOrEqual(near(q * (sorted.length - 1) - slack))
  expect(got).toBeLessThanOrEqual(near(q * (sorted.length - 1) + slack))
}
const known = (of: readonly MadeCall[], value: (call: MadeCall) => number | null): number[] =>
  of
    .filter(good)
    .map(value)
    .filter((ms) => ms !== null)

describe('overview', () => {
  test.each([
    { name: 'six hours, from rows', fromMs: end - 6 * hour - 1234, toMs: end - 77, source: 'rows' },
    { name: 'two days, from hours', fromMs: end - 2 * day, toMs: end, source: 'hours' },
    { name: 'half a year, from hours', fromMs: end - 180 * day, toMs: end, source: 'hours' },
    {
      name: 'two days filtered by a key of the roll-up',
      fromMs: end - 2 * day,
      toMs: end,
      source: 'hours',
      filter: 'provider in (openai, gemini)',
    },
    { name: 'two days filtered across keys', fromMs: end - 2 * day, toMs: end, source: 'rows', filter: "user_id = 'o''hara'" },
  ])('$name', async ({ fromMs, toMs, source, filter }) => {
    const passes = (call: MadeCall): boolean =>
      filter === undefined ||
      (filter.startsWith('provider') ? ['openai', 'gemini'].includes(call.provider) : call.userId === "o'hara")
    const of = within(fromMs, toMs).filter(passes)
    const answer = await ask<Overview>(overviewSchema, '/api/overview', { from: at(fromMs), to: at(toMs), filter: filter ?? '' })
    expect(answer.period).toEqual({ from: at(fromMs), to: at(toMs), source })
    const errors = of.filter(({ errorKind }) => errorKind !== '').length
    const hits = of.filter(({ outcome }) => outcome === 'cached').length
    expect(of.length).toBeGreaterThan(20)
    expect(answer.current).toMatchObject({
      costUsd: cost(of),
      requests: of.length,
      errors,
      errorRate: errors / of.length,
      inputTokens: sum(of, (call) => call.inputTokens),
      outputTokens: sum(of, (call) => call.outputTokens),
      cacheReadTokens: sum(of, (call) => call.cacheReadTokens),
      cacheHits: hits,
      cacheHitRate: hits / of.length,
      savedUsd: usd(BigInt(hits) * 1_234_567_890n),
      savedMs: hits * 800,
      unpriced: of.filter(({ costStatus }) => costStatus === 'unpriced').length,
      estimated: of.filter(({ usageSource }) => usageSource === 'estimated').length,
    })
    expectQuantile(
      answer.current.p50Ms,
      known(of, (call) => call.totalMs),
      0.5,
    )
    expectQuantile(
      answer.current.p95Ms,
      known(of, (call) => call.totalMs),
      0.95,
    )
    expectQuantile(
      answer.current.p95FirstChunkMs,
      known(of, (call) => call.firstChunkMs),
      0.95,
    )
    const before = within(2 * fromMs - toMs, fromMs).filter(passes)
    expect(answer.previous?.period).toEqual({ from: at(2 * fromMs - toMs), to: at(fromMs), source })
    expect(answer.previous?.figures).toMatchObject({ costUsd: cost(before), requests: before.length })
    const unpriced = of.filter(({ costStatus }) => costStatus === 'unpriced').length
    expect(answer.unpricedModels).toEqual(unpriced === 0 ? [] : [{ provider: 'my-vllm', model: 'llama-own', requests: unpriced }])
  })

  test('an odd long range is read in whole hours, and says so', async () => {
    const answer = await ask<Overview>(overviewSchema, '/api/overview', {
      from: at(end - 30 * hour + 5),
      to: at(end - 5),
      compare: 'none',
    })
    expect(answer.period).toEqual({ from: at(end - 30 * hour), to: at(end), source: 'hours' })
    expect(answer.current.requests).toBe(within(end - 30 * hour, end).length)
    expect(answer.previous).toBeNull()
  })

  test('nothing happened: sums are 0, what cannot be known is null', async () => {
    const { current } = await ask<Overview>(overviewSchema, '/api/overview', {
      from: at(end - 400 * day),
      to: at(end - 399.5 * day),
    })
    expect(current).toMatchObject({
      costUsd: '0',
      requests: 0,
      errorRate: null,
      p50Ms: null,
      p95Ms: null,
      p95FirstChunkMs: null,
      cacheHitRate: null,
    })
  })
})

describe('series', () => {
  const bucketed = (of: readonly MadeCall[], series: Series, value: (calls: readonly MadeCall[]) => unknown): unknown[] =>
    series.times.map((time) =>
      value(of.filter(({ atMs }) => atMs >= Date.parse(time) && atMs < Date.parse(time) + series.stepSeconds * 1000)),
    )

  test.each([
    { name: 'cost by model, rows', range: 6 * hour, group: 'model', key: (call: MadeCall) => call.model, step: 120 },
    { name: 'cost by provider, hours', range: 3 * day, group: 'provider', key: (call: MadeCall) => call.provider, step: 3600 },
    {
      name: 'cost by outcome, half hours are read from rows',
      range: 2 * day,
      group: 'outcome',
      key: (call: MadeCall) => call.outcome,
      step: 1800,
      asked: 1800,
    },
    { name: 'cost by user, days', range: 3 * day, group: 'user', key: (call: MadeCall) => call.userId, step: 86_400 },
    {
      name: 'cost by property, days',
      range: 3 * day,
      group: 'property:feature',
      key: (call: MadeCall) => call.feature,
      step: 86_400,
    },
    {
      name: 'cost by property, rows',
      range: 6 * hour,
      group: 'property:feature',
      key: (call: MadeCall) => call.feature,
      step: 120,
    },
  ])('$name', async ({ range, group, key, step, asked }) => {
    const params = { metric: 'cost', group, from: at(end - range), to: at(end), ...(asked === undefined ? {} : { step: asked }) }
    const answer = await ask<Series>(seriesSchema, '/api/series', params)
    expect(answer.stepSeconds).toBe(step)
    expect(answer.times).toHaveLength(range / 1000 / step)
    const expected = byCost(within(end - range, end), key)
    expect(answer.lines.map((line) => line.key).sort()).toEqual(expected.map((line) => line.key).sort())
    for (const line of expected) {
      const got = answer.lines.find((candidate) => candidate.key === line.key)
      expect(got?.total).toBe(line.costUsd)
      expect(got?.values).toEqual(bucketed(line.calls, answer, cost))
    }
  })

  test('beyond twelve groups the rest is one line, and all lines add up', async () => {
    const answer = await ask<Series>(seriesSchema, '/api/series', {
      metric: 'cost',
      group: 'model',
      from: at(end - 21 * day),
      to: at(end - 19 * day),
    })
    expect(answer.lines.map(({ key, rest, total }) => [key, rest, total])).toEqual([
      ...Array.from({ length: 12 }, (_, i) => [`m-${String(14 - i).padStart(2, '0')}`, false, String(15 - i)]),
      ['', true, '6'],
    ])
  })

  test('requests, errors and tokens without a group', async () => {
    const of = within(end - 3 * day, end)
    const ask3 = (metric: string, group = 'none') =>
      ask<Series>(seriesSchema, '/api/series', { metric, group, from: at(end - 3 * day), to: at(end) })
    const [requests, errors, tokens, kinds] = [
      await ask3('requests'),
      await ask3('errors'),
      await ask3('tokens'),
      await ask3('errors', 'error_kind'),
    ]
    expect(requests.lines).toEqual([
      { key: 'requests', rest: false, total: of.length, values: bucketed(of, requests, (calls) => calls.length) },
    ])
    expect(errors.lines[0]?.total).toBe(of.filter(({ errorKind }) => errorKind !== '').length)
    expect(tokens.lines.map(({ key, total }) => [key, total])).toEqual([
      ['input', sum(of, (call) => call.inputTokens)],
      ['output', sum(of, (call) => call.outputTokens)],
    ])
    expect(kinds.lines.map(({ key }) => key).sort()).toEqual(['rate_limit', 'server', 'timeout_ttft'])
  })

  test('latency has quantiles, and null where nothing was measured', async () => {
    const answer = await ask<Series>(seriesSchema, '/api/series', {
      metric: 'latency',
      from: at(end - 2 * day),
      to: at(end + day),
      step: 86_400,
    })
    expect(answer.lines.map(({ key }) => key)).toEqual(['p50', 'p95', 'p99'])
    const today = known(within(end - day, end), (call) => call.totalMs)
    expectQuantile(answer.lines[0]?.values[1] as number, today, 0.5)
    expectQuantile(answer.lines[2]?.values[1] as number, today, 0.99)
    expect(answer.lines.map(({ values }) => values[2])).toEqual([null, null, null])
    const perUser = await ask<Series>(seriesSchema, '/api/series', {
      metric: 'first_chunk',
      group: 'user',
      from: at(end - 2 * day),
      to: at(end),
    })
    expect(perUser.period.source).toBe('rows')
    expect(perUser.lines).toHaveLength(6)
  })

  test('no range makes more than 180 steps by itself, and too fine a step is refused', async () => {
    for (const range of [15 * 60_000, hour, 6 * hour, day, 7 * day, 30 * day, 365 * day, 799 * day])
      expect(
        (await ask<Series>(seriesSchema, '/api/series', { from: at(end - range), to: at(end) })).times.length,
      ).toBeLessThanOrEqual(182)
    expect(await house.ask(`/api/series?${query({ from: at(end - day), to: at(end), step: 1 })}`)).toMatchObject({ status: 400 })
  })
})

describe('top', () => {
  test.each([
    { by: 'user', range: 3 * day, key: (call: MadeCall) => call.userId },
    { by: 'user', range: 20 * hour, key: (call: MadeCall) => call.userId },
    { by: 'model', range: 3 * day, key: (call: MadeCall) => call.model },
    { by: 'session', range: 3 * day, key: (call: MadeCall) => call.sessionId || null },
    { by: 'session', range: 5 * hour, key: (call: MadeCall) => call.sessionId || null },
    { by: 'property:feature', range: 3 * day, key: (call: MadeCall) => call.feature },
    { by: 'property:feature', range: 5 * hour, key: (call: MadeCall) => call.feature },
  ])('$by over $range ms', async ({ by, range, key }) => {
    const of = within(end - range, end)
    const answer = await ask<Top>(topSchema, '/api/top', { by, from: at(end - range), to: at(end), limit: 7 })
    const expected = byCost(of, key)
    expect(answer.totalUsd).toBe(cost(of))
    expect(answer.rows.map(({ costUsd, requests }) => [costUsd, requests])).toEqual(
      expected.slice(0, 7).map(({ costUsd, calls }) => [costUsd, calls.length]),
    )
    for (const row of answer.rows) {
      const mine = expected.find((line) => line.key === row.key)?.calls ?? []
      expect(row).toMatchObject({
        requests: mine.length,
        errors: mine.filter(({ errorKind }) => errorKind !== '').length,
        tokens: sum(mine, (call) => (call.inputTokens ?? 0) + (call.outputTokens ?? 0)),
        unpriced: mine.filter(({ costStatus }) => costStatus === 'unpriced').length,
        lastAt: at(Math.max(...mine.map(({ atMs }) => atMs))),
        name: by === 'session' ? `Session ${row.key}` : null,
        provider: by === 'model' ? mine[0]?.provider : null,
      })
      expect(row.share).toBeCloseTo(Number(row.costUsd) / Number(answer.totalUsd), 9)
    }
  })
})

test.each([3 * day, 9 * hour])('errors by kind over %i ms', async (range) => {
  const of = within(end - range, end)
  const failed = of.filter(({ errorKind }) => errorKind !== '')
  const answer = await ask<Errors>(errorsSchema, '/api/errors', { from: at(end - range), to: at(end) })
  expect([answer.requests, answer.errors]).toEqual([of.length, failed.length])
  expect(answer.rows.length).toBeGreaterThan(0)
  expect(answer.rows.reduce((total, { requests }) => total + requests, 0)).toBe(failed.length)
  for (const row of answer.rows) {
    const mine = failed.filter(({ errorKind }) => errorKind === row.kind)
    expect([row.requests, row.share, row.lastAt]).toEqual([
      mine.length,
      mine.length / failed.length,
      at(Math.max(...mine.map(({ atMs }) => atMs))),
    ])
    for (const { provider, requests } of row.providers)
      expect(requests).toBe(mine.filter((call) => call.provider === provider).length)
  }
})

describe('requests', () => {
  const from = end - 3 * day
  const all = recent
  const pages = async (params: Record<string, string | number>): Promise<RequestPage['rows']> => {
    const rows: RequestPage['rows'] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: RequestPage = await ask<RequestPage>(requestPageSchema, '/api/requests', {
        from: at(from),
        to: at(end),
        ...params,
        ...(cursor === '' ? {} : { cursor }),
      })
      rows.push(...page.rows)
      cursor = page.nextCursor
    }
    return rows
  }

  test.each(requestSorts)('sorted by %s: every call once, in order, page by page', async (sort) => {
    const rows = await pages({ sort, limit: 97 })
    expect(rows).toHaveLength(all.length)
    expect(new Set(rows.map(({ id }) => id)).size).toBe(all.length)
    const value = (row: RequestPage['rows'][number]): number => {
      if (sort.endsWith('at')) return Date.parse(row.at)
      if (sort.endsWith('cost')) return row.costUsd === null ? -1 : Number(row.costUsd)
      if (sort.endsWith('latency')) return row.totalMs ?? -1
      if (sort.endsWith('first_chunk')) return row.firstChunkMs ?? -1
      return row.inputTokens === null ? -1 : row.inputTokens + (row.outputTokens ?? 0)
    }
    const values = rows.map(value)
    const sign = sort.startsWith('-') ? -1 : 1
    expect(values).toEqual([...values].sort((a, b) => sign * (a - b)))
  })

  test('a row holds what the call was, and unknown is null', async () => {
    const call = all.find(({ costStatus, feature }) => costStatus === 'unpriced' && feature === 'a=b') as MadeCall
    const page = await ask<RequestPage>(requestPageSchema, '/api/requests', {
      from: at(call.atMs),
      to: at(call.atMs + 1),
      filter: `id = ${call.id}`,
    })
    expect(page.rows).toEqual([
      expect.objectContaining({
        id: call.id,
        at: at(call.atMs),
        provider: 'my-vllm',
        model: 'llama-own',
        userId: call.userId,
        properties: { feature: 'a=b' },
        costUsd: null,
        costStatus: 'unpriced',
        costReason: 'no price',
        inputTokens: call.inputTokens,
        cacheWriteTokens: null,
        reasoningTokens: null,
        totalMs: call.totalMs,
        attempts: 0,
      }),
    ])
  })

  test.each<[string, (call: MadeCall) => boolean]>([
    ['provider = openai and status >= 400', (call) => call.provider === 'openai' && call.status >= 400],
    [
      '(provider = openai or provider = gemini) and outcome != complete',
      (call) => ['openai', 'gemini'].includes(call.provider) && call.outcome !== 'complete',
    ],
    ['error_kind in (server, timeout_ttft)', (call) => ['server', 'timeout_ttft'].includes(call.errorKind)],
    ['error_kind not in ("", server)', (call) => !['', 'server'].includes(call.errorKind)],
    ['cost > 0.01', (call) => call.costPico !== null && call.costPico > 10n ** 10n],
    ['cost = null', (call) => call.costPico === null],
    ['cost != null and cost <= 0.002', (call) => call.costPico !== null && call.costPico <= 2n * 10n ** 9n],
    ['latency_ms = null', (call) => call.totalMs === null],
    [
      'tokens >= 3000 and latency_ms < 2000',
      (call) => (call.inputTokens ?? 0) + (call.outputTokens ?? 0) >= 3000 && call.totalMs !== null && call.totalMs < 2000,
    ],
    ['streaming = true', (call) => call.firstChunkMs !== null],
    [`user_id = 'o''hara'`, (call) => call.userId === "o'hara"],
    ['user_id ~ MÜL', (call) => call.userId === 'müller'],
    ['user_id !~ a', (call) => !call.userId.includes('a')],
    ['user_id = ""', (call) => call.userId === ''],
    ['prop.feature = search', (call) => call.feature === 'search'],
    ['prop.feature = "a=b"', (call) => call.feature === 'a=b'],
    ['prop.feature in (search, "smart chat")', (call) => call.feature === 'search' || call.feature === 'smart chat'],
    ['prop.feature ~ CHAT', (call) => call.feature === 'smart chat'],
    ['prop.feature = ""', (call) => call.feature === null],
    ['prop.feature != search', (call) => call.feature !== 'search'],
    ['input ~ "question 77 "', (call) => call.inputPreview.includes('question 77 ')],
  ])('%s', async (filter, passes) => {
    const expected = all.filter(passes)
    expect(expected.length).toBeGreaterThan(0)
    const rows = await pages({ filter, limit: 500 })
    expect(rows.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort())
    const total = await house.json<RequestCount>(`/api/requests/count?${query({ from: at(from), to: at(end), filter })}`)
    expect([total.requests, total.costUsd]).toEqual([expected.length, cost(expected)])
  })

  test('a call stored twice is shown once, and the page after it goes on behind both', async () => {
    const twice = madeCalls({ count: 6, endMs: end - 200 * day, spanMs: 600, seed: 3, source: 'w5' }).map((call, i) => ({
      ...call,
      id: idAt(call.atMs, 50_000 + i),
    }))
    for (const token of ['once', 'twice']) await house.db.insert('requests', linesOf(twice.map((call) => rowOf(call))), token)
    const range = { from: at(end - 201 * day), to: at(end - 199 * day) }
    for (const limit of [1, 2, 3, 5, 100]) {
      const rows = await pages({ ...range, limit })
      expect(rows.map(({ id }) => id).sort()).toEqual(twice.map(({ id }) => id).sort())
    }
  })

  test('a cursor of another list, or made up, is refused', async () => {
    for (const cursor of [
      'x',
      'e30',
      Buffer.from('["1",1,"2"]').toString('base64url'),
      Buffer.from(`["'",1795600800123,"${all[0]?.id ?? ''}"]`).toString('base64url'),
    ])
      expect(await house.ask(`/api/requests?${query({ cursor })}`)).toMatchObject({ status: 400 })
  })

  test('fields tell what can be filtered by, with the values seen', async () => {
    const { fields, properties } = await ask<Fields>(fieldsSchema, '/api/fields')
    expect(fields.find(({ name }) => name === 'provider')?.values).toEqual(['anthropic', 'gemini', 'my-vllm', 'openai'])
    expect(properties).toEqual(['feature'])
  })
})

describe('one request', () => {
  const atMs = end - 50 * day + 123
  const id = idAt(atMs, 31_000)
  const base = { tenant_id: 'default', ts: at(atMs).replace('T', ' ').replace('Z', ''), request_id: id, retention_days: 400 }
  beforeAll(async () => {
    const row = {
      ...base,
      source: 'w4',
      source_offset: 17,
      provider: 'openai',
      api: 'chat',
      model: 'gpt-5',
      outcome: 'complete',
      status: 200,
      attempts: [
        [1, 'openai', 'openai', 'gpt-5', 503, 'overloaded', 10, 2000, null],
        [2, 'azure-eu', 'azure', 'gpt-5', 200, '', 2100, 9000, '0.0105'],
      ],
      attempt_facts: [[1, true, 800, 0]],
      passed_over: [['groq/llama', 'no_credential', 1]],
      cost_lines: [
        ['input', 'gpt-5', 2, 0, '1000', '1.25', 1_000_000, '1', '0.00125', 'genai-prices 2026-11-20'],
        ['web_search', 'gpt-5', 2, 0, '1', '10', 1000, '1', null, ''],
      ],
      cost_total: '0.0105',
      cost_input: '0.00125',
      cost_status: 'partial',
      marks_us: { sent: 120, firstByte: 5000, lastByte: 9000 },
      usage_extra: { web_search_requests: 1 },
      usage_raw: '[{"source":"body","json":"{\\"prompt_tokens\\":1000}"}]',
      price_facts: { service_tier: 'flex' },
      input_tokens: 1000,
      output_tokens: 925,
      reasoning_tokens: 700,
      req_bytes: 12_345_678_901,
    }
    await house.db.insert('requests', linesOf([row]), 'one')
    const bodies = {
      ...base,
      request_body:
        '{"model":"gpt-5","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Where is the Zugspitze?"}]}',
      response_body: '{"choices":[{"index":0,"message":{"role":"assistant","content":"In Bavaria."},"finish_reason":"stop"}]}',
      request_state: 'stored',
      response_state: 'stored',
      request_sha256: 'ab12',
    }
    await house.db.insert('request_bodies', linesOf([bodies]), 'one-bodies')
  })

  test('tells of a hit whose answer it is, and what was saved', async () => {
    expect(await ask<RequestDetail>(requestDetailSchema, `/api/requests/${id}`)).toMatchObject({
      cacheStatus: '',
      cache: { originalId: null, savedTokens: null, savedMs: 0 },
    })
    const hit = {
      ...base,
      request_id: idAt(atMs, 32_000),
      outcome: 'cached',
      cache_status: 'hit',
      cached_from: id,
      saved_tokens: 1925,
      saved_ms: 812,
      cost_total: '0',
      cost_saved: '0.0105',
    }
    await house.db.insert('requests', linesOf([hit]), 'hit')
    expect(await ask<RequestDetail>(requestDetailSchema, `/api/requests/${hit.request_id}`)).toMatchObject({
      cacheStatus: 'hit',
      cache: { originalId: id, savedTokens: 1925, savedMs: 812 },
      cost: { savedUsd: '0.0105' },
      costUsd: '0',
    })
  })

  test('tells attempts, cost lines, marks and usage', async () => {
    const detail = await ask<RequestDetail>(requestDetailSchema, `/api/requests/${id}`)
    expect(detail).toMatchObject({
      id,
      at: at(atMs),
      writer: 'w4:17',
      attempts: 2,
      attemptList: [
        {
          n: 1,
          target: 'openai',
          provider: 'openai',
          model: 'gpt-5',
          status: 503,
          errorKind: 'overloaded',
          startUs: 10,
          endUs: 2000,
          inputTokens: 800,
          outputTokens: 0,
          costUsd: null,
          replayed: true,
        },
        {
          n: 2,
          target: 'azure-eu',
          provider: 'azure',
          model: 'gpt-5',
          status: 200,
          errorKind: '',
          startUs: 2100,
          endUs: 9000,
          inputTokens: 1000,
          outputTokens: 925,
          costUsd: '0.0105',
          replayed: false,
        },
      ],
      passedOver: [{ target: 'groq/llama', reason: 'no_credential', after: 1 }],
      costLines: [
        {
          unit: 'input',
          model: 'gpt-5',
          attempt: 2,
          part: 0,
          quantity: '1000',
          unitPriceUsd: '1.25',
          per: 1_000_000,
          multiplier: '1',
          amountUsd: '0.00125',
          origin: 'genai-prices 2026-11-20',
        },
        { unit: 'web_search', amountUsd: null },
      ],
      costUsd: '0.0105',
      cost: { inputUsd: '0.00125', outputUsd: null, otherUsd: null },
      marksUs: { sent: 120, firstByte: 5000, lastByte: 9000 },
      usage: {
        extra: { web_search_requests: 1 },
        raw: [{ source: 'body', json: '{"prompt_tokens":1000}' }],
        inputAudioTokens: null,
      },
      priceFacts: { service_tier: 'flex' },
      reasoningTokens: 700,
      requestBytes: 12_345_678_901,
      requestState: 'stored',
      conversation: {
        answerAt: 2,
        notes: [],
        messages: [
          { role: 'system', name: null, blocks: [{ type: 'text', text: 'Be brief.' }] },
          { role: 'user', name: null, blocks: [{ type: 'text', text: 'Where is the Zugspitze?' }] },
          { role: 'assistant', name: null, blocks: [{ type: 'text', text: 'In Bavaria.' }] },
        ],
      },
    })
  })

  test('bodies are given as stored', async () => {
    const bodies = await ask<Bodies>(bodiesSchema, `/api/requests/${id.toUpperCase()}/bodies`)
    expect(bodies.request).toMatchObject({ state: 'stored', sha256: 'ab12' })
    expect(JSON.parse(bodies.response.text ?? '')).toMatchObject({ choices: [{ message: { content: 'In Bavaria.' } }] })
    const without = await ask<Bodies>(bodiesSchema, `/api/requests/${recent[0]?.id ?? ''}/bodies`)
    expect(without.request).toEqual({ state: 'missing', text: null, sha256: '', headers: [] })
  })

  test('free text finds words of a body and text of a preview', async () => {
    const search = async (q: string) =>
      (await ask<RequestPage>(requestPageSchema, '/api/requests', { from: at(atMs - day), to: at(end), q })).rows.map(
        (row) => row.id,
      )
    expect(await search('zugspitze brief')).toEqual([id])
    expect(await search('bavaria')).toEqual([id])
    expect(await search('zugspitze nowhere')).toEqual([])
    expect(await search('QUESTION 77 of')).toEqual([recent[77]?.id])
    expect(await search('?!')).toEqual([])
  })

  test("an id that is not there, or another tenant's, is 404; no id at all is 400", async () => {
    for (const unknown of [idAt(atMs, 1), theirs[0]?.id ?? '']) {
      const answer = await house.ask(`/api/requests/${unknown}`)
      expect([answer.status, answer.headers['content-type']]).toEqual([404, 'application/problem+json; charset=utf-8'])
      expect(JSON.parse(answer.text)).toMatchObject({ code: 'unknown_request', status: 404 })
    }
    expect(await house.ask('/api/requests/17')).toMatchObject({ status: 400 })
  })
})

describe('SQL', () => {
  const run = async (body: unknown) => {
    const answer = await house.ask('/api/sql', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return { status: answer.status, body: JSON.parse(answer.text) as SqlAnswer & { code: string; detail: string } }
  }

  test('answers a question with bound values, exact to the last digit', async () => {
    const { status, body } = await run({
      sql: 'SELECT user_id, sum(cost_total) AS usd, count() AS calls FROM requests WHERE tenant_id = {t:String} AND user_id = {u:String} AND source = {s:String} GROUP BY user_id;',
      params: { t: 'default', u: "o'hara", s: 'w1' },
    })
    const mine = recent.filter(({ userId }) => userId === "o'hara")
    expect(status).toBe(200)
    expect(sqlAnswerSchema.parse(body)).toEqual(body)
    expect(body.columns.map(({ name }) => name)).toEqual(['user_id', 'usd', 'calls'])
    expect(body.rows).toEqual([["o'hara", cost(mine), String(mine.length)]])
  })

  test.each([
    ['DROP TABLE requests'],
    ['SELECT 1; DROP TABLE requests'],
    ["SELECT * FROM file('/etc/passwd')"],
    ['SELECT 1 SETTINGS readonly = 0'],
    ["SELECT 1 INTO OUTFILE '/tmp/weir-out'"],
    ['SELECT nonsense FROM requests'],
    ['SELECT 1 FORMAT CSV'],
    ['INSERT INTO requests (tenant_id) SELECT 1'],
  ])('%s is refused with a reason', async (sql) => {
    const { status, body } = await run({ sql })
    expect([status, body.code]).toEqual([400, 'bad_sql'])
    expect(body.detail.length).toBeGreaterThan(10)
    expect((await run({ sql: 'SELECT count() FROM requests' })).status).toBe(200)
  })
})

describe('hostile text', () => {
  const payloads = [
    "' OR 1=1 --",
    "'; DROP TABLE requests; --",
    '"); SELECT 1; --',
    "\\' OR ''='",
    '\\',
    "\\'",
    'a\\',
    '{f0:String}',
    '{tenant:String}',
    '{x:Identifier}',
    "' UNION ALL SELECT * FROM system.users --",
    "file('/etc/passwd')",
    "url('http://127.0.0.1/', CSV)",
    '1) SETTINGS readonly=0 --',
    "INTO OUTFILE '/tmp/x'",
    '/* */',
    '/*',
    '--',
    '#',
    ';',
    '`',
    '``',
    '$$',
    '$tag$',
    '%',
    '_',
    '*',
    '?',
    '\0',
    '\u2028',
    '\n',
    '\r\n',
    '\t',
    '\ud83e\udd8a',
    '\uFEFF',
    'NULL',
    'null',
    'nan',
    'inf',
    '-1',
    '1e309',
    '0x41',
    "0' AND sleep(3) --",
    '<script>alert(1)</script>',
    '${7*7}',
    '{{7*7}}',
    '../../etc/passwd',
    '%00',
    '%27',
    "''''",
    '""""',
    '\'"\'"',
    'a'.repeat(1000),
    "'".repeat(200),
    '('.repeat(200),
    '\\'.repeat(201),
    'and',
    'or',
    'not',
    'in',
    '()',
    '[]',
    '{}',
    'true',
    'DEFAULT',
    "x' AND tenant_id='other",
    "default' OR tenant_id != 'default",
    'tenant_id',
    'count(*)',
    '(SELECT 1)',
    'x, y',
    'x = y',
    '~',
    '!~',
    '!=',
    '<>',
    '==',
    '||',
    '&&',
    "E'\\''",
    "X'41'",
    "b'1'",
    '\u0027',
    '\u02bc OR 1=1',
    '\uff07 OR 1=1',
    'ＳＥＬＥＣＴ',
    'Ω',
    '\u202e',
    '\\x27',
    '\\u0027',
    "concat('a','b')",
    '@@version',
    'EXPLAIN',
    'FORMAT Null',
    'WITH x AS (SELECT 1)',
    'arrayMap(x -> x, [1])',
    "dictGet('a','b',1)",
    "remote('127.0.0.1', system.one)",
    'LIMIT 0',
    "');//",
    '--\nSELECT',
    '\\N',
  ]
  const engine = /DB::Exception|Code: \d+|SELECT |FROM requests|clickhouse|chdb/i

  test('there are at least 100 of them', () => expect(new Set(payloads).size).toBeGreaterThanOrEqual(100))

  test.each(payloads.map((payload) => [payload]))(
    '%j is refused, or finds nothing of others, in every parameter',
    async (payload) => {
      const range = { from: at(end - 3 * day), to: at(end) }
      const quoted = `'${payload.replaceAll("'", "''")}'`
      const questions: [string, Record<string, string>][] = [
        ['/api/requests', { ...range, filter: payload }],
        ['/api/requests', { ...range, filter: `user_id = ${payload}` }],
        ['/api/requests', { ...range, filter: `user_id = ${quoted}` }],
        [
          '/api/requests/count',
          { ...range, filter: `user_id ~ ${quoted} and prop.${quoted} = ${quoted} and tag in (${quoted})` },
        ],
        ['/api/requests', { ...range, q: payload }],
        ['/api/requests', { ...range, cursor: payload }],
        ['/api/requests', { ...range, sort: payload }],
        ['/api/series', { ...range, group: `property:${payload}` }],
        ['/api/series', { ...range, metric: payload, step: payload }],
        ['/api/top', { ...range, by: `property:${payload}` }],
        ['/api/overview', { from: payload, to: payload }],
      ]
      for (const [path, params] of questions) {
        const answer = await house.ask(`${path}?${query(params)}`)
        expect([200, 400]).toContain(answer.status)
        if (answer.status === 400) {
          const problem = JSON.parse(answer.text) as { code: string; detail: string }
          expect(['bad_filter', 'bad_parameter']).toContain(problem.code)
          expect(problem.detail.replaceAll(payload.slice(0, 64), '')).not.toMatch(engine)
        } else if (path === '/api/requests') {
          const { rows } = JSON.parse(answer.text) as RequestPage
          for (const { id } of rows) expect(theirs.some((call) => call.id === id)).toBe(false)
        }
      }
      expect(await house.ask(`/api/requests/${encodeURIComponent(payload)}`)).toMatchObject({
        status: payload === '../../etc/passwd' ? 400 : (expect.toBeOneOf([400, 404]) as number),
      })
    },
  )

  test('a value of quotes and backslashes is found as itself', async () => {
    const strange = ['it\'s "it"', 'back\\slash', '\\', "'", 'tab\there', 'line\nbreak', '{f0:String}', '\\N', 'ünï🦊']
    const rows = strange.map((userId, i) => ({
      ...(recent[i] as MadeCall),
      id: idAt(end - 100 * day + i, 40_000 + i),
      atMs: end - 100 * day + i,
      userId,
      feature: userId,
    }))
    await house.db.insert('requests', linesOf(rows.map((call) => rowOf(call))), 'strange')
    for (const { id, userId } of rows) {
      const quoted = `"${userId.replaceAll('"', '""')}"`
      for (const filter of [
        `user_id = ${quoted}`,
        `user_id ~ ${quoted} and prop.feature = ${quoted}`,
        `prop.feature in (${quoted}) and user_id in (${quoted})`,
      ]) {
        const page = await ask<RequestPage>(requestPageSchema, '/api/requests', {
          from: at(end - 100 * day),
          to: at(end - 99 * day),
          filter,
        })
        expect(page.rows.map((row) => row.id)).toContain(id)
        if (!filter.includes('~')) expect(page.rows).toHaveLength(1)
      }
    }
  })
})
