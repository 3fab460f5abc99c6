import type { FilterTerm } from '../../../core/filter.js'
import type { RequestSort } from '../../api/contract.js'
import type { Scope } from './api.js'
import { narrowed } from './filter.js'
import { live } from './live.svelte.js'
import { here, page } from './location.svelte.js'
import { periodOf, rangeFrom, type Period } from './range.js'

/** What the page looks at, from the address and the clock. */
export const scope = {
  get filter(): string {
    return here.params.get('filter') ?? ''
  },
  get search(): string {
    return here.params.get('q') ?? ''
  },
  get period(): Period {
    return periodOf(rangeFrom(here.params), live.now)
  },
  get now(): Scope {
    const { from, to } = scope.period
    return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), filter: scope.filter, q: scope.search }
  },
}

/**
 * The requests behind a number: the page's own filter, narrowed by the terms that make the number.
 *
 * @param within A bucket of a chart; without it the page's range.
 */
export const requestsBehind = (terms: readonly FilterTerm[], within: Period | null = null): string =>
  page('/requests', {
    filter: narrowed(scope.filter, ...terms) || null,
    q: scope.search || null,
    ...(within === null ? {} : { range: null, from: new Date(within.from).toISOString(), to: new Date(within.to).toISOString() }),
  })

/** The page's requests in another order: what cost most, what took longest. */
export const requestsSorted = (sort: RequestSort): string =>
  page('/requests', { filter: scope.filter || null, q: scope.search || null, sort })
