import { causeOf, type Cause } from '../../core/health-causes.js'

/** What a page can tell of a store that does not answer it. */
export const storeSilent: Cause = causeOf(
  'analytics_unreachable',
  'The analytics store does not answer: dashboards are empty, calls go on and wait in the log.',
)

/** Causes as others told them, and that the store does not answer us: ingest tells more of it, where it is asked. */
export const withStore = (causes: readonly Cause[], answers: boolean): Cause[] =>
  answers || causes.some(({ cause }) => cause === storeSilent.cause) ? [...causes] : [...causes, storeSilent]
