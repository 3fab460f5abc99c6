import { join } from 'node:path'
import { openDb } from '../clickhouse/open.js'
import { loadConfig, type Config } from '../core/config.js'
import { ownerOf } from '../core/folder-lock.js'
import { openPriceBook } from '../core/prices/book.js'
import { trustsCostBy } from '../ingest/enrich/trusts-cost.js'
import { reprice, type RepriceReport } from '../ingest/reprice/reprice.js'
import type { RepriceJob } from '../web/api/contract.js'
import type { Command, Values } from './command.js'
import { UsageError } from './command.js'
import { urlOf } from './listen.js'
import { sentenceOf } from './start-error.js'
import { timeFlag } from './time-flag.js'

interface Ask {
  readonly from: Date
  readonly to: Date
  readonly model: string | null
}

/** Does it once, wherever the store is open. */
type Run = (ask: Ask, dryRun: boolean, tell: (report: RepriceReport) => void) => Promise<RepriceReport>

const askOf = (values: Values): Ask => {
  const ask = {
    from: timeFlag(values, 'from'),
    to: timeFlag(values, 'to'),
    model: typeof values.model === 'string' ? values.model : null,
  }
  if (ask.from >= ask.to) throw new UsageError('--from must lie before --to, which is exclusive.')
  return ask
}

/** The store is open in this process: nothing else runs on it, or it is a server. */
const here =
  (config: Config): Run =>
  async (ask, dryRun, tell) => {
    const db = await openDb(config)
    try {
      return await reprice({
        db,
        whose: null,
        book: openPriceBook(config.prices),
        trustsCost: trustsCostBy(config),
        dataDir: config.dataDir,
        now: Date.now,
        scope: ask,
        dryRun,
        onProgress: tell,
      })
    } finally {
      await db.close()
    }
  }

const pollMs = 250

/** The running hub owns the store, and does it. */
const atHub =
  (url: string, adminSecret: string | null): Run =>
  async ({ from, to, model }, dryRun, tell) => {
    const ask = async (path: string, body: object | null): Promise<RepriceJob> => {
      const answer = await fetch(`${url}/api/reprice${path}`, {
        method: body === null ? 'GET' : 'POST',
        headers: {
          'content-type': 'application/json',
          ...(adminSecret === null ? {} : { authorization: `Bearer ${adminSecret}` }),
        },
        ...(body === null ? {} : { body: JSON.stringify(body) }),
      })
      const told = (await answer.json()) as RepriceJob & { detail?: string; advice?: string }
      if (!answer.ok) throw new Error(`${told.detail ?? `The hub answered ${answer.status}.`} ${told.advice ?? ''}`.trim())
      return told
    }
    const begun = { from: from.toISOString(), to: to.toISOString(), dryRun, ...(model === null ? {} : { model }) }
    let job = await ask('', begun)
    while (job.state === 'running') {
      tell(job)
      await new Promise((resolve) => setTimeout(resolve, pollMs))
      job = await ask(`/${job.id}`, null)
    }
    if (job.state !== 'done') throw new Error(job.error ?? 'The re-pricing was stopped.')
    return job
  }

const runFor = async (config: Config): Promise<Run> => {
  const owner = await ownerOf(join(config.dataDir, 'journal', 'consumer')).catch(() => null)
  if (owner === null) return here(config)
  if (config.webPort === 0)
    throw new Error(
      `The store is open in process ${owner.pid}, whose port is not known: set WEIR_WEB_PORT to the port it answers on.`,
    )
  return atHub(urlOf(config.host, config.webPort), config.adminSecret)
}

const progressLine =
  (label: string) =>
  ({ calls, total, changed }: RepriceReport): void => {
    if (!process.stderr.isTTY) return
    const share = total === 0 ? 100 : Math.floor((calls / total) * 100)
    process.stderr.write(`\r\u001b[K${label}: ${calls} of ${total} calls (${share} %), ${changed} differ`)
  }

const row = (cells: readonly string[], widths: readonly number[]): string =>
  `${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ')}\n`

const mostLines = 40

const table = (report: RepriceReport): string => {
  const differing = report.models.filter(({ changed }) => changed > 0)
  if (differing.length === 0) return `Nothing differs: all ${report.calls} calls cost by ${report.priceId} what they do now.\n`
  const heads = ['provider/model', 'calls', 'differ', 'before USD', 'after USD', 'difference', 'unpriced']
  const lines = differing
    .slice(0, mostLines)
    .map((found) => [
      `${found.provider}/${found.model}`,
      String(found.calls),
      String(found.changed),
      found.beforeUsd,
      found.afterUsd,
      found.differenceUsd,
      found.unpricedBefore === found.unpricedAfter
        ? String(found.unpricedAfter)
        : `${found.unpricedBefore} -> ${found.unpricedAfter}`,
    ])
  const widths = heads.map((head, i) => Math.max(head.length, ...lines.map((line) => line[i]?.length ?? 0)))
  const more = differing.length > mostLines ? `... and ${differing.length - mostLines} more models\n` : ''
  return `${row(heads, widths)}${lines.map((line) => row(line, widths)).join('')}${more}\nIn all: ${report.changed} of ${report.calls} calls, ${report.differenceUsd} USD, by ${report.priceId}.\n`
}

const endProgress = (): void => {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
}

export const command: Command = {
  summary: 'price stored calls again, with the prices of now',
  about: `
Calls that were unpriced, or booked by prices that were wrong, get the cost they have by the price book in force: base, overlay and
the prices of weir.yaml, each call at the time it was made. Prints the difference first, by model, then writes it. Rows keep what was
booked; the difference is written as adjustments, which sums, pages and the view request_costs include.

It may be interrupted and begun again: no difference is written twice. Works on the running Weir, or on its stopped store.

  weir reprice --from 2026-11-01 --to 2026-12-01 --dry-run
  weir reprice --from 2026-11-01 --to 2026-12-01 --model my-model`,
  flags: {
    from: { type: 'string', value: 'time', help: 'first moment, UTC: 2026-11-01 or 2026-11-01T08:00:00Z' },
    to: { type: 'string', value: 'time', help: 'first moment that is not meant' },
    model: { type: 'string', value: 'name', help: 'only calls of this model, as it stands on the rows' },
    'dry-run': { type: 'boolean', help: 'print the difference, write nothing' },
    json: { type: 'boolean', help: 'the report as one JSON document' },
  },
  async run(values) {
    const ask = askOf(values)
    const config = loadConfig(process.env, process.cwd())
    const dryRun = values['dry-run'] === true
    const json = values.json === true
    try {
      const run = await runFor(config)
      const difference = await run(ask, true, progressLine('Comparing'))
      endProgress()
      if (!json) process.stdout.write(table(difference))
      if (dryRun || difference.changed === 0) {
        if (json) process.stdout.write(`${JSON.stringify(difference, null, 2)}\n`)
        return 0
      }
      const written = await run(ask, false, progressLine('Writing'))
      endProgress()
      process.stdout.write(
        json
          ? `${JSON.stringify(written, null, 2)}\n`
          : `Written: ${written.changed} ${written.changed === 1 ? 'adjustment' : 'adjustments'}.\n`,
      )
      return 0
    } catch (cause) {
      endProgress()
      process.stderr.write(`${sentenceOf(cause)}\n`)
      return 1
    }
  },
}
