import type { Registry } from 'prom-client'
import { metricMaker } from '../core/metric-maker.js'
import type { ShippingState } from '../journal/kafka/shipper-thread.js'

/** Tells at /metrics how far the journal is shipped to Kafka (traces.md §7). */
export const shippingMetrics = (registry: Registry, shipping: () => ShippingState): void => {
  const make = metricMaker(registry)
  make.readOne('weir_ship_lag_bytes', () => shipping().lagBytes ?? 0)
  make.readOne('weir_ship_lag_seconds', () => shipping().lagSeconds)
  make.readOne('weir_ship_events_total', () => shipping().events)
  make.readOne('weir_ship_resent_total', () => shipping().resent)
  make.read('weir_dead_letters_total', () => [{ labels: { where: 'ship' }, value: shipping().deadLetters }])
  make.readOne('weir_dead_letters', () => shipping().kept)
}
