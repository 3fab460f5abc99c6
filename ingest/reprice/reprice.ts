import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Db } from '../../clickhouse/db.js'
import {
  callsToReprice,
  countCalls,
  tenantsIn,
  type BookedCall,
  type CallPlace,
  type RepriceScope,
} from '../../clickhouse/queries/calls-to-reprice.js'
import { acquireFolderLock, FolderOwnedError } from '../../core/folder-lock.js'
import type { PriceBook } from '../../core/prices/book.js'
import type { Cost } from '../../core/prices/cost.js'
import { picoOf, usdOf } from '../../core/prices/money.js'
import type { TenantId } from '../../core/tenant.js'
import { trustsCostByDefault, type TrustsCost } from '../enrich/trusts-cost.js'
import { plannedChunk } from './planned-chunk.js'
import { priceAgain } from './price-again.js'

/** What a re-pricing changes for one model. Amounts are exact decimal USD; what is unpriced counts as nothing in them. */
export interface ModelDifference {
  readonly provider: string
  readonly model: string
  readonly calls: number
  readonly changed: number
  readonly beforeUsd: string
  readonly afterUsd: string
  readonly differenceUsd: string
  readonly unpricedBefore: number
  readonly unpricedAfter: number
}

export interface RepriceReport {
  readonly priceId: string
  /** Looked at so far, of `total`. */
  readonly calls: number
  readonly total: number
  readonly changed: number
  readonly differenceUsd: string
  /** Largest difference first. */
  readonly models: readonly ModelDifference[]
}

export interface RepriceOptions {
  readonly db: Db
  /** Whose calls; `null` = every tenant's, which is the operator's chore. */
  readonly whose: TenantId | null
  readonly book: PriceBook
  /** Default: as of the built-in providers. */
  readonly trustsCost?: TrustsCost
  /** `WEIR_DATA` */
  readonly dataDir: string
  readonly now: () => number
  readonly scope: RepriceScope
  /** Nothing is written. */
  readonly dryRun: boolean
  readonly onProgress?: (report: RepriceReport) => void
  /** Stops between two chunks; what is written stays, and a later run goes on from there. */
  readonly signal?: AbortSignal
}

const chunkCalls = 5000

const stateDir = (dataDir: string): string => join(dataDir, 'state', 'reprice')

const pico = (usd: string | null): bigint => (usd === null ? 0n : (picoOf(usd) ?? 0n))
const sqlTime = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace('Z', '')

/** The difference goes to the attempt whose answer was billed: the last one. */
const attemptsOf = (call: BookedCall, delta: string): readonly unknown[] => {
  const last = call.attempts.at(-1)
  return last === undefined ? [] : [[last.target, last.provider, last.model, last.error_kind, delta]]
}

interface Change {
  readonly call: BookedCall
  readonly cost: Cost
  readonly delta: bigint
}

/** @returns `null` when the call costs what it did. */
const changeOf = (call: BookedCall, book: PriceBook, trustsCost: TrustsCost): Change | null => {
  const cost = priceAgain(call, book, trustsCost)
  if (cost === null) return null
  const delta = pico(cost.totalUsd) - pico(call.costUsd)
  const sameNull = (cost.totalUsd === null) === (call.costUsd === null)
  return delta === 0n && sameNull ? null : { call, cost, delta }
}

const lineOf = (tenant: TenantId, { call, cost, delta }: Change, at: number): string =>
  JSON.stringify({
    tenant_id: tenant,
    ts: sqlTime(Number(call.atMs)),
    request_id: call.id,
    delta: usdOf(delta),
    cost_status: cost.status,
    price_id: cost.priceId,
    at: sqlTime(at),
    unpriced_delta: (cost.status === 'unpriced' ? 1 : 0) - (call.costStatus === 'unpriced' ? 1 : 0),
    provider: call.provider,
    model: call.model,
    outcome: call.outcome,
    error_kind: call.errorKind,
    user_id: call.userId,
    key_id: call.keyId,
    session_id: call.sessionId,
    session_name: call.sessionName,
    properties: call.properties,
    attempts: attemptsOf(call, usdOf(delta)),
  })

interface Tally {
  calls: number
  changed: number
  before: bigint
  after: bigint
  unpricedBefore: number
  unpricedAfter: number
  readonly provider: string
  readonly model: string
}

class Differences {
  calls = 0
  changed = 0
  readonly #models = new Map<string, Tally>()

  add(call: BookedCall, change: Change | null): void {
    const key = `${call.provider} ${call.model}`
    let tally = this.#models.get(key)
    if (tally === undefined) {
      const { provider, model } = call
      tally = { provider, model, calls: 0, changed: 0, before: 0n, after: 0n, unpricedBefore: 0, unpricedAfter: 0 }
      this.#models.set(key, tally)
    }
    const status = change === null ? call.costStatus : change.cost.status
    this.calls++
    tally.calls++
    tally.before += pico(call.costUsd)
    tally.after += pico(call.costUsd) + (change?.delta ?? 0n)
    if (call.costStatus === 'unpriced') tally.unpricedBefore++
    if (status === 'unpriced') tally.unpricedAfter++
    if (change === null) return
    this.changed++
    tally.changed++
  }

