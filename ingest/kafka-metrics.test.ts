import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { consumerLagMetrics } from './kafka-metrics.js'

const series = async (registry: Registry): Promise<string[]> =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith('weir_ingest_lag_messages{'))

test('one series for each partition, the many beyond in one, none for those that went elsewhere', async () => {
  const registry = new Registry()
  let lags = new Map([
    [0, 3],
    [63, 1],
    [64, 5],
    [900, 7],
  ])
  consumerLagMetrics(registry, () => lags)
  expect(await series(registry)).toEqual([
    'weir_ingest_lag_messages{partition="0"} 3',
    'weir_ingest_lag_messages{partition="63"} 1',
    'weir_ingest_lag_messages{partition="_other"} 12',
  ])
  lags = new Map([[2, 0]])
  expect(await series(registry)).toEqual(['weir_ingest_lag_messages{partition="2"} 0'])
})
