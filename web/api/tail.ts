import type { Request, Response } from 'express'
import { anyRequest } from '../../clickhouse/queries/any-request.js'
import { type Arrived, arrivedRequests, type Stretch } from '../../clickhouse/queries/arrived-requests.js'
import { arrivals, type Heads } from '../../clickhouse/queries/arrivals.js'
import type { Filter } from '../../core/filter.js'
import type { TenantId } from '../../core/tenant.js'
import type { Asker } from './asker.js'
import type { LiveHello, LiveRows } from './contract.js'
import type { House } from './house.js'
import { filterOf } from './params.js'
import { ApiError } from './problems.js'
import { checkLookedFor, shownTo } from './what-was-said.js'

const pollMs = 1000
/** A burst of batches is answered by one question. */
const gatherMs = 50
const heartbeatMs = 15_000
const maxListeners = 100
const maxFilters = 16
const maxRows = 200
/** A page that does not read is let go rather than remembered for: it asks again and goes on from now. */
const maxUnread = 1024 ** 2
/** Rows of calls that began longer ago than any call may last are a journal catching up, not news. */
const slackMs = 5 * 60_000

interface Listener {
  readonly res: Response
  readonly text: string
  readonly filter: Filter | null
  /** Finds out anew who listens: a key may be taken away while its holder does. */
  readonly ask: () => Asker
  readonly asker: Asker
  /** What came before `hello` could be said; `null` from then on. */
  early: string[] | null
}

/** The tail of one tenant's calls. */
export interface Tail {
  /**
   * Answers GET /api/live: `hello`, then `rows` as they arrive, each row once.
   *
   * @param ask Who listens; throws once that is nobody any more, which ends the stream.
   */
  listen(req: Request, res: Response, ask: () => Asker): Promise<void>
  /** Nobody listens. */
  isResting(): boolean
  /** Ends all streams. */
  close(): void
}

const streamHead = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }

const event = (name: string, data: LiveHello | LiveRows): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

const stretchesBetween = (before: Heads, after: Heads): Stretch[] =>
  [...after].flatMap(([source, upTo]): Stretch[] => {
    const seen = before.get(source)
    return seen === undefined ? [{ source, after: null, upTo }] : upTo > seen ? [{ source, after: seen, upTo }] : []
  })

/** Logs that were seen stay seen, also when nothing of theirs is recent any more. */
const grown = (before: Heads, after: Heads): Heads =>
  new Map([...before, ...[...after].filter(([source, at]) => at > (before.get(source) ?? -1n))])

export type Facts = Pick<House, 'config' | 'db' | 'stored' | 'now' | 'log'>

/**
 * The tail of a tenant's calls for any number of pages: one poll for all of them, and none while nobody listens.
 *
 * @param resting Called when the last listener is gone.
 */
