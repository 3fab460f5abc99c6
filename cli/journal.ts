import { join, resolve } from 'node:path'
import { openDb } from '../clickhouse/open.js'
import { loadConfig, type Config } from '../core/config.js'
import { kafkaAccess } from '../journal/kafka/access.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import { whyOf } from '../journal/kafka/why.js'
import { journalLimitBytes } from '../journal/limit.js'
import { readWriter, surveyWriter, type WriterRecords, type WriterSurvey } from '../journal/survey.js'
import { writersIn } from '../journal/writer-folder.js'
import { progressOn, sizeOf } from './backup/progress.js'
import { UsageError, type Command, type Values } from './command.js'
import { prepareDataFolder } from './data-folder.js'
import { storeGroup } from './event-log.js'
import { rewind, type Rewound } from './journal/rewind.js'
import { takeJournal, type Taken } from './journal/take.js'
import { isExpected, sentenceOf } from './start-error.js'

const journalOf = (config: Config): string => join(config.dataDir, 'journal')
const plural = (n: number, one: string): string => `${n} ${one}${n === 1 ? '' : 's'}`
const print = (values: Values, document: unknown, text: string): void =>
  void process.stdout.write(values.json === true ? `${JSON.stringify(document, null, 2)}\n` : text)

type Listed = WriterSurvey & { readonly records?: WriterRecords }

const whose = ({ state, owner, openCalls }: WriterSurvey): string => {
  if (state === 'living')
    return owner === null
      ? 'in use; its lock file cannot be read'
      : `process ${owner.pid} on host ${owner.host} since ${owner.since}`
  return state === 'closed' ? 'closed' : `ended without closing, ${plural(openCalls, 'call')} open`
}

const writerText = (survey: Listed): string => {
  const { writer, segments, bytes, consumers, records } = survey
  const lines = [`${writer}  ${whose(survey)}; ${plural(segments, 'segment')}, ${sizeOf(bytes)}`]
  for (const { consumer, lagBytes, planned } of consumers)
    lines.push(
      `  ${consumer}: ${lagBytes === 0 ? 'has all' : `${sizeOf(lagBytes)} behind`}${planned === null ? '' : ', something is under way'}`,
    )
  if (consumers.length === 0 && bytes > 0) lines.push('  nobody has read it yet')
  if (records !== undefined) {
    lines.push(
      `  verified: ${plural(records.ends, 'call')}, ${plural(records.starts, 'start')}, ${plural(records.checkpoints, 'checkpoint')}`,
    )
    for (const { segment, at, bytes: torn } of records.torn)
      lines.push(`  segment ${segment}: ${plural(torn, 'byte')} from offset ${at} on are no whole records`)
    const dropped = records.drops.reduce((sum, { n }) => sum + n, 0)
    if (dropped > 0) lines.push(`  it had no room for ${plural(dropped, 'call')}`)
  }
  return `${lines.join('\n')}\n`
}

/** Bytes that are no records count, except at the end of what is being written. */
const isDamaged = ({ state, newestSegment, records }: Listed): boolean =>
  (records?.torn ?? []).some(({ segment }) => state !== 'living' || segment < newestSegment)

const list = async (values: Values, config: Config): Promise<number> => {
  const dir = journalOf(config)
  const progress = progressOn(process.stderr)
  const found: Listed[] = []
  for (const writer of await writersIn(dir)) {
    const survey = await surveyWriter(join(dir, writer), writer)
    if (values.verify === true) {
      progress.tell(`Verifying ${writer}, ${sizeOf(survey.bytes)}`)
      found.push({ ...survey, records: await readWriter(join(dir, writer)) })
    } else found.push(survey)
  }
  progress.end()
  print(values, found, found.length === 0 ? `${dir} is empty.\n` : found.map(writerText).join(''))
  return found.some(isDamaged) ? 1 : 0
}

const takenText = ({ writers, calls, lost, unreadable, dropped, tornBytes }: Taken, dryRun: boolean): string =>
  [
    `${plural(calls, 'call')} of ${plural(writers, 'writer')} ${dryRun ? 'would go' : 'went'} into this journal: what is stored already is not stored again.`,
    ...(lost > 0 ? [`${plural(lost, 'call')} that had not ended ${dryRun ? 'would become' : 'became'} proxy_lost.`] : []),
    ...(dropped > 0
      ? [
          `That journal had had no room for ${plural(dropped, 'call')}: ${dryRun ? 'they would be' : 'they are'} told in log_gaps.`,
        ]
      : []),
    ...(unreadable > 0 ? [`${plural(unreadable, 'record')} cannot be read by this Weir.`] : []),
    ...(tornBytes > 0 ? [`${plural(tornBytes, 'byte')} are no whole records: calls under way when the host died.`] : []),
    ...(dryRun ? [] : ['The folder was only read, and can go once a running Weir has taken this in.']),
    '',
  ].join('\n')

