import { z } from 'zod'
import type { Asker } from '../asker.js'
import { type BackupJob, backupJobSchema } from '../contract.js'
import type { BackupJobs, House } from '../house.js'
import { ApiError } from '../problems.js'
import { get, post } from '../route.js'

const jobsOf = ({ backup }: House, { whose }: Asker): BackupJobs => {
  if (backup === null) throw new ApiError('no_ingest', 'Only a hub with the embedded store copies it.')
  if (whose !== null) throw new ApiError('other_tenant', "A backup holds every tenant's calls: ask with the admin secret.")
  return backup
}

const found = (job: BackupJob | null): BackupJob => {
  if (job === null)
    throw new ApiError('unknown_job', 'No backup has this id, or the hub was started anew since.', { param: 'id' })
  return job
}

export const backupRoutes = [
  post('/api/backup', {
    summary: 'Copies the running house, on its own disk; `weir backup` takes the copy from there',
    needs: ['admin'],
    body: z.strictObject({}),
    answer: backupJobSchema,
    handle: (house, { asker }) => {
      const job = jobsOf(house, asker).begin()
      if (job === null) throw new ApiError('backup_running', 'One backup is under way.')
      return Promise.resolve(job)
    },
  }),

  get('/api/backup/:id', {
    summary: 'How far a backup is',
    needs: ['admin'],
    params: z.object({ id: z.uuid() }),
    answer: backupJobSchema,
    handle: (house, { asker, params }) => Promise.resolve(found(jobsOf(house, asker).find(params.id))),
  }),
]
