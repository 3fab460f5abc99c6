import { join } from 'node:path'
import type { Config } from '../core/config.js'
import { processMetrics } from '../core/process-metrics.js'
import { nodeDisk } from '../journal/disk.js'
import { kafkaAccess } from '../journal/kafka/access.js'
import { startShipperThread } from '../journal/kafka/shipper-thread.js'
import { journalLimitBytes } from '../journal/limit.js'
import { openJournal } from '../journal/open.js'
import { timedDisk } from '../journal/timed-disk.js'
import { diskTimes } from '../proxy/disk-times.js'
import { openControlLine } from '../proxy/internal/control-line.js'
import { snapshotFile } from '../proxy/internal/snapshot-file.js'
import { startProxy, type Proxy } from '../proxy/main.js'
import type { Command } from './command.js'
import type { Log } from './log.js'
import { watchConfig } from './reload.js'
import type { RunningRole } from './role.js'
import { runRole } from './role.js'
import { version } from './version.js'

/** What the proxy takes on while it runs. */
const live = new Set<keyof Config>([
  'auth',
  'keys',
  'targets',
  'configs',
  'defaults',
  'targetUrl',
  'targetAllow',
  'hostRouting',
  'defaultProvider',
  'providers',
  'models',
  'prices',
  'compat',
  'ceilings',
  'limits',
  'timeouts',
  'bodies',
  'retention',
  'allowedHosts',
  'drain',
  'control',
])

/** What is still in the journal when a proxy ends gets so long; the rest goes after the next start (reliability.md §8). */
const lastShipMs = 5000

const start = async (config: Config, log: Log): Promise<RunningRole> => {
  const now = Date.now
  const dir = join(config.dataDir, 'journal')
  const own = processMetrics({ role: 'proxy', version: version() })
  const journal = await openJournal({
    dir,
    disk: timedDisk(nodeDisk, diskTimes(own)),
    durability: config.journal.durability,
    limitBytes: await journalLimitBytes(dir, config.journal.limit),
    now,
  })
  const access = kafkaAccess(config, 'proxy')
  const shipper =
    access === null
      ? null
      : startShipperThread({
          work: {
            journalDir: dir,
            dlqDir: join(config.dataDir, 'dlq'),
            access,
            topic: config.kafka.topic,
            maxMessageBytes: config.kafka.maxMessageBytes,
          },
          log: (sentence) => log.warn(sentence),
        })
  let proxy: Proxy | null = null
  const control = openControlLine({
    own: config,
    sharesFile: config.channelToken !== null,
    file: snapshotFile(join(config.dataDir, 'state', 'control.json')),
    now,
    log,
    apply: (next) => proxy?.reload(next),
  })
  const running = (proxy = await startProxy({
    config: control.config(),
    control,
    journal,
    now,
    log,
    processMetrics: own,
    ...(shipper === null ? {} : { shipping: shipper.state }),
  }))
  const unwatch = watchConfig({
    config,
    live,
    fixed: new Set(['journal', 'cache']),
    apply: (next) => control.ownChanged(next),
    log,
  })
  return {
    ports: { proxy: running.port },
    drain: () => running.drain(),
    async stop() {
      unwatch()
      await running.stop()
      await journal.close()
      await shipper?.stop(lastShipMs)
    },
  }
}

export const command: Command = {
  summary: 'the data plane alone',
  about: `
Takes calls, passes them through and journals them under WEIR_DATA/journal, where \`weir ingest\` of the same folder reads them.
It needs neither ingest nor web to run. SIGTERM drains, as with \`weir start\`.`,
  flags: {},
  run: () => runRole({ name: 'proxy', start }),
}
