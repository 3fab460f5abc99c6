import { Gauge, type Registry } from 'prom-client'
import type { ShippingState } from '../journal/kafka/shipper-thread.js'

/** Tells at /metrics how far the journal is shipped to Kafka (traces.md §7). */
export const shippingMetrics = (registry: Registry, shipping: () => ShippingState): void => {
  const gauge = (name: string, help: string, read: (state: ShippingState) => number): void =>
    void new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read(shipping()))
      },
    })
  gauge('weir_kafka_lag_bytes', 'Bytes of the journal that Kafka has not acknowledged.', ({ lagBytes }) => lagBytes ?? 0)
  gauge('weir_kafka_shipped', 'Events that Kafka has acknowledged, since the start.', ({ events }) => events)
  gauge(
    'weir_kafka_refused',
    'Events that no broker takes, kept in the folder dlq, since the start.',
    ({ deadLetters }) => deadLetters,
  )
  gauge('weir_kafka_up', '1 while events are taken, else 0.', ({ trouble }) => (trouble === null ? 1 : 0))
}