  report(priceId: string, total: number): RepriceReport {
    const size = (tally: Tally): bigint => {
      const difference = tally.after - tally.before
      return difference < 0n ? -difference : difference
    }
    const tallies = [...this.#models.values()].sort((a, b) =>
      size(a) > size(b) ? -1 : size(a) < size(b) ? 1 : b.calls - a.calls,
    )
    return {
      priceId,
      calls: this.calls,
      total: Math.max(total, this.calls),
      changed: this.changed,
      differenceUsd: usdOf(tallies.reduce((sum, { before, after }) => sum + after - before, 0n)),
      models: tallies.map(({ provider, model, calls, changed, before, after, unpricedBefore, unpricedAfter }) => ({
        provider,
        model,
        calls,
        changed,
        beforeUsd: usdOf(before),
        afterUsd: usdOf(after),
        differenceUsd: usdOf(after - before),
        unpricedBefore,
        unpricedAfter,
      })),
    }
  }
}

/** Inserts the chunk that was left behind. The caller holds the lock. */
const insertPlanned = async (db: Db, planned: ReturnType<typeof plannedChunk>): Promise<boolean> => {
  const chunk = await planned.read()
  if (chunk === null) return false
  await db.insert('repriced', Buffer.from(chunk.lines), chunk.token)
  await planned.remove()
  return true
}

/**
 * Finishes what an interrupted run had begun to write: half of it may be in the sums already. For every start of ingest; one that
 * starts while a run is under way leaves the chunk to that run.
 *
 * @returns Whether there was anything.
 */
export const finishReprice = async (db: Db, dataDir: string): Promise<boolean> => {
  const dir = stateDir(dataDir)
  const planned = plannedChunk(dir)
  if ((await planned.read()) === null) return false
  try {
    const lock = await acquireFolderLock(dir)
    try {
      return await insertPlanned(db, planned)
    } finally {
      await lock.release()
    }
  } catch (cause) {
    if (cause instanceof FolderOwnedError) return false
    throw cause
  }
}

/**
 * Runs work on the roll-ups while no re-pricing of this data folder writes into them; what an interrupted one had begun is finished first.
 *
 * @throws FolderOwnedError while a run is under way.
 */
export const whileNoneReprices = async <T>(db: Db, dataDir: string, work: () => Promise<T>): Promise<T> => {
  const dir = stateDir(dataDir)
  const lock = await acquireFolderLock(dir)
  try {
    await insertPlanned(db, plannedChunk(dir))
    return await work()
  } finally {
    await lock.release()
  }
}

/**
 * Prices stored calls again, each at the time it was made, and writes what changes as adjustments, never into the rows: `requests`
 * keeps what was booked, sums and pages show the costs of now.
 *
 * Each change is written once, however often the run is killed and begun again: a chunk lies on disk before it is inserted, under a
 * token, into the adjustments and every roll-up at once; a call that costs by the book what it costs now is no change.
 *
 * @throws FolderOwnedError while another run writes. DbError when the store does not answer: what is written stays.
 */
export const reprice = async (options: RepriceOptions): Promise<RepriceReport> => {
  const {
    db,
    whose,
    book,
    dataDir,
    now,
    scope,
    dryRun,
    onProgress = () => undefined,
    signal,
    trustsCost = trustsCostByDefault,
  } = options
  const dir = stateDir(dataDir)
  const planned = plannedChunk(dir)
  const lock = dryRun ? null : await acquireFolderLock(dir)
  try {
    if (!dryRun) await insertPlanned(db, planned)
    const tenants = whose === null ? await tenantsIn(db, scope) : [whose]
    let total = 0
    for (const tenant of tenants) total += await countCalls(db, tenant, scope)
    const differences = new Differences()
    onProgress(differences.report(book.id, total))
    for (const tenant of tenants) {
      let after: CallPlace | null = null
      for (;;) {
        signal?.throwIfAborted()
        const calls: readonly BookedCall[] = await callsToReprice(db, tenant, scope, after, chunkCalls)
        const last = calls.at(-1)
        if (last === undefined) break
        after = { atMs: Number(last.atMs), id: last.id }
        const changes: Change[] = []
        for (const call of calls) {
          const change = changeOf(call, book, trustsCost)
          differences.add(call, change)
          if (change !== null) changes.push(change)
        }
        if (!dryRun && changes.length > 0) {
          const at = now()
          const lines = changes.map((change) => `${lineOf(tenant, change, at)}\n`).join('')
          const token = `reprice:${createHash('sha256').update(lines).digest('hex')}`
          await planned.write({ token, lines })
          await db.insert('repriced', Buffer.from(lines), token)
          await planned.remove()
        }
        onProgress(differences.report(book.id, total))
        if (calls.length < chunkCalls) break
      }
    }
    return differences.report(book.id, total)
  } finally {
    await lock?.release()
  }
}
