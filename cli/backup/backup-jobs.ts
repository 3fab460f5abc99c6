import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Db } from '../../clickhouse/db.js'
import type { ControlStore } from '../../control/store.js'
import { uuidv7 } from '../../core/ids.js'
import type { BackupJob } from '../../web/api/contract.js'
import type { BackupJobs } from '../../web/api/house.js'
import type { Log } from '../log.js'
import { sentenceOf } from '../start-error.js'
import { snapshot, stagingIn } from './snapshot.js'

interface Options {
  readonly db: Db
  readonly control: ControlStore
  readonly dataDir: string
  readonly whilePaused: <T>(work: () => Promise<T>) => Promise<T>
  readonly version: string
  readonly log: Log
}

/** Copies the house where the store is open, one copy at a time, into `WEIR_DATA/backup/<id>`. `weir backup` takes it from there. */
export const backupJobs = ({ db, control, dataDir, whilePaused, version, log }: Options): BackupJobs => {
  let last: BackupJob | null = null
  const staging = stagingIn(dataDir)
  const run = async (id: string): Promise<BackupJob> => {
    try {
      // Of one that nobody fetched.
      await rm(staging, { recursive: true, force: true })
      const { files, bytes } = await snapshot({
        dataDir,
        to: join(staging, id),
        db,
        control,
        whilePaused,
        version,
        now: Date.now,
      })
      return { id, state: 'done', files, bytes, error: null }
    } catch (cause) {
      log.error({ err: cause }, 'The copy for a backup could not be made.')
      await rm(staging, { recursive: true, force: true }).catch(() => undefined)
      return { id, state: 'failed', files: 0, bytes: 0, error: sentenceOf(cause) }
    }
  }
  return {
    begin() {
      if (last?.state === 'running') return null
      const id = uuidv7(Date.now())
      last = { id, state: 'running', files: 0, bytes: 0, error: null }
      void run(id).then((job) => (last = job))
      return last
    },
    find: (id) => (last?.id === id ? last : null),
  }
}
