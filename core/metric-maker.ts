import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { metrics, type MetricName, type MetricRule } from './metrics.js'

type NameOf<T extends MetricRule['type']> = {
  [Name in MetricName]: (typeof metrics)[Name]['type'] extends T ? Name : never
}[MetricName]

/** A value and its labels, as it is read when somebody asks. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** Makes metrics of the table (core/metrics.ts) in one registry: whatever is not in it cannot be made. */
export interface MetricMaker {
  counter(name: NameOf<'counter'>): Counter
  histogram(name: NameOf<'histogram'>): Histogram
  /** Read anew each time; series that are not told any more are gone. */
  read(name: NameOf<'gauge' | 'counter'>, samples: () => Iterable<Sample> | Promise<Iterable<Sample>>): void
  /** The same for one without labels. */
  readOne(name: NameOf<'gauge' | 'counter'>, value: () => number): void
}

export const metricMaker = (registry: Registry): MetricMaker => {
  const common = (name: MetricName): { name: string; help: string; labelNames: string[]; registers: Registry[] } => ({
    name,
    help: metrics[name].help,
    labelNames: [...metrics[name].labels],
    registers: [registry],
  })
  const maker: MetricMaker = {
    counter: (name) => new Counter(common(name)),
    histogram: (name) => new Histogram({ ...common(name), buckets: [...metrics[name].buckets] }),
    read(name, samples) {
      if (metrics[name].type === 'counter')
        new Counter({
          ...common(name),
          async collect() {
            const told = await samples()
            this.reset()
            for (const { labels = {}, value } of told) this.inc(labels, value)
          },
        })
      else
        new Gauge({
          ...common(name),
          async collect() {
            const told = await samples()
            this.reset()
            // Without labels a reset is a 0, which nobody told.
            this.remove({})
            for (const { labels = {}, value } of told) this.set(labels, value)
          },
        })
    },
    readOne: (name, value) => maker.read(name, () => [{ value: value() }]),
  }
  return maker
}
