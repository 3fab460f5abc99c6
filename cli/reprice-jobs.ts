import type { Db } from '../clickhouse/db.js'
import { uuidv7 } from '../core/ids.js'
import type { PriceBook } from '../core/prices/book.js'
import type { TenantId } from '../core/tenant.js'
import { reprice, type RepriceReport } from '../ingest/reprice/reprice.js'
import type { RepriceJob } from '../web/api/contract.js'
import type { RepriceJobs } from '../web/api/house.js'
import type { Log } from './log.js'
import { sentenceOf } from './start-error.js'

interface Options {
  readonly db: Db
  readonly dataDir: string
  /** The prices in force. */
  readonly book: () => PriceBook
  readonly trustsCost: (provider: string) => boolean
  readonly log: Log
}

interface Kept {
  readonly job: RepriceJob
  /** `null` = every tenant's calls. */
  readonly whose: TenantId | null
}

/** Reports that are kept for whoever asks later. */
const mostJobs = 20

/** Runs re-pricings where the store is open, one at a time. */
export const repriceJobs = ({ db, dataDir, book, trustsCost, log }: Options): RepriceJobs => {
  const jobs = new Map<string, Kept>()
  let running: { readonly id: string; readonly halt: AbortController; readonly over: Promise<void> } | null = null

  const keep = (whose: TenantId | null, job: RepriceJob): void => {
    jobs.set(job.id, { job, whose })
    if (jobs.size > mostJobs) jobs.delete(jobs.keys().next().value as string)
  }

  /** Whoever may look at every tenant's calls sees every job, others those about their tenant alone. */
  const seen = (whose: TenantId | null, id: string): RepriceJob | null => {
    const kept = jobs.get(id)
    return kept !== undefined && (whose === null || kept.whose === whose) ? kept.job : null
  }

  return {
    begin(whose, { from, to, model, dryRun }) {
      if (running !== null) return null
      const id = uuidv7(Date.now())
      const prices = book()
      const job: RepriceJob = {
        id,
        state: 'running',
        dryRun,
        from: from.toISOString(),
        to: to.toISOString(),
        model,
        priceId: prices.id,
        calls: 0,
        total: 0,
        changed: 0,
        differenceUsd: '0',
        models: [],
        error: null,
      }
      keep(whose, job)
      const halt = new AbortController()
      const tell = (report: RepriceReport, state: RepriceJob['state']): void =>
        void jobs.set(id, {
          whose,
          job: { ...job, ...report, models: report.models.map((difference) => ({ ...difference })), state },
        })
      const run = async (): Promise<void> => {
        try {
          const report = await reprice({
            db,
            whose,
            book: prices,
            trustsCost,
            dataDir,
            now: Date.now,
            scope: { from, to, model },
            dryRun,
            onProgress: (progress) => tell(progress, 'running'),
            signal: halt.signal,
          })
          tell(report, 'done')
          if (!dryRun) log.info(`Priced ${report.changed} of ${report.calls} calls anew: ${report.differenceUsd} USD.`)
        } catch (cause) {
          const so = jobs.get(id)?.job ?? job
          const error = halt.signal.aborted ? null : sentenceOf(cause)
          jobs.set(id, { whose, job: { ...so, state: halt.signal.aborted ? 'stopped' : 'failed', error } })
          if (error !== null) log.error({ err: cause }, 'Re-pricing failed; what it wrote stays, begin it again to go on.')
        } finally {
          running = null
        }
      }
      running = { id, halt, over: run() }
      return jobs.get(id)?.job ?? job
    },
    find: seen,
    async stop(whose, id) {
      if (running?.id !== id || seen(whose, id) === null) return
      running.halt.abort()
      await running.over
    },
  }
}
