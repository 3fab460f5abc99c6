import type { TenantId } from '../../core/tenant.js'

/** `closed`: calls go there. `open`: it failed of late. `half`: one call may find out whether it works again. */
export type CircuitState = 'closed' | 'open' | 'half'

/**
 * How an attempt went, as far as its target's health goes. `openMs`: it told itself that it is of no use for so long.
 */
export type Health = 'works' | 'fails' | { readonly openMs: number }

/** What is known of a circuit, for those who look from outside. */
export interface CircuitFacts {
  readonly tenant: TenantId
  readonly circuit: string
  readonly state: CircuitState
}

/**
 * Remembers which targets fail (routing.md §7). A circuit is a provider, origin, model and credential, as one text. Circuits order
 * targets; nobody is refused for one. A store that cannot answer says that all is well.
 */
export interface BreakerStore {
  /** In the order asked for. Never rejects. */
  look(tenant: TenantId, circuits: readonly string[]): Promise<readonly CircuitState[]>
  /**
   * Takes the one attempt that a half-open circuit allows at a time. Whoever takes it reports how it went.
   *
   * @returns False when somebody else is at it. Never rejects.
   */
  probe(tenant: TenantId, circuit: string): Promise<boolean>
  note(tenant: TenantId, circuit: string, health: Health): void
  /** Circuits that are not closed. */
  standing(): Iterable<CircuitFacts>
}
