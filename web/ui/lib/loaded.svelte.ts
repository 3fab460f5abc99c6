import { untrack } from 'svelte'
import { answerTo, type Ask } from './api.js'
import { ApiError } from './problem.js'

/** The answer to a question, as a page sees it. While a newer answer is on its way, or failed to come, the last one stays. */
export interface Loaded<T> {
  readonly value: T | null
  readonly error: ApiError | null
  readonly loading: boolean
  /** True while `value` answers an older question than the one asked now. */
  readonly stale: boolean
  again(): void
}

/**
 * Asks whenever the question changes, and drops answers that come too late.
 *
 * @param question Reads runes; `null` asks nothing. Must be called while a component is set up.
 * @param keep Whether an old answer may stand in while the question has changed: true for the same view at a later time.
 */
export const loaded = <T>(
  question: () => Ask<T> | null,
  keep: (before: string, after: string) => boolean = () => true,
): Loaded<T> => {
  let value = $state.raw<T | null>(null)
  let error = $state.raw<ApiError | null>(null)
  let loading = $state(false)
  let answered = $state<string | null>(null)
  let asked = $state<string | null>(null)
  let round = $state(0)

  $effect(() => {
    const next = question()
    void round
    if (next === null) return
    const { href } = next
    const aborter = new AbortController()
    untrack(() => {
      asked = href
      loading = true
      if (answered !== null && answered !== href && !keep(answered, href)) value = null
    })
    answerTo(next, aborter.signal).then(
      (answer) => {
        if (aborter.signal.aborted) return
        value = answer
        answered = href
        error = null
        loading = false
      },
      (cause: unknown) => {
        if (aborter.signal.aborted) return
        error =
          cause instanceof ApiError
            ? cause
            : new ApiError({ code: 'page', status: 0, detail: String(cause), advice: 'Reload the page.', param: null })
        loading = false
      },
    )
    return () => aborter.abort()
  })

  return {
    get value() {
      return value
    },
    get error() {
      return error
    },
    get loading() {
      return loading
    },
    get stale() {
      return value !== null && answered !== asked
    },
    again() {
      round++
    },
  }
}
