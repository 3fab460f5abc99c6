import { collectDefaultMetrics, Registry } from 'prom-client'
import { metricMaker } from './metric-maker.js'
import { metrics, type MetricRole } from './metrics.js'

/**
 * What every process tells of itself: build, memory, processor, descriptors, event loop, garbage. One a process, for its whole life: it
 * watches the event loop and the collector.
 */
export const processMetrics = ({ role, version }: { readonly role: MetricRole | 'hub'; readonly version: string }): Registry => {
  const registry = new Registry()
  metricMaker(registry).read('weir_build_info', () => [{ labels: { version, role }, value: 1 }])
  collectDefaultMetrics({ register: registry })
  // Some are no use, and some break Prometheus' rules for names.
  for (const { name } of registry.getMetricsAsArray()) if (!Object.hasOwn(metrics, name)) registry.removeSingleMetric(name)
  return registry
}
