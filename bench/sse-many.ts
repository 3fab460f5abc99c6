import { wholeNumber } from '../cli/command.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { chatPath, requestBytes } from './support/driver.js'
import { askSql, untilStored, withWeir, type House } from './support/house.js'
import { forkHelper, usageOf, type Helper } from './support/processes.js'
import { atMost, type Report, type Target } from './support/report.js'
import { holdStreams, type StreamsResult } from './support/streams.js'

interface Options {
  readonly streams: number
  /** How long a stream lasts. */
  readonly seconds: number
  readonly gapMs: number
}

/** Addresses of the upstream and of the driver: each pair has ports for some 28,000 connections. */
const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4'] as const

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

const hold = async (port: number, paths: readonly string[], pid: number, { streams, seconds, gapMs }: Options): Promise<Held> => {
  const chunks = Math.ceil((seconds * 1000) / gapMs)
  let rssOpenMiB = 0
  const before = usageOf(pid).cpuUs
  const result = await holdStreams({
    port,
    requests: paths.map((path) => requestBytes(path, true)),
    from: addresses,
    count: streams,
    chunks,
    // All have to be open before the first one ends.
    perSecond: Math.min(2500, Math.ceil((streams / seconds) * 2.5)),
    limitMs: seconds * 1000 + 60_000,
    onAllOpen: () => {
      rssOpenMiB = usageOf(pid).rssMiB
    },
  })
  const after = usageOf(pid)
  return { ...result, rssOpenMiB, peakMiB: after.peakMiB, cpuUsPerChunk: (after.cpuUs - before) / (streams * chunks) }
}

const check = (held: Held, streams: number, side: string): void => {
  if (held.peak < streams) throw new BenchFailed(`By way of ${side} only ${held.peak} of ${streams} streams were open at once.`)
}

const checkRows = async (house: House, streams: number): Promise<void> => {
  await untilStored(house, streams, 120_000)
  const [rows, complete] = await askSql(
    house,
    "SELECT count(), countIf(outcome = 'complete' AND output_tokens = 160) FROM requests",
  )
  if (rows !== streams || complete !== streams)
    throw new BenchFailed(`${streams} streams left ${rows} rows, ${complete} of them complete with their tokens.`)
}

const runAll = async (options: Options, say: (line: string) => void): Promise<Report> => {
  const { streams, seconds, gapMs } = options
  const chunks = Math.ceil((seconds * 1000) / gapMs)
  const upstream = await forkHelper('upstream', {
    BENCH_GAP_MS: String(gapMs),
    BENCH_CHUNKS: String(chunks),
    BENCH_HOSTS: String(addresses.length),
  })
  try {
    const direct = await hold(upstream.port, [chatPath], upstream.pid, options)
    check(direct, streams, 'the direct way')
    say(`direct: ${direct.errors} errors, chunk delay p99 ${direct.p99.toFixed(1)} ms`)
    return await withWeir(yamlOf(upstream), async (house) => {
      const paths = addresses.map((_, i) => `/${providerOf(i)}${chatPath}`)
      const weir = await hold(house.proxy, paths, house.pids.proxy, options)
      check(weir, streams, 'Weir')
      say(`weir: ${weir.errors} errors, chunk delay p99 ${weir.p99.toFixed(1)} ms`)
      await checkRows(house, streams)
      return {
        tables: [
          {
            title: `${streams} streams at once, ${chunks} chunks each, one in ${gapMs} ms`,
            columns: [
              '',
              'errors',
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
        targets: [noErrors(weir), atMost('proxy RSS, the most it had', weir.peakMiB, 350, ' MiB')],
      }
    })
  } finally {
    await upstream.stop()
  }
}

const rowOf = (side: string, held: Held) => [
  side,
  held.errors,
  held.peak,
  held.p50,
  held.p99,
  held.cpuUsPerChunk,
  held.rssOpenMiB,
  held.peakMiB,
]

const noErrors = ({ errors }: Held): Target => atMost('streams that broke or lost a chunk', errors, 0)

export const bench: Bench = {
  question: 'how many slow streams does the proxy hold at once, and what do they cost?',
  takes: '14 min',
  about: `
Streams of one chunk a second, all open at once, direct and by way of \`weir start\`. Chunks carry their number and the time the upstream
wrote them; each stream is checked chunk by chunk to its terminal event, and has its row at the end. The limit of open files
(ulimit -n) has to leave two for each stream and 1,000 more; with less, fewer streams are held, and that is said.`,
  flags: {
    streams: { type: 'string', value: 'n', help: 'at once (5000)' },
    seconds: { type: 'string', value: 'n', help: 'how long each lasts (30)' },
    gap: { type: 'string', value: 'ms', help: 'between two chunks (1000)' },
  },
  run(values, say) {
    const wanted = wholeNumber(values, 'streams', 5000)
    const streams = Math.min(wanted, room())
    if (streams < wanted)
      say(`The limit of open files leaves room for ${streams} streams; ${wanted} need ulimit -n ${wanted * 2 + 1000}.`)
    return runAll({ streams, seconds: wholeNumber(values, 'seconds', 30), gapMs: wholeNumber(values, 'gap', 1000) }, say)
  },
}
