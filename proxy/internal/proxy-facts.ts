import { hostname } from 'node:os'
import type { Config } from '../../core/config.js'
import type { ProxyFacts } from '../../core/internal/facts.js'
import type { OpenCircuit } from '../metrics.js'
import { proxyCauses, type ProxyState } from '../proxy-causes.js'
import type { ControlLine } from './control-line.js'

interface Readings extends ProxyState {
  readonly config: Config
  readonly control: ControlLine
  readonly port: number
  readonly inFlight: number
  readonly circuits: Iterable<OpenCircuit>
}

/** What a proxy tells of itself to who asks for all of them. */
export const proxyFactsOf = (readings: Readings): ProxyFacts => {
  const { config, control, port, inFlight, circuits, journal, shipping } = readings
  const { bytes, limitBytes, dropped } = journal.state
  const shipped = shipping?.() ?? null
  return {
    causes: [...proxyCauses(readings)],
    inFlight,
    journal: { bytes, limitBytes, dropped },
    shipping: shipped === null ? null : { lagBytes: shipped.lagBytes, lagSeconds: shipped.lagSeconds },
    name: `${hostname()}:${port}`,
    folder: `${hostname()}:${config.dataDir}`,
    breakers: [...circuits].map(({ provider, model, state }) => ({ provider, model, state })),
    limits: { store: config.redisUrl === null ? 'memory' : 'redis', policies: config.limits.policies.length },
    control: control.facts(),
  }
}
