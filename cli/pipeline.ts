import type { Db } from '../clickhouse/db.js'
import type { Config } from '../core/config.js'
import { consumerLagMetrics } from '../ingest/kafka-metrics.js'
import type { Ingest } from '../ingest/main.js'
import { startIngest, storeConsumer } from '../ingest/main.js'
import { openEventLog } from './event-log.js'
import type { Log } from './log.js'
import { version } from './version.js'

export interface Pipeline {
  readonly ingest: Ingest
  /** Reads out what is left, for at most 10 s, and gives the journal back. */
  stop(): Promise<void>
}

interface Options {
  readonly config: Config
  readonly db: Db
  readonly log: Log
  readonly onStored: (rows: number) => void
}

/**
 * The log of events through ingest, into the store and out to the trace destinations.
 *
 * @throws FolderOwnedError when another process reads this journal.
 */
export const openPipeline = async ({ config, db, log, onStored }: Options): Promise<Pipeline> => {
  const events = await openEventLog(config, log)
  try {
    const ingest = await startIngest({
      config,
      sourceOf: events.sourceOf,
      ...(events.deadLetters === null ? {} : { deadLetters: events.deadLetters }),
      db,
      now: Date.now,
      log,
      onStored,
      version: version(),
    })
    const { lags } = events
    if (lags !== null) consumerLagMetrics(ingest.metrics, () => lags(storeConsumer))
    return {
      ingest,
      async stop() {
        await ingest.stop()
        await events.close()
      },
    }
  } catch (cause) {
    await events.close()
    throw cause
  }
}

/**
 * A pipeline that can be given another configuration while it runs. Prices change in their place; for the rest the old one reads out
 * and closes, then the new one opens. When the new one cannot be opened, the old configuration is put back.
 */
export const openReplaceable = async (
  options: Options,
): Promise<{ current: () => Pipeline; replace: (config: Config) => Promise<void> }> => {
  let config = options.config
  let pipeline = await openPipeline(options)
  return {
    current: () => pipeline,
    async replace(next) {
      if (JSON.stringify(next.exports) === JSON.stringify(config.exports)) {
        pipeline.ingest.usePrices(next)
        config = next
        return
      }
      await pipeline.stop()
      try {
        pipeline = await openPipeline({ ...options, config: next })
        config = next
      } catch (cause) {
        pipeline = await openPipeline({ ...options, config })
        throw cause
      }
    },
  }
}