export const createTail = (tenant: TenantId, { config, db, stored, now, log }: Facts, resting: () => void): Tail => {
  const listeners = new Set<Listener>()
  let heads: Heads | null = null
  let waking: Promise<Heads> | null = null
  let polling: Promise<void> | null = null
  let again = false
  let dueAt = 0
  let notBefore = 0
  let timer: NodeJS.Timeout | null = null
  let beat: NodeJS.Timeout | null = null
  let unsubscribe: (() => void) | null = null

  const since = (): Date => new Date(now() - config.timeouts.total - slackMs)

  const drop = (listener: Listener): void => {
    listeners.delete(listener)
    listener.res.destroy()
    if (listeners.size === 0) rest()
  }
  const isStillLetIn = ({ ask }: Listener): boolean => {
    try {
      ask()
      return true
    } catch (cause) {
      if (cause instanceof ApiError) return false
      throw cause
    }
  }
  const send = (listener: Listener, text: string): void => {
    if (!isStillLetIn(listener)) drop(listener)
    else if (listener.early !== null) listener.early.push(text)
    else if (listener.res.writableLength > maxUnread) drop(listener)
    else listener.res.write(text)
  }

  const tell = async (stretches: readonly Stretch[], to: readonly Listener[]): Promise<void> => {
    const byFilter = new Map<string, Listener[]>()
    for (const listener of to) {
      const key = `${String(listener.asker.has('read-bodies'))} ${listener.text}`
      byFilter.set(key, [...(byFilter.get(key) ?? []), listener])
    }
    for (const group of byFilter.values()) {
      const [first] = group
      if (first === undefined) continue
      const { rows, total }: Arrived = await arrivedRequests(db, tenant, {
        since: since(),
        stretches,
        filter: first.filter,
        limit: maxRows,
      })
      if (total === 0) continue
      const text = event('rows', { rows: rows.map((row) => shownTo(first.asker, row)), skipped: total - rows.length })
      for (const listener of group) if (listeners.has(listener)) send(listener, text)
    }
  }

  const poll = async (): Promise<void> => {
    const to = [...listeners]
    const after = await arrivals(db, tenant, since())
    const before = heads
    if (before === null) return
    // Heads move on before rows are read: a failing question may leave rows out, it never sends one twice.
    heads = grown(before, after)
    const stretches = stretchesBetween(before, after)
    if (stretches.length > 0) await tell(stretches, to)
  }

  /** The sooner of two wishes holds: news at every moment must not put the poll off for ever. */
  const schedule = (ms: number): void => {
    const wished = Math.max(performance.now() + ms, notBefore)
    if (timer !== null && dueAt <= wished) return
    if (timer !== null) clearTimeout(timer)
    dueAt = wished
    timer = setTimeout(run, wished - performance.now())
  }
  const run = (): void => {
    timer = null
    if (polling !== null) {
      again = true
      return
    }
    const began = performance.now()
    polling = poll()
      .catch((cause: unknown) => log.warn({ err: cause }, 'The live tail could not be read; trying again.'))
      .finally(() => {
        polling = null
        // However long a poll takes on a large table, it takes at most a fifth of the time.
        notBefore = performance.now() + 4 * (performance.now() - began)
        if (listeners.size > 0) schedule(again ? gatherMs : pollMs)
        again = false
      })
  }

  /** While nobody listens nothing is polled, and what passes meanwhile is not news to the next listener. */
  const rest = (): void => {
    if (timer !== null) clearTimeout(timer)
    if (beat !== null) clearInterval(beat)
    unsubscribe?.()
    timer = beat = unsubscribe = null
    heads = waking = null
    resting()
  }
  const wake = async (): Promise<void> => {
    unsubscribe ??= stored(() => schedule(gatherMs))
    beat ??= setInterval(() => {
      for (const listener of listeners) send(listener, ': still here\n\n')
    }, heartbeatMs)
    const mine = (waking ??= arrivals(db, tenant, since()))
    const found = await mine
    if (waking !== mine || heads !== null) return
    heads = found
    schedule(pollMs)
  }

  return {
    listen: async (req, res, ask) => {
      const { filter: text = '', tenant: _, ...unknown } = req.query
      if (typeof text !== 'string' || Object.keys(unknown).length > 0)
        throw new ApiError('bad_parameter', 'Only filter is accepted, once.', { param: Object.keys(unknown)[0] ?? 'filter' })
      const filter = filterOf(text)
      const asker = ask()
      checkLookedFor(asker, { filter, search: '' })
      const listener: Listener = { res, text, filter, ask, asker, early: [] }
      const filters = new Set([...listeners].map((other) => other.text))
      if (listeners.size >= maxListeners || (!filters.has(text) && filters.size >= maxFilters))
        throw new ApiError(
          'too_many_listeners',
          `At most ${String(maxListeners)} pages with ${String(maxFilters)} filters are told of new rows.`,
          { retryAfterSeconds: 60 },
        )
      listeners.add(listener)
      res.on('close', () => {
        listeners.delete(listener)
        if (listeners.size === 0) rest()
      })
      try {
        // Positions are taken before `any` is asked: a row that comes in between is told as both, never as neither.
        await wake()
        const any = await anyRequest(db, tenant)
        if (res.destroyed) return
        res.writeHead(200, streamHead)
        const early = listener.early ?? []
        listener.early = null
        res.write(`retry: 2000\n\n${event('hello', { any })}${early.join('')}`)
      } catch (cause) {
        log.warn({ err: cause }, 'The live tail could not begin; the page asks again.')
        // A browser never asks again after an error status, so the stream is begun and ended.
        if (!res.destroyed) res.writeHead(200, streamHead).end('retry: 5000\n\n: analytics_unreachable\n\n')
      }
    },
    isResting: () => listeners.size === 0,
    close: () => {
      for (const { res } of listeners) res.end()
      listeners.clear()
      rest()
    },
  }
}
