import { join } from 'node:path'
import { loadConfig, type Config } from '../core/config.js'
import { nearest } from '../core/nearest.js'
import { kafkaAccess } from '../journal/kafka/access.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import { deadTopic } from '../journal/kafka/topics.js'
import { whyOf } from '../journal/kafka/why.js'
import { journalLimitBytes } from '../journal/limit.js'
import { openJournal } from '../journal/open.js'
import { UsageError, wholeNumber, type Command, type Values } from './command.js'
import { prepareDataFolder } from './data-folder.js'
import { folderLetters, refusedSpans } from './replay/folder-letters.js'
import { replay, type ReplayAsk, type ReplayReport } from './replay/replay.js'
import { journalTaker, topicTaker } from './replay/takers.js'
import { topicLetters } from './replay/topic-letters.js'
import { isExpected, sentenceOf } from './start-error.js'
import { timeFlag } from './time-flag.js'

const reasons = ['undecodable', 'newer_version', 'refused', 'enrich_failed'] as const

const askOf = (values: Values): ReplayAsk => {
  const { reason } = values
  if (typeof reason === 'string' && !reasons.includes(reason as (typeof reasons)[number])) {
    const near = nearest(reason, reasons)
    throw new UsageError(
      `--reason: "${reason}" is not one of ${reasons.join(', ')}.${near === null ? '' : ` Did you mean ${near}?`}`,
    )
  }
  return {
    reason: typeof reason === 'string' ? reason : null,
    since: values.since === undefined ? null : timeFlag(values, 'since'),
    limit: values.limit === undefined ? null : wholeNumber(values, 'limit', 1),
    dryRun: values['dry-run'] === true,
  }
}

type Run = (ask: ReplayAsk, onProgress: (report: ReplayReport) => void) => Promise<ReplayReport>

const dlqOf = (config: Config): string => join(config.dataDir, 'dlq')

/** Letters of this data folder, into its journal: what runs on it stores them, or the next start does. */
const inJournal =
  (config: Config): Run =>
  async (ask, onProgress) => {
    const places = [folderLetters(dlqOf(config))]
    if (ask.dryRun) return await replay({ places, ask, taker: { take: () => Promise.resolve('taken') }, onProgress })
    prepareDataFolder(config.dataDir)
    const dir = join(config.dataDir, 'journal')
    const limitBytes = await journalLimitBytes(dir, config.journal.limit)
    const journal = await openJournal({ dir, durability: 'strict', limitBytes, now: Date.now, doubt: true })
    try {
      return await replay({ places, ask, taker: journalTaker(journal), onProgress })
    } finally {
      await journal.close()
    }
  }

/** Letters of this data folder and of the topic, into the topic of events. */
const inKafka =
  (config: Config, access: NonNullable<ReturnType<typeof kafkaAccess>>): Run =>
  async (ask, onProgress) => {
    const link = kafkajsLink({ access, complain: () => undefined })
    const { topic } = config.kafka
    try {
      const facts = await link.look(topic)
      if (facts === null) throw new Error(`There is no topic ${topic}: a proxy or ingest makes it at its start.`)
      const dead = deadTopic(topic).topic
      const places = [folderLetters(dlqOf(config)), ...((await link.look(dead)) === null ? [] : [topicLetters(link, dead)])]
      const taker = topicTaker({ link, topic, partitions: facts.partitions })
      try {
        return await replay({ places, ask, taker, onProgress })
      } finally {
        await taker.close().catch(() => undefined)
      }
    } catch (cause) {
      throw cause instanceof Error && cause.name.startsWith('KafkaJS') ? new Error(whyOf(cause), { cause }) : cause
    } finally {
      await link.close()
    }
  }

const endProgress = (): void => {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
}
const progress =
  ({ dryRun }: ReplayAsk) =>
  ({ letters, replayed }: ReplayReport): void => {
    if (!process.stderr.isTTY || letters % 20 !== 0) return
    process.stderr.write(`\r\u001b[K${dryRun ? 'Read' : 'Sent again'}: ${dryRun ? letters : `${replayed} of ${letters}`}`)
  }

