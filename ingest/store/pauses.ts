import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Db } from '../../clickhouse/db.js'

/** How the ingest processes of one store wait for each other. All times are the store's, so that no two clocks are compared. */
export interface Pauses {
  /** Another process rebuilds a roll-up: whoever asks inserts nothing until this is false. */
  readonly asked: () => Promise<boolean>
  /**
   * Runs work while the others wait.
   *
   * @param work Is given `renew`, to be called at least every 10 min; a holder that died is waited for no longer than that.
   * @returns `null` without running it when another process is at it.
   */
  readonly hold: <T>(work: (renew: () => Promise<void>) => Promise<T>) => Promise<T | null>
}

interface Options {
  readonly db: Pick<Db, 'rows' | 'exec'>
  /** Time for an insert that was begun before the others could see the pause. */
  readonly settleMs: number
}

const heldSeconds = 600

export const ingestPauses = ({ db, settleMs }: Options): Pauses => {
  const owner = randomUUID()
  const write = (seconds: number): Promise<void> =>
    db.exec(`INSERT INTO ingest_pauses (owner, until) SELECT '${owner}', now64(3) + INTERVAL ${seconds} SECOND`)
  const asked = async (): Promise<boolean> => {
    const [row] = await db.rows<{ held: string }>(
      'ingest-pauses',
      `SELECT count() AS held FROM (SELECT owner, argMax(until, at) AS until FROM ingest_pauses WHERE owner != {owner:String} GROUP BY owner)
       WHERE until > now64(3)`,
      { owner },
    )
    return row !== undefined && row.held !== '0'
  }
  return {
    asked,
    async hold(work) {
      await write(heldSeconds)
      try {
        if (await asked()) return null
        await sleep(settleMs)
        return await work(() => write(heldSeconds))
      } finally {
        await write(0)
      }
    },
  }
}
