import type { OpenCircuit } from '../../metrics.js'
import type { BreakerStore } from '../../state/breaker-store.js'

/** Who failed of late, for the metrics: origin and credential stay out of them. */
export function* openCircuits(breaker: BreakerStore): Iterable<OpenCircuit> {
  for (const { circuit, state } of breaker.standing()) {
    const [provider = '', , model = ''] = circuit.split('\n')
    if (state !== 'closed') yield { provider, model, state }
  }
}