const plural = (n: number, one: string): string => `${n} ${one}${n === 1 ? '' : 's'}`

interface Summary extends ReplayReport, Pick<ReplayAsk, 'dryRun'> {
  readonly to: 'journal' | 'kafka'
  readonly spans: readonly { readonly folder: string; readonly letters: number }[]
}

const text = ({ letters, replayed, unreadable, refused, reasons: found, dryRun, to, spans }: Summary): string => {
  const lines = found.map(
    ({ reason, letters: n, oldest, newest, error }) =>
      `${reason.padEnd(15)}${plural(n, 'letter').padEnd(14)}${oldest} to ${newest}\n${' '.repeat(15)}${error.split('\n', 1)[0] ?? ''}\n`,
  )
  const where = to === 'kafka' ? 'the topic' : 'the journal'
  const told = [
    letters === 0
      ? 'No such letters.'
      : dryRun
        ? `${plural(replayed, 'letter')} of ${letters} would go into ${where}.`
        : `${plural(replayed, 'letter')} of ${letters} went into ${where}: a running Weir stores what is not stored yet.`,
    ...(unreadable > 0
      ? [`${plural(unreadable, 'letter')} cannot be read by this Weir, either, and stay${unreadable === 1 ? 's' : ''}.`]
      : []),
    ...(refused > 0 ? [`${plural(refused, 'letter')} no broker takes: raise max.message.bytes of the topic.`] : []),
    ...spans.map(
      ({ folder, letters: n }) =>
        `dlq/${folder}: ${plural(n, 'request')} of spans that the destination refused; they are not events, and not sent again.`,
    ),
  ]
  return `${lines.join('')}${lines.length > 0 ? '\n' : ''}${told.join('\n')}\n`
}

export const command: Command = {
  summary: 'send events again that could not be stored',
  about: `
Events that ingest could not take in, or that no broker took, are kept with the reason: in WEIR_DATA/dlq, with KAFKA_BROKERS also in the
topic <kafka.topic>.dlq. Once what was wrong is mended (a newer Weir is installed, a column is widened), this sends them again: into the
journal of WEIR_DATA, with KAFKA_BROKERS into the topic. An event that is stored already is not stored twice.

What was sent again is not sent once more, unless it is set aside again: its file is removed, and the group weir.replay-dlq keeps which
letters of the topic are done. Stop it at any time and begin again.

  weir replay-dlq --dry-run
  weir replay-dlq --reason newer_version --since 2026-11-01`,
  flags: {
    reason: { type: 'string', value: 'name', help: `only these: ${reasons.join(', ')}` },
    since: { type: 'string', value: 'time', help: 'only those set aside since, UTC: 2026-11-01 or 2026-11-01T08:00:00Z' },
    limit: { type: 'string', value: 'n', help: 'send at most so many again' },
    'dry-run': { type: 'boolean', help: 'tell what there is and why, send nothing' },
    json: { type: 'boolean', help: 'the summary as one JSON document' },
  },
  async run(values) {
    const ask = askOf(values)
    const config = loadConfig(process.env, process.cwd())
    try {
      const access = kafkaAccess(config, 'replay')
      const run = access === null ? inJournal(config) : inKafka(config, access)
      const report = await run(ask, progress(ask))
      endProgress()
      const summary: Summary = {
        dryRun: ask.dryRun,
        to: access === null ? 'journal' : 'kafka',
        ...report,
        spans: await refusedSpans(dlqOf(config)),
      }
      process.stdout.write(values.json === true ? `${JSON.stringify(summary, null, 2)}\n` : text(summary))
      return 0
    } catch (cause) {
      endProgress()
      process.stderr.write(`${isExpected(cause) || !(cause instanceof Error) ? sentenceOf(cause) : cause.message}\n`)
      return 1
    }
  },
}
