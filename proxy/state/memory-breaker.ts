import type { TenantId } from '../../core/tenant.js'
import type { BreakerStore, CircuitFacts, CircuitState, Health } from './breaker-store.js'
import { circuitRules } from './circuit-rules.js'

const { mostInARow, share, enough, slots, slotMs, firstOpenMs, mostOpenMs, mostAskedMs, probeMs } = circuitRules
const mostCircuits = 10_000

/** A sliding window in slots: a slot is cleared when its time comes round again. */
class Circuit {
  inARow = 0
  openings = 0
  /** 0 = closed. */
  openUntil = 0
  probingUntil = 0
  readonly #epochs = new Float64Array(slots)
  readonly #all = new Uint32Array(slots)
  readonly #failed = new Uint32Array(slots)

  stateAt(now: number): CircuitState {
    if (this.openUntil === 0) return 'closed'
    return now < this.openUntil || now < this.probingUntil ? 'open' : 'half'
  }

  count(failed: boolean, now: number): void {
    const epoch = Math.floor(now / slotMs)
    const at = epoch % slots
    if (this.#epochs[at] !== epoch) {
      this.#epochs[at] = epoch
      this.#all[at] = 0
      this.#failed[at] = 0
    }
    this.#all[at] = (this.#all[at] as number) + 1
    if (failed) this.#failed[at] = (this.#failed[at] as number) + 1
    this.inARow = failed ? this.inARow + 1 : 0
  }

  isFailing(now: number): boolean {
    if (this.inARow >= mostInARow) return true
    const oldest = Math.floor(now / slotMs) - slots
    let all = 0
    let failed = 0
    for (let i = 0; i < slots; i++)
      if ((this.#epochs[i] as number) > oldest) {
        all += this.#all[i] as number
        failed += this.#failed[i] as number
      }
    return all >= enough && failed / all >= share
  }

  close(): void {
    this.inARow = 0
    this.openings = 0
    this.openUntil = 0
    this.probingUntil = 0
    this.#epochs.fill(0)
  }
}

/**
 * Circuits of this process, the 10,000 used last.
 *
 * @param now Milliseconds of a clock that only goes forward.
 */
export const openMemoryBreaker = (now: () => number): BreakerStore => {
  const circuits = new Map<string, { readonly tenant: TenantId; readonly name: string; readonly circuit: Circuit }>()
  const find = (tenant: TenantId, name: string): Circuit | null => circuits.get(`${tenant} ${name}`)?.circuit ?? null
  const make = (tenant: TenantId, name: string): Circuit => {
    const key = `${tenant} ${name}`
    const known = circuits.get(key)
    circuits.delete(key)
    const entry = known ?? { tenant, name, circuit: new Circuit() }
    circuits.set(key, entry)
    const [oldest] = circuits.keys()
    if (circuits.size > mostCircuits && oldest !== undefined) circuits.delete(oldest)
    return entry.circuit
  }

  const failed = (circuit: Circuit, at: number): void => {
    const state = circuit.stateAt(at)
    const wasProbe = circuit.openUntil !== 0 && at >= circuit.openUntil
    circuit.count(true, at)
    // One that is open was tried for want of another: that it fails is no news.
    if (state === 'open' && !wasProbe) return
    if (!wasProbe && !circuit.isFailing(at)) return
    circuit.openUntil = at + Math.min(mostOpenMs, firstOpenMs * 2 ** circuit.openings)
    circuit.openings++
    circuit.probingUntil = 0
  }

  return {
    look: (tenant, names) => {
      const at = now()
      return Promise.resolve(names.map((name) => find(tenant, name)?.stateAt(at) ?? 'closed'))
    },
    probe: (tenant, name) => {
      const at = now()
      const circuit = find(tenant, name)
      const state = circuit?.stateAt(at) ?? 'closed'
      if (circuit !== null && state === 'half') circuit.probingUntil = at + probeMs
      return Promise.resolve(state !== 'open')
    },
    note: (tenant, name, health: Health) => {
      const at = now()
      const circuit = make(tenant, name)
      if (health === 'works') {
        if (circuit.openUntil !== 0) circuit.close()
        return circuit.count(false, at)
      }
      if (health === 'fails') return failed(circuit, at)
      if (health.openMs <= 0) return
      circuit.openUntil = Math.max(circuit.openUntil, at + Math.min(mostAskedMs, health.openMs))
      circuit.probingUntil = 0
    },
    *standing(): Iterable<CircuitFacts> {
      const at = now()
      for (const { tenant, name, circuit } of circuits.values()) {
        const state = circuit.stateAt(at)
        if (state !== 'closed') yield { tenant, circuit: name, state }
      }
    },
  }
}
