import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'

// Loaded before a process of Weir begins: on SIGUSR2 it writes down what keeps its event loop alive, which nobody outside can see.
const dir = process.env.BENCH_RESOURCES
if (isMainThread && dir !== undefined)
  process.on('SIGUSR2', () => {
    const timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const file = join(dir, String(process.pid))
    writeFileSync(`${file}.draft`, JSON.stringify({ timers }))
    renameSync(`${file}.draft`, file)
  })
