import type { Registry } from 'prom-client'
import { metricMaker } from '../../core/metric-maker.js'
import type { CopyPool } from '../body-copy.js'

interface Readings {
  readonly copies: CopyPool
  readonly droppedConnections: () => number
}

/** What was cut or dropped because of a limit, where no row and no error tells of it. */
export const limitMetrics = (registry: Registry, { copies, droppedConnections }: Readings): void => {
  const make = metricMaker(registry)
  make.readOne('weir_copy_memory_bytes', () => copies.held)
  make.readOne('weir_copies_cut_total', () => copies.cut)
  make.readOne('weir_connections_dropped_total', droppedConnections)
}
