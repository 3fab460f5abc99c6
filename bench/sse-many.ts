import { UsageError, wholeNumber, type Values } from '../cli/command.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, requestBytes } from './support/driver.js'
import { askSql, untilStored, withWeir, type House } from './support/house.js'
import { forkHelper, usageOf, type Helper } from './support/processes.js'
import { atMost, type Report } from './support/report.js'
import { holdStreams, type StreamsResult } from './support/streams.js'

interface Options {
  readonly streams: number
  /** How long a stream lasts. */
  readonly seconds: number
  readonly gapMs: number
  /** How long streams are followed by others. */
  readonly minutes: number
}

/** Addresses of the upstream and of the driver: each pair has ports for some 28,000 connections. */
const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4'] as const
const storeLimitMs = 300_000
/** Of a stream's time: so long it takes until all are open. Spread out, their ends are, too. */
const opening = 0.75

/** Two descriptors a stream in the proxy, and some for the house (reliability.md §5). */
const room = (): number => {
  const { userLimits } = process.report.getReport() as unknown as {
    readonly userLimits: { readonly open_files: { readonly soft: number | string; readonly hard: number | string } }
  }
  const { hard } = userLimits.open_files
  return hard === 'unlimited' ? Infinity : Math.floor((Number(hard) - 1000) / 2)
}

const providerOf = (i: number): string => `bench${i + 1}`

/** One provider for each address of the upstream. */
const yamlOf = ({ port }: Helper): string =>
  `providers:\n${addresses
    .map(
      (host, i) => `  ${providerOf(i)}: { origin: "http://${host}:${port}", root: "/v1", family: openai-chat, private: true }\n`,
    )
    .join('')}`

interface Held extends StreamsResult {
  readonly cpuUsPerChunk: number
  readonly rssOpenMiB: number
  readonly peakMiB: number
}

/** Of a process, once in a while: what goes on in a bench that takes minutes. */
const told = (side: string, pid: number, say: (line: string) => void): NodeJS.Timeout => {
  const begun = performance.now()
  return setInterval(
    () => say(`${side}: ${Math.round((performance.now() - begun) / 1000)} s, RSS ${Math.round(usageOf(pid).rssMiB)} MiB`),
    30_000,
  )
}

interface Way {
  readonly side: string
  readonly port: number
  readonly paths: readonly string[]
  readonly pid: number
  readonly minutes: number
}

const hold = async (way: Way, { streams, seconds, gapMs }: Options, say: (line: string) => void): Promise<Held> => {
  const { side, port, paths, pid, minutes } = way
  const chunks = Math.ceil((seconds * 1000) / gapMs)
  let rssOpenMiB = Number.NaN
  const before = usageOf(pid).cpuUs
  const telling = told(side, pid, say)
  const result = await holdStreams({
    port,
    requests: paths.map((path) => requestBytes(path, true)),
    from: addresses,
    count: streams,
    chunks,
    // All have to be open before the first one ends.
    perSecond: streams / (seconds * opening),
    renewMs: minutes * 60_000,
    limitMs: seconds * 1000 + 60_000,
    onAllOpen: () => {
      rssOpenMiB = usageOf(pid).rssMiB
    },
  }).finally(() => clearInterval(telling))
  const after = usageOf(pid)
  if (result.peak < streams) throw new BenchFailed(`${side}: only ${result.peak} of ${streams} streams were open at once.`)
  say(`${side}: ${result.streams} streams, ${result.errors} errors, chunk delay p99 ${result.p99.toFixed(1)} ms`)
  return {
    ...result,
    rssOpenMiB,
    peakMiB: after.peakMiB,
    cpuUsPerChunk: (after.cpuUs - before) / (result.streams * chunks),
  }
}

const checkRows = async (house: House, streams: number): Promise<void> => {
  await untilStored(house, streams, storeLimitMs)
  const [rows, ids, complete] = await askSql(
    house,
    "SELECT count(), uniqExact(request_id), countIf(outcome = 'complete' AND output_tokens = 160) FROM requests",
  )
  const [bodies] = await askSql(
    house,
    "SELECT countIf(request_state = 'stored' AND response_state = 'stored' AND endsWith(response_body, '[DONE]\\n\\n')) FROM request_bodies",
  )
  if (rows !== streams || ids !== streams || complete !== streams || bodies !== streams)
    throw new BenchFailed(
      `${streams} streams left ${rows} rows, ${ids} of them different, ${complete} complete with their tokens, ${bodies} with whole bodies.`,
    )
}

