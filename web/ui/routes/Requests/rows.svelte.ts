import type { RequestSort, RequestSummary } from '../../../api/contract.js'
import { answerTo, api, type Scope } from '../../lib/api.js'
import { arrived, released, type Arrivals } from '../../lib/arrivals.js'
import { ApiError } from '../../lib/problem.js'

/** Beyond this, new rows wait for a fresh start: a page left open over night must not fill the memory. */
const mostRows = 20_000

/** The rows of the table: pages of the API below, live arrivals on top. */
export const createRows = () => {
  let list = $state.raw<Arrivals>({ shown: [], held: [] })
  let cursor: string | null = null
  let ended = $state(false)
  let loading = $state(false)
  let missed = $state(0)
  let error = $state.raw<ApiError | null>(null)
  let loadedOnce = $state(false)
  let question: { scope: Scope; sort: RequestSort } | null = null
  let aborter = new AbortController()

  const fetchPage = async (place: string | null): Promise<void> => {
    if (question === null) return
    const { signal } = aborter
    loading = true
    try {
      const page = await answerTo(api.requests(question.scope, question.sort, place), signal)
      if (signal.aborted) return
      if (place === null) list = { shown: page.rows, held: [] }
      else {
        const known = new Set(list.shown.map(({ id }) => id))
        list = { ...list, shown: [...list.shown, ...page.rows.filter(({ id }) => !known.has(id))] }
      }
      cursor = page.nextCursor
      ended = page.nextCursor === null
      error = null
      loadedOnce = true
    } catch (cause) {
      if (signal.aborted) return
      error =
        cause instanceof ApiError
          ? cause
          : new ApiError({ code: 'page', status: 0, detail: String(cause), advice: 'Reload the page.', param: null })
    } finally {
      if (!signal.aborted) loading = false
    }
  }

  return {
    get shown(): readonly RequestSummary[] {
      return list.shown
    },
    /** Rows that wait, and how many more there are that were never sent. */
    get waiting(): number {
      return list.held.length + missed
    },
    get ended(): boolean {
      return ended
    },
    get loading(): boolean {
      return loading
    },
    get loadedOnce(): boolean {
      return loadedOnce
    },
    get error(): ApiError | null {
      return error
    },
    /** Asks anew. Rows of an older question stay until the answer is there. */
    ask(scope: Scope, sort: RequestSort): void {
      aborter.abort()
      aborter = new AbortController()
      question = { scope, sort }
      missed = 0
      void fetchPage(null)
    },
    more(): void {
      if (!loading && !ended && error === null && cursor !== null) void fetchPage(cursor)
    },
    again(): void {
      error = null
      void fetchPage(loadedOnce ? cursor : null)
    },
    arrive(rows: readonly RequestSummary[], skipped: number, mode: 'show' | 'hold'): void {
      // Before the first page is there, it will bring these rows itself.
      if (!loadedOnce) return
      if (skipped > 0 || missed > 0 || list.shown.length + list.held.length > mostRows) {
        missed += rows.length + skipped
        return
      }
      list = arrived(list, rows, mode)
    },
    /** Lets the waiting rows in; false when some were never sent, so that the page has to ask anew. */
    release(): boolean {
      if (missed > 0) return false
      list = released(list)
      return true
    },
    stop(): void {
      aborter.abort()
    },
  }
}
