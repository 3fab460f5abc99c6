import { wholeNumber } from '../cli/command.js'
import { decodeExchange, type Exchange } from '../core/exchange.js'
import { uuidv7 } from '../core/ids.js'
import { openPriceBook, type PriceBook } from '../core/prices/book.js'
import { price, type CallFacts } from '../core/prices/price.js'
import { noUsage, type Usage } from '../core/usage.js'
import { enrich } from '../ingest/enrich/enrich.js'
import { BenchFailed, type Bench } from './support/bench.js'
import { callEvents } from './support/events.js'
import { median } from './support/median.js'
import { atMost, type Report } from './support/report.js'

/** A call with the price it has to have. */
interface Call {
  readonly kind: string
  readonly usage: Usage
  readonly facts: CallFacts
  readonly totalUsd: string
}

const told = (more: Partial<Usage>): Usage => ({ ...noUsage('not_on_wire'), usageSource: 'wire', reason: null, ...more })

const factsOf = (provider: string, api: string, model: string, more: Partial<CallFacts> = {}): CallFacts => ({
  provider,
  api,
  endpoint: 'POST /v1/chat/completions',
  outcome: 'complete',
  status: 200,
  requestModel: model,
  responseModel: model,
  serverAddress: 'api.example.com:443',
  asked: {},
  attempt: 1,
  trustCost: provider === 'openrouter',
  ...more,
})

const at = new Date('2026-08-19T00:00:00Z')
const gpt5: Partial<Usage> = { inputTokens: 10_000, cacheReadTokens: 8000, outputTokens: 3000, reasoningTokens: 2500 }

/** Worked out by hand in spec and tests: two lines, three, six, a tier, a context, a region, another's figure, a miss, an error. */
const calls: readonly Call[] = [
  {
    kind: '2 lines',
    usage: told({ inputTokens: 1000, outputTokens: 100, cacheReadTokens: 0, reasoningTokens: 0 }),
    facts: factsOf('openai', 'chat', 'gpt-4o-mini-2024-07-18'),
    totalUsd: '0.00021',
  },
  { kind: '3 lines', usage: told(gpt5), facts: factsOf('openai', 'responses', 'gpt-5-2025-08-07'), totalUsd: '0.0335' },
  {
    kind: 'a tier',
    usage: told({ ...gpt5, serviceTier: 'priority' }),
    facts: factsOf('openai', 'chat', 'gpt-5'),
    totalUsd: '0.067',
  },
  {
    kind: 'a region',
    usage: told(gpt5),
    facts: factsOf('openai', 'chat', 'gpt-5', { serverAddress: 'eu.api.openai.com:443' }),
    totalUsd: '0.03685',
  },
  {
    kind: '6 lines',
    usage: told({
      inputTokens: 16_000,
      cacheReadTokens: 10_000,
      cacheWriteTokens: 5000,
      cacheWrite5mTokens: 2000,
      cacheWrite1hTokens: 3000,
      outputTokens: 500,
      extra: { web_search_requests: 3 },
    }),
    facts: factsOf('anthropic', 'messages', 'claude-sonnet-4-5-20250929'),
    totalUsd: '0.069',
  },
  {
    kind: 'a long context',
    usage: told({ inputTokens: 250_000, outputTokens: 1000, cacheReadTokens: 200_000 }),
    facts: factsOf('gemini', 'generate_content', 'gemini-2.5-pro'),
    totalUsd: '0.19',
  },
  {
    kind: 'hours',
    usage: told({ inputTokens: 495, cacheReadTokens: 384, outputTokens: 65 }),
    facts: factsOf('deepseek', 'chat', 'deepseek-v4-flash'),
    totalUsd: '0.000070008',
  },
  {
    kind: "the provider's figure",
    usage: told({ inputTokens: 8174, outputTokens: 30, extra: { web_search_requests: 1 }, providerCostUsd: '0.0133176' }),
    facts: factsOf('openrouter', 'chat', 'openai/gpt-4.1-mini'),
    totalUsd: '0.0133176',
  },
]

