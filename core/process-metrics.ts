import { collectDefaultMetrics, Registry } from 'prom-client'
import { metricMaker } from './metric-maker.js'
import { metrics, type MetricRole, type MetricRule } from './metrics.js'

/**
 * What every process tells of itself: build, memory, processor, descriptors, event loop, garbage. One a process, for its whole life: it
 * watches the event loop and the collector.
 */
export const processMetrics = ({ role, version }: { readonly role: MetricRole | 'hub'; readonly version: string }): Registry => {
  const registry = new Registry()
  metricMaker(registry).read('weir_build_info', () => [{ labels: { version, role }, value: 1 }])
  // Looked at every 20 ms: every 10 ms, which is the default, take a third of a percent of a core from an idle process.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 })
  const rules: Readonly<Record<string, MetricRule>> = metrics
  for (const { name } of registry.getMetricsAsArray()) {
    const rule = rules[name]
    // Some are no use, and some break Prometheus' rules for names.
    if (rule === undefined) registry.removeSingleMetric(name)
    else Object.assign(registry.getSingleMetric(name) ?? {}, { help: rule.help })
  }
  return registry
}