const take = async (values: Values, config: Config, folder: string): Promise<number> => {
  prepareDataFolder(config.dataDir)
  const journalDir = resolve(journalOf(config))
  const progress = progressOn(process.stderr)
  const dryRun = values['dry-run'] === true
  try {
    const taken = await takeJournal({
      folder: resolve(folder),
      journalDir,
      limitBytes: await journalLimitBytes(journalDir, config.journal.limit),
      isGone: values.gone === true,
      dryRun,
      now: Date.now,
      onProgress: ({ calls }) => progress.tell(`${dryRun ? 'Read' : 'Taken over'}: ${plural(calls, 'call')}`),
    })
    progress.end()
    print(values, taken, takenText(taken, dryRun))
    return 0
  } finally {
    progress.end()
  }
}

const rewoundText = (rewound: readonly Rewound[], dryRun: boolean): string => {
  const lines = rewound.map(
    ({ partition, from, to, messages }) =>
      `partition ${partition}: ${from === -1 ? 'nowhere' : from} -> ${to}, ${plural(messages, 'message')} to read`,
  )
  const [messages, missing] = [
    rewound.reduce((sum, one) => sum + one.messages, 0),
    rewound.reduce((sum, one) => sum + one.missing, 0),
  ]
  return [
    ...lines,
    `${dryRun ? 'Nothing was changed. ' : ''}Ingest ${dryRun ? 'would read' : 'reads'} ${plural(messages, 'message')} at its next start.`,
    ...(missing > 0
      ? [`${plural(missing, 'message')} behind the last stored call are no longer in the topic: they are lost.`]
      : []),
    '',
  ].join('\n')
}

const rewindGroup = async (values: Values, config: Config): Promise<number> => {
  const access = kafkaAccess(config, 'rewind')
  if (access === null)
    throw new Error('There is no topic without KAFKA_BROKERS: positions in a journal lie beside it, and in its backup.')
  const link = kafkajsLink({ access, complain: () => undefined })
  try {
    const db = await openDb(config, { schema: 'await' })
    try {
      const dryRun = values['dry-run'] === true
      const rewound = await rewind({ db, link, topic: config.kafka.topic, group: storeGroup, dryRun, now: Date.now })
      print(values, rewound, rewoundText(rewound, dryRun))
      return 0
    } finally {
      await db.close()
    }
  } catch (cause) {
    throw cause instanceof Error && cause.name.startsWith('KafkaJS') ? new Error(whyOf(cause), { cause }) : cause
  } finally {
    await link.close()
  }
}

const workOf = (words: readonly string[]): ((values: Values, config: Config) => Promise<number>) => {
  const [word, folder, ...more] = words
  if (word === undefined) return list
  if (word === 'take' && folder !== undefined && more.length === 0) return (values, config) => take(values, config, folder)
  if (word === 'rewind' && folder === undefined) return rewindGroup
  throw new UsageError('Say nothing, `take <folder>` or `rewind`: `weir journal --help` tells what they do.')
}

export const command: Command = {
  summary: 'what waits in the journal; take over that of a dead host',
  words: '[take <folder> | rewind]',
  about: `
Lists the writers in the journal of WEIR_DATA: one for each life of a proxy, until what it wrote is stored, or shipped to Kafka, and
exported. Whose they are, how much they hold, how far each consumer is. --verify reads every record and compares its checksum; the exit
code is 1 when something is damaged. Nothing is changed.

take <folder> takes over the journal of a proxy host that will not come back: name its data folder, its journal, or one writer's folder,
from a copy or a mounted disk. Its calls go into this house's journal, and from there into the store, or to Kafka; those that are stored
already are not stored again. Calls that were open become proxy_lost. The folder is only read; it may be taken again.

rewind, with KAFKA_BROKERS, puts ingest's positions in the topic behind the last call the store has: after the store was restored from a
backup. Stop every ingest first.

  weir journal --verify
  weir journal take /mnt/old-host/.weir --gone
  weir journal rewind --dry-run`,
  flags: {
    verify: { type: 'boolean', help: 'read every record and compare its checksum' },
    gone: { type: 'boolean', help: 'take: the host is gone, although its lock says that it is in use' },
    'dry-run': { type: 'boolean', help: 'take, rewind: tell what would be done, change nothing' },
    json: { type: 'boolean', help: 'the report as one JSON document' },
  },
  async run(values, words) {
    const work = workOf(words)
    const config = loadConfig(process.env, process.cwd())
    try {
      return await work(values, config)
    } catch (cause) {
      process.stderr.write(`${isExpected(cause) || !(cause instanceof Error) ? sentenceOf(cause) : cause.message}\n`)
      return 1
    }
  },
}
