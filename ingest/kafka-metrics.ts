import { Gauge, type Registry } from 'prom-client'

/** Of more partitions the rest is told together. */
const mostPartitions = 64

/** Tells at /metrics how many messages ingest has not stored, by partition of the topic (traces.md §7). */
export const consumerLagMetrics = (registry: Registry, lags: () => ReadonlyMap<number, number>): void => {
  new Gauge({
    name: 'weir_kafka_consumer_lag',
    help: 'Messages of a partition that ingest has not stored; partitions from 64 on together.',
    labelNames: ['partition'],
    registers: [registry],
    collect() {
      // Partitions move: what is another member's by now is not told any more.
      this.reset()
      let rest: number | null = null
      for (const [partition, messages] of lags())
        if (partition < mostPartitions) this.set({ partition: String(partition) }, messages)
        else rest = (rest ?? 0) + messages
      if (rest !== null) this.set({ partition: '_other' }, rest)
    },
  })
}
