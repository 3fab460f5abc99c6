import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, type TestContext } from 'vitest'
import { bench as journal } from './journal.js'
import { bench as pricing } from './pricing.js'
import { createDelays } from './support/delays.js'
import { figure, reportText, type Report } from './support/report.js'

const quiet = (): void => undefined

test('journal: every setting gives figures', async () => {
  const { tables } = await journal.run({ seconds: '0.05', rounds: '1' }, quiet)
  expect(tables[0]?.rows.map(([durability, writers]) => `${durability} ${writers}`)).toEqual([
    'off 1',
    'off 32',
    'standard 1',
    'standard 32',
    'strict 1',
    'strict 32',
  ])
  for (const row of tables[0]?.rows ?? []) expect(row.slice(2).every((cell) => Number(cell) > 0)).toBe(true)
})

test('pricing: every kind of call has its right price, and figures', async () => {
  const { tables, targets } = await pricing.run({ calls: '1000', rounds: '1' }, quiet)
  expect(tables[0]?.rows).toHaveLength(11)
  expect(targets).toHaveLength(1)
})

test('figures are told with three digits or so', () => {
  expect([0.12345, 1.2345, 12.345, 123.45, 12345, 0, 7, Number.NaN].map(figure)).toEqual([
    '0.123',
    '1.23',
    '12.3',
    '123',
    '12,345',
    '0',
    '7',
    '-',
  ])
})

test('delays: quantiles in steps, the same as those of a sorted list', () => {
  const delays = createDelays()
  for (let ms = 1; ms <= 1000; ms++) delays.add(ms)
  expect(delays.quantile(0.5)).toBeCloseTo(500, 0)
  expect(delays.quantile(0.99)).toBeCloseTo(990, 0)
  delays.add(60_000)
  expect(delays.quantile(1)).toBeCloseTo(10_000, 0)
  expect(createDelays().quantile(0.5)).toBeNaN()
})

const main = fileURLToPath(new URL('../dist/bench/main.js', import.meta.url))

/** A bench as it is run, from dist/: a target may be missed in a second, an answer or a count must not be wrong. */
const runBench = async ({ onTestFinished }: TestContext, ...args: readonly string[]): Promise<Report> => {
  const child = spawn(process.execPath, [main, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGTERM'))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [out, said, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  expect({ code: code === 0 || code === 3, said: code === 0 || code === 3 ? '' : said }).toEqual({ code: true, said: '' })
  return JSON.parse(out) as Report
}
const measured = ({ targets }: Report, what: string): string | undefined =>
  targets.find((target) => target.what.includes(what))?.measured

describe.skipIf(!existsSync(main))('as they are run, from dist/', () => {
  test('overhead: each lane, and a verdict', async (context) => {
    const report = await runBench(
      context,
      'overhead',
      '--only',
      'json',
      '--concurrency',
      '32',
      '--seconds',
      '0.3',
      '--rounds',
      '1',
    )
    expect(report.tables[0]?.rows.map(([side]) => side)).toEqual(['direct', 'bare lane', 'weir'])
    expect(reportText(report)).toContain('<= 2.50 x')
  }, 120_000)

  test('fallback: each call that has two attempts answers as the second target does', async (context) => {
    const report = await runBench(context, 'fallback', '--seconds', '0.2', '--rounds', '1')
    expect(report.tables[0]?.rows.map(([form]) => form)).toEqual(['JSON, 1 KB', 'SSE, 50 chunks'])
    expect(reportText(report)).toContain('<= 1 ms')
  }, 120_000)

  test('sustained: a rate, and what is added at a lower one', async (context) => {
    const report = await runBench(
      context,
      'sustained',
      '--rate',
      '50',
      '--seconds',
      '1',
      '--calm-rate',
      '50',
      '--calm-seconds',
      '1',
    )
    expect(report.targets).toHaveLength(6)
  }, 120_000)

  test('sse-many: every stream whole, renewed, with its row and its body', async (context) => {
    const report = await runBench(context, 'sse-many', '--streams', '12', '--seconds', '2', '--gap', '200', '--minutes', '0.05')
    expect([measured(report, 'broke'), measured(report, 'chunks lost')]).toEqual(['0', '0'])
  }, 120_000)

  test('ingest: into a ClickHouse server', async (context) => {
    const report = await runBench(
      context,
      'ingest',
      '--engine',
      'clickhouse',
      '--events',
      '5000',
      '--rounds',
      '1',
      '--rate',
      '50',
      '--seconds',
      '1',
    )
    expect(report.tables).toHaveLength(2)
  }, 120_000)

  test('outage: ClickHouse killed and started again, everything stored', async (context) => {
    const report = await runBench(
      context,
      'outage',
      '--store',
      'clickhouse',
      '--minutes',
      '0.02',
      '--rate',
      '50',
      '--before',
      '1',
      '--warm-up',
      '1',
    )
    expect(report.targets).toHaveLength(2)
  }, 120_000)

  // They wait more than they work: side by side.
  describe.skipIf((process.env.WEIR_TEST_KAFKA ?? '') === '').concurrent('with a real Kafka (WEIR_TEST_KAFKA is set)', () => {
    test('kafka: every call has its row by way of the topic', async (context) => {
      const report = await runBench(context, 'kafka', '--rate', '50', '--seconds', '1', '--warm-up', '1')
      expect(report.tables[1]?.rows.map(([process]) => process)).toEqual(['proxy', 'hub', 'broker', 'upstream', 'load'])
    }, 300_000)

    test('idle: shares of a core', async (context) => {
      const report = await runBench(context, 'idle', '--minutes', '0.02', '--settle', '1')
      expect(report.tables[0]?.rows).toHaveLength(4)
    }, 300_000)

    test('soak: the checker finds nothing lost, double or wrong through faults', async (context) => {
      const report = await runBench(
        context,
        'soak',
        '--minutes',
        '0.15',
        '--rate',
        '30',
        '--calibrate',
        '1',
        '--every',
        '2',
        '--seed',
        '3',
      )
      expect(['lost', 'double', 'wrong'].map((what) => measured(report, what))).toEqual(['0', '0', '0'])
    }, 300_000)
  })
})