const runAll = async (options: Options, say: (line: string) => void): Promise<Report> => {
  const { streams, seconds, gapMs, minutes } = options
  const chunks = Math.ceil((seconds * 1000) / gapMs)
  const upstream = await forkHelper('upstream', {
    BENCH_GAP_MS: String(gapMs),
    BENCH_CHUNKS: String(chunks),
    BENCH_HOSTS: String(addresses.length),
  })
  try {
    const { port, pid } = upstream
    const direct = await hold({ side: 'direct', port, paths: [chatPath], pid, minutes: 0 }, options, say)
    return await withWeir(yamlOf(upstream), async (house) => {
      const paths = addresses.map((_, i) => `/${providerOf(i)}${chatPath}`)
      const weir = await hold({ side: 'weir', port: house.proxy, paths, pid: house.pids.proxy, minutes }, options, say)
      await checkRows(house, weir.streams)
      say(`${weir.streams} streams, as many rows with whole bodies.`)
      const hub = usageOf(house.pids.hub)
      return {
        tables: [
          {
            title: `${streams} streams at once, ${chunks} chunks of 200 B each, one in ${gapMs} ms, renewed for ${minutes} min; hub peak ${Math.round(hub.peakMiB)} MiB`,
            columns: [
              '',
              'streams',
              'errors',
              'chunks lost',
              'open at once',
              'delay p50 ms',
              'delay p99 ms',
              'CPU us/chunk',
              'RSS all open MiB',
              'RSS peak MiB',
            ],
            rows: [rowOf('direct (upstream)', direct), rowOf('weir (proxy)', weir)],
          },
        ],
        targets: [
          atMost('streams that broke', weir.errors, 0),
          atMost('chunks lost', weir.lostChunks, 0),
          atMost('proxy RSS, the most it had', weir.peakMiB * 1.048576, 450, ' MB'),
          atMost('added chunk delay p99', weir.p99 - direct.p99, 25, ' ms'),
        ],
      }
    })
  } finally {
    await upstream.stop()
  }
}

const rowOf = (side: string, held: Held) => [
  side,
  held.streams,
  held.errors,
  held.lostChunks,
  held.peak,
  held.p50,
  held.p99,
  held.cpuUsPerChunk,
  held.rssOpenMiB,
  held.peakMiB,
]

const minutesOf = (values: Values): number => {
  const minutes = Number(values.minutes ?? '10')
  if (!(minutes >= 0 && minutes <= 600)) throw new UsageError('--minutes: a number from 0 to 600.')
  return minutes
}

export const bench: Bench = {
  question: 'how many slow streams does the proxy hold at once, and what do they cost?',
  takes: '15 min',
  about: `
Streams of one chunk of 200 bytes a second, all open at once, by way of \`weir start\` with bodies stored; one that has ended is followed by
another. Before that, once, direct. The upstream listens on four addresses. Chunks carry their number and the time the upstream wrote them;
each stream is checked chunk by chunk to its terminal event, and has its row and its whole body at the end. The limit of open files
(ulimit -n) has to leave two for each stream and 1,000 more; with less, fewer streams are held, and that is said.`,
  flags: {
    streams: { type: 'string', value: 'n', help: 'at once (10000)' },
    seconds: { type: 'string', value: 'n', help: 'how long each lasts (60)' },
    gap: { type: 'string', value: 'ms', help: 'between two chunks (1000)' },
    minutes: { type: 'string', value: 'n', help: 'how long streams are followed by others (10)' },
  },
  run(values, say) {
    const wanted = wholeNumber(values, 'streams', 10_000)
    const streams = Math.min(wanted, room())
    if (streams < wanted)
      say(`The limit of open files leaves room for ${streams} streams; ${wanted} need ulimit -n ${wanted * 2 + 1000}.`)
    return runAll(
      {
        streams,
        seconds: wholeNumber(values, 'seconds', 60),
        gapMs: wholeNumber(values, 'gap', 1000),
        minutes: minutesOf(values),
      },
      say,
    )
  },
}