const others: readonly Call[] = [
  {
    kind: 'an unknown model',
    usage: told({ inputTokens: 10, outputTokens: 5 }),
    facts: factsOf('my-vllm', 'chat', 'llama'),
    totalUsd: '',
  },
  {
    kind: 'an HTTP error',
    usage: noUsage('not_applicable'),
    facts: factsOf('openai', 'chat', 'gpt-5', { status: 429 }),
    totalUsd: '0',
  },
]

const check = (book: PriceBook, { kind, usage, facts, totalUsd }: Call): void => {
  const cost = price(usage, facts, at, book)
  if ((cost.totalUsd ?? '') !== totalUsd)
    throw new BenchFailed(`${kind}: ${cost.totalUsd ?? 'unpriced'} instead of ${totalUsd} USD.`)
}

/** CPU of this process per turn, in microseconds: what else runs on the machine does not count. */
const cpuUs = (turns: number, work: (turn: number) => void): number => {
  const before = process.cpuUsage()
  for (let turn = 0; turn < turns; turn++) work(turn)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / turns
}

const priceEach = (book: PriceBook, mix: readonly Call[], turns: number): number =>
  cpuUs(turns, (turn) => {
    const { usage, facts } = mix[turn % mix.length] as Call
    price(usage, facts, at, book)
  })

const event = (startedAtMs: number): Exchange =>
  decodeExchange(Buffer.concat(callEvents(uuidv7(startedAtMs), startedAtMs).end.map((piece) => Buffer.from(piece))))

const enrichEach = (book: PriceBook, turns: number): number => {
  const events = Array.from({ length: 500 }, (_, i) => event(Date.parse('2026-08-19T00:00:00Z') + i))
  const wrong = events.find((exchange) => enrich(exchange, { source: 'bench', offset: 0 }, { book }).cost.status !== 'exact')
  if (wrong !== undefined) throw new BenchFailed('An event was not priced.')
  return cpuUs(turns, (turn) => enrich(events[turn % events.length] as Exchange, { source: 'bench', offset: turn }, { book }))
}

const runAll = (turns: number, rounds: number, say: (line: string) => void): Report => {
  const book = openPriceBook()
  for (const call of [...calls, ...others]) check(book, call)
  priceEach(book, [...calls, ...others], Math.min(turns, 50_000)) // compiled before the clock starts
  const kinds = new Map<string, number[]>()
  const note = (kind: string, us: number): void => void kinds.set(kind, [...(kinds.get(kind) ?? []), us])
  for (let round = 1; round <= rounds; round++) {
    note('mix', priceEach(book, calls, turns))
    for (const call of [...calls, ...others]) note(call.kind, priceEach(book, [call], Math.ceil(turns / 4)))
    note('enrich', enrichEach(book, Math.ceil(turns / 20)))
    say(`round ${round} of ${rounds}`)
  }
  const us = (kind: string): number => median(kinds.get(kind) ?? [])
  return {
    tables: [
      {
        title: `price() of one call, its match in memory`,
        columns: ['call', 'CPU us'],
        rows: ['mix', ...calls.map(({ kind }) => kind), ...others.map(({ kind }) => kind)].map((kind) => [kind, us(kind)]),
      },
      {
        title: 'one event through enrich: body, conversation, usage, price, row; 1 KB asked and 1 KB answered',
        columns: ['CPU us/event', 'events/s'],
        rows: [[us('enrich'), 1_000_000 / us('enrich')]],
      },
    ],
    targets: [atMost('price() of a priced call, the mix', us('mix'), 3, ' us')],
  }
}

export const bench: Bench = {
  question: 'what does it cost to price a call, and how many events a second go through enrich?',
  takes: '1 min',
  about: `
Prices calls of eight kinds in turn, each checked against its price first; then whole events through enrich, in this process and
without a store. CPU of the process is told, not time.`,
  flags: {
    calls: { type: 'string', value: 'n', help: 'priced in each leg (400000)' },
    rounds: { type: 'string', value: 'n', help: 'of which the median is told (5)' },
  },
  run: (values, say) =>
    Promise.resolve(runAll(wholeNumber(values, 'calls', 400_000, 100), wholeNumber(values, 'rounds', 5), say)),
}
