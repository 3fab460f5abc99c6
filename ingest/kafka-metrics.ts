import type { Registry } from 'prom-client'
import { metricMaker } from '../core/metric-maker.js'

/** Of more partitions the rest is told together. */
const mostPartitions = 64

/** Tells at /metrics how many messages ingest has not stored, by partition of the topic (traces.md §7). */
export const consumerLagMetrics = (registry: Registry, lags: () => ReadonlyMap<number, number>): void =>
  // Partitions move: what is another member's by now is not told any more.
  metricMaker(registry).read('weir_ingest_lag_messages', () => {
    const samples = new Map<string, number>()
    for (const [partition, messages] of lags()) {
      const name = partition < mostPartitions ? String(partition) : '_other'
      samples.set(name, (samples.get(name) ?? 0) + messages)
    }
    return Array.from(samples, ([partition, value]) => ({ labels: { partition }, value }))
  })
