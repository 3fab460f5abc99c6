import { causeOf, quoted, type Cause } from '../core/health-causes.js'
import type { ShippingState } from '../journal/kafka/shipper-thread.js'
import type { JournalState } from '../journal/port.js'
import { fullIn } from './journal-forecast.js'

/** What the proxy knows of its own state. */
export interface ProxyState {
  readonly journal: { readonly state: JournalState }
  /** Seconds until the journal is full; `null` = it does not grow. */
  readonly journalLeft: () => number | null
  /** `null` = nothing is shipped: ingest reads the journal itself. */
  readonly shipping: (() => ShippingState) | null
  /** Where dead letters of the shipper lie. */
  readonly dlqDir: string
  /** Why new calls are refused for now; `null` = they are not. */
  readonly saturated: () => string | null
  /** What of Redis does not answer; `null` = all does, or there is none. */
  readonly storeAway: () => string | null
  /** What of the control plane is old; `null` = nothing is, or there is none. */
  readonly controlStale: () => ControlStale | null
  readonly draining: () => boolean
}

export interface ControlStale {
  /** A sentence with the age. */
  readonly effect: string
  /** Past `control.maxAge`: no call may be taken. */
  readonly refuses: boolean
}

const mebi = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MiB`
const percent = ({ bytes, limitBytes }: JournalState): number => Math.floor((100 * bytes) / limitBytes)

/** Everything that holds of this proxy, the worst first; empty when all is well (reliability.md §9). */
export const proxyCauses = (proxy: ProxyState): readonly Cause[] => {
  const { state } = proxy.journal
  const causes: Cause[] = []
  if (proxy.draining()) causes.push(causeOf('draining', 'The process is about to stop.'))
  if (state.full !== null)
    causes.push(
      causeOf(
        'journal_full',
        `${state.full.message} ${state.dropped} ${state.dropped === 1 ? 'call has' : 'calls have'} left no row since the start.`,
      ),
    )
  const left = fullIn(proxy.journalLeft())
  if (state.full === null && state.shedsBodies)
    causes.push(causeOf('journal_high', `${percent(state)} % of the journal's limit are used, ${left}; bodies are left out.`))
  const busy = proxy.saturated()
  if (busy !== null) causes.push(causeOf('saturated', busy))
  const stale = proxy.controlStale()
  if (stale !== null) causes.push(causeOf('control_stale', stale.effect))
  const away = proxy.storeAway()
  if (away !== null) causes.push(causeOf('store_unreachable', away))
  const shipping = proxy.shipping?.() ?? null
  if (shipping !== null && shipping.trouble !== null)
    causes.push(
      causeOf(
        'kafka_unreachable',
        quoted(
          `${mebi(shipping.lagBytes ?? 0)} of events wait in the journal, ${percent(state)} % of its limit; ${left}.`,
          shipping.trouble.message,
        ),
      ),
    )
  if (shipping !== null && shipping.kept > 0)
    causes.push(
      causeOf(
        'dead_letters',
        `${shipping.kept} ${shipping.kept === 1 ? 'event is' : 'events are'} taken by no broker, and kept with the reason in ${proxy.dlqDir}.`,
      ),
    )
  return causes
}
