import { expect, test } from 'vitest'
import { proxyMetrics } from './metrics.js'

const metricsOf = () =>
  proxyMetrics({
    journal: () => ({ bytes: 1, limitBytes: 2, shedsBodies: false, full: null, dropped: 3, tornBytes: 4 }),
    circuits: () => Array.from({ length: 1000 }, (_, n) => ({ provider: `p${n}`, model: `m${n}`, state: 'open' as const })),
    causes: () => [],
    inFlightLimit: () => 7,
    uploadBytes: () => 8,
    controlAgeMs: () => null,
    cacheBytes: () => null,
    redisFailures: () => [['late', 9]],
  })
const call = {
  provider: 'openai',
  model: 'gpt-5',
  outcome: 'complete',
  errorKind: '',
  errorCode: '',
  cache: null,
  sentUs: 100,
} as const

test('errors are counted by our codes; what an upstream calls its own is not', async () => {
  const metrics = metricsOf()
  metrics.ended(call)
  metrics.ended({ ...call, errorKind: 'quota', errorCode: 'insufficient_quota' })
  metrics.ended({ ...call, errorKind: 'internal', errorCode: 'internal' })
  metrics.ended({ ...call, outcome: 'refused', errorKind: 'rate_limit', errorCode: 'rate_limited', sentUs: null })
  metrics.ended({ ...call, outcome: 'client_abort', errorKind: 'client', errorCode: 'client_abort' })
  metrics.refusedUnread('headers_too_large')
  const text = await metrics.registry.metrics()
  expect(text.split('\n').filter((line) => line.startsWith('weir_errors_total{'))).toEqual([
    'weir_errors_total{code="rate_limited"} 1',
    'weir_errors_total{code="headers_too_large"} 1',
  ])
  for (const line of [
    'weir_journal_dropped_total 3',
    'weir_journal_torn_bytes_total 4',
    'weir_redis_failures_total{reason="late"} 9',
  ])
    expect(text).toContain(`${line}\n`)
  expect(text).not.toContain('weir_cache_bytes')
  expect(text).not.toMatch(/^weir_control_age_seconds /m)
})

test('a path that leads nowhere is counted beside the calls: it leaves no row', async () => {
  const metrics = metricsOf()
  metrics.ended({ ...call, outcome: 'refused', errorKind: 'not_found', errorCode: 'unknown_path', sentUs: null })
  const text = await metrics.registry.metrics()
  expect(text).toContain('weir_unknown_path_total 1\n')
  expect(text).not.toContain('weir_requests_total{')
})

test('1,000 hostile names: few series, and none breaks the text', async () => {
  const metrics = metricsOf()
  for (let n = 0; n < 1000; n++) {
    const name = `${n}"}\n\\ weir_forged_total 1\r\u2028{${'x'.repeat(n)}`
    metrics.ended({ ...call, provider: name, model: name })
    metrics.ended({ ...call, provider: 'openai', model: name })
  }
  const lines = (await metrics.registry.metrics()).split('\n')
  expect(lines.filter((line) => line.startsWith('weir_forged'))).toEqual([])
  for (const name of ['weir_requests_total', 'weir_circuit_state']) {
    const series = lines.filter((line) => line.startsWith(`${name}{`)).length
    expect(series).toBeGreaterThan(40)
    expect(series).toBeLessThanOrEqual(451)
  }
})
