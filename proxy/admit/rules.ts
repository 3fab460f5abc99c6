import type { Config } from '../../core/config.js'
import type { Provider } from '../../core/providers/registry.js'
import type { Addresses } from '../identify/addresses.js'

/** What decides where a call may go. */
export interface Rules {
  readonly config: Pick<Config, 'models' | 'targets' | 'defaultProvider' | 'ceilings'>
  readonly providers: ReadonlyMap<string, Provider>
  readonly addresses: Addresses
}
