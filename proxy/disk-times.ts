import type { Registry } from 'prom-client'
import { metricMaker } from '../core/metric-maker.js'
import type { DiskTimes } from '../journal/timed-disk.js'

/** Tells at /metrics how long the journal's disk takes. */
export const diskTimes = (registry: Registry): DiskTimes => {
  const make = metricMaker(registry)
  const appends = make.histogram('weir_journal_append_seconds')
  const syncs = make.histogram('weir_journal_sync_seconds')
  return { wrote: (seconds) => appends.observe(seconds), synced: (seconds) => syncs.observe(seconds) }
}
