import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Db } from '../../clickhouse/db.js'
import { overviewFigures } from '../../clickhouse/queries/overview-figures.js'
import { requestById } from '../../clickhouse/queries/request-by-id.js'
import { requestsPage } from '../../clickhouse/queries/requests-page.js'
import { requestsTotal } from '../../clickhouse/queries/requests-total.js'
import { rollups, scopeOf } from '../../clickhouse/queries/scope.js'
import { topSpenders } from '../../clickhouse/queries/top-spenders.js'
import { engines, lines, testFolder } from '../../clickhouse/testing.js'
import { acquireFolderLock } from '../../core/folder-lock.js'
import { openPriceBook } from '../../core/prices/book.js'
import { tenantId, type TenantId } from '../../core/tenant.js'
import { plannedChunk } from './planned-chunk.js'
import { finishReprice, reprice } from './reprice.js'

const book = openPriceBook()
const day = { from: new Date('2026-08-19T00:00:00Z'), to: new Date('2026-08-20T00:00:00Z') }

let serial = 0
const call = (tenant: string, more: object = {}) => ({
  tenant_id: tenant,
  ts: '2026-08-19 10:00:00.000',
  request_id: `01890a5d-ac96-774b-bcce-${String(++serial).padStart(12, '0')}`,
  retention_days: 400,
  user_id: 'ada',
  session_id: 's1',
  session_name: 'Refund',
  properties: { feature: 'search' },
  provider: 'openai',
  api: 'chat',
  endpoint: 'POST /v1/chat/completions',
  request_model: 'gpt-4o-mini',
  response_model: 'gpt-4o-mini-2024-07-18',
  model: 'gpt-4o-mini-2024-07-18',
  status: 200,
  outcome: 'complete',
  attempts: [[1, 'openai/gpt-4o-mini', 'openai', 'gpt-4o-mini', 200, '', 0, 5000, '0.001']],
  input_tokens: 1000,
  output_tokens: 100,
  usage_source: 'wire',
  cost_total: '0.001',
  cost_status: 'exact',
  price_id: 'older',
  ...more,
})

/** gpt-4o-mini: 1,000 x 0.15 + 100 x 0.60 USD a million. */
const right = '0.00021'

const opened = async (open: (dataDir: string) => Promise<Db>): Promise<{ db: Db; dataDir: string }> => {
  const dataDir = testFolder(onTestFinished)
  const db = await open(dataDir)
  onTestFinished(() => db.close())
  return { db, dataDir }
}

describe.each(engines())('$name', ({ open }) => {
  const run = (db: Db, dataDir: string, more: { whose?: TenantId; dryRun?: boolean; model?: string } = {}) =>
    reprice({
      db,
      whose: more.whose ?? null,
      book,
      dataDir,
      now: Date.now,
      scope: { ...day, model: more.model ?? null },
      dryRun: more.dryRun ?? false,
    })

  test('a booked price that was wrong is put right in rows, sums, roll-ups and by user, session and property, once', async () => {
    const { db, dataDir } = await opened(open)
    const name = `t${randomUUID().slice(0, 8)}`
    const tenant = tenantId(name)
    const unknown = { cost_total: null, cost_status: 'unpriced', cost_reason: 'unknown_model', price_id: 'older' }
    const booked = [
      call(name),
      call(name, unknown),
      call(name, { cost_total: right }),
      call(name, { cost_status: 'not_billable', status: 500, cost_total: '0' }),
    ]
    await db.insert('requests', lines(...booked), randomUUID())

    const dry = await run(db, dataDir, { dryRun: true })
    const mine = dry.models.find(({ model }) => model === 'gpt-4o-mini-2024-07-18')
    // Two calls change: 0.001 -> 0.00021 and unpriced -> 0.00021; in sum 0.00021 + 0.00021 - 0.001.
    expect(mine).toMatchObject({ calls: 4, changed: 2, differenceUsd: '-0.00058', unpricedBefore: 1, unpricedAfter: 0 })
    expect(
      await db.rows('n', 'SELECT toString(count()) AS n FROM cost_adjustments WHERE tenant_id = {t:String}', { t: name }),
    ).toEqual([{ n: '0' }])

    for (let times = 0; times < 2; times++) await run(db, dataDir)
    const scope = scopeOf({ period: day, filter: null, search: '' }, rollups.model)
    expect(scope.source).toBe('rows')
    expect(await overviewFigures(db, tenant, scope)).toMatchObject({ requests: 4, costUsd: '0.00063', unpriced: 0 })
    expect(await requestsTotal(db, tenant, scope)).toEqual({ requests: 4, costUsd: '0.00063', unpriced: 0 })
    // The same from the roll-ups: whole days.
    const rolled = scopeOf(
      { period: { from: new Date('2026-08-18T00:00:00Z'), to: day.to }, filter: null, search: '' },
      rollups.model,
    )
    expect(rolled.source).toBe('hours')
    expect(await overviewFigures(db, tenant, rolled)).toMatchObject({ requests: 4, costUsd: '0.00063', unpriced: 0 })
    for (const kind of ['user', 'session', 'property'] as const) {
      const asked = { period: { from: new Date('2026-08-18T00:00:00Z'), to: day.to }, filter: null, search: '' }
      const [top] = await topSpenders(db, tenant, { scope: scopeOf(asked, rollups[kind]), kind, property: 'feature', limit: 5 })
      expect(top, kind).toMatchObject({ costUsd: '0.00063', requests: 4, unpriced: 0 })
    }
    const page = await requestsPage(db, tenant, { scope, sort: 'at', direction: 'down', after: null, limit: 10 })
    expect(page.rows.map(({ costUsd, costStatus, costReason }) => [costUsd, costStatus, costReason]).sort()).toEqual([
      ['0', 'not_billable', ''],
      [right, 'exact', ''],
      [right, 'exact', 'repriced'],
      [right, 'exact', 'repriced'],
    ])
    const second = booked[1] as { request_id: string }
    expect(await requestById(db, tenant, second.request_id)).toMatchObject({
      costUsd: right,
      costStatus: 'exact',
      priceId: book.id,
    })
    // What was booked stays, and the view tells both.
    expect(
      await db.rows(
        'view',
        'SELECT toString(cost_booked) AS booked, toString(cost_total) AS now FROM request_costs WHERE tenant_id = {t:String} ORDER BY booked, now',
        { t: name },
      ),
    ).toEqual([
      { booked: '0', now: '0' },
      { booked: right, now: right },
      { booked: '0.001', now: right },
      { booked: null, now: right },
    ])
    expect(
      await db.rows(
        'a',
        'SELECT toString(sum(cost)) AS usd, toString(sum(n)) AS n FROM r_attempt_1h WHERE tenant_id = {t:String}',
        { t: name },
      ),
    ).toEqual([{ usd: '0.00342', n: '4' }]) // 4 x 0.001 booked, less 0.00079, more 0.00021
  })

  test('an attempt that was given up costs what was booked for it', async () => {
    const { db, dataDir } = await opened(open)
    const name = `t${randomUUID().slice(0, 8)}`
    const attempts = [
      [1, 'openai/gpt-4o', 'openai', 'gpt-4o', 0, 'timeout_ttft', 0, 5000, '0.0025'],
      [2, 'openai/gpt-4o-mini', 'openai', 'gpt-4o-mini', 200, '', 5000, 9000, '0.001'],
    ]
    const booked = [
      call(name, { attempts, cost_total: '0.0035', cost_status: 'estimated' }),
      call(name, { attempts, cost_total: '0.00271', cost_status: 'estimated' }),
    ]
    await db.insert('requests', lines(...booked), randomUUID())
    await run(db, dataDir)
    // 0.0025 + 0.00021; the second one was right.
    expect(
      await db.rows('view', 'SELECT toString(cost_total) AS now FROM request_costs WHERE tenant_id = {t:String}', { t: name }),
    ).toEqual([{ now: '0.00271' }, { now: '0.00271' }])
  })

  test('killed between any two writes, it is taken up again and every difference is written once', async () => {
    const { db, dataDir } = await opened(open)
    const name = `t${randomUUID().slice(0, 8)}`
    await db.insert('requests', lines(...Array.from({ length: 30 }, () => call(name))), randomUUID())
    const planned = plannedChunk(`${dataDir}/state/reprice`)
    let inserted = false
    // It dies with the insert done and the plan still on disk, then with the plan written and the insert not done.
    const dying: Db = {
      ...db,
      insert: async (table, chunk, token) => {
        if (!inserted) await db.insert(table, chunk, token)
        inserted = true
        throw new Error('killed')
      },
    }
    await expect(run(dying, dataDir)).rejects.toThrow('killed')
    const left = await planned.read()
    expect(left?.lines.trim().split('\n')).toHaveLength(30)
    // A start of ingest while a run is under way leaves the chunk to the run.
    const running = await acquireFolderLock(`${dataDir}/state/reprice`)
    expect(await finishReprice(db, dataDir)).toBe(false)
    await running.release()
    expect(await finishReprice(db, dataDir)).toBe(true)
    expect(await finishReprice(db, dataDir)).toBe(false)
    await run(db, dataDir)
    const scope = scopeOf({ period: day, filter: null, search: '' }, rollups.model)
    expect(await requestsTotal(db, tenantId(name), scope)).toMatchObject({ requests: 30, costUsd: '0.0063' })
    expect(
      await db.rows(
        'n',
        'SELECT toString(count()) AS n, toString(sum(delta)) AS d FROM cost_adjustments WHERE tenant_id = {t:String}',
        { t: name },
      ),
    ).toEqual([{ n: '30', d: '-0.0237' }]) // 30 x (0.00021 - 0.001)
    expect(
      await db.rows('r', 'SELECT toString(sum(cost)) AS c FROM r_model_1h WHERE tenant_id = {t:String}', { t: name }),
    ).toEqual([{ c: '0.0063' }])
  })

  test('more calls than a chunk, one model of two, another day: only what was asked for', async () => {
    const { db, dataDir } = await opened(open)
    const name = `t${randomUUID().slice(0, 8)}`
    const many = Array.from({ length: 5200 }, (_, n) =>
      call(name, { ts: `2026-08-19 10:00:${String(n % 60).padStart(2, '0')}.${String(n % 7).padStart(3, '0')}` }),
    )
    const others = [call(name, { model: 'gpt-4o', response_model: 'gpt-4o' }), call(name, { ts: '2026-08-20 00:00:00.000' })]
    await db.insert('requests', lines(...many, ...others), randomUUID())
    const seen: number[] = []
    const report = await reprice({
      db,
      whose: null,
      book,
      dataDir,
      now: Date.now,
      scope: { ...day, model: 'gpt-4o-mini-2024-07-18' },
      dryRun: false,
      onProgress: ({ calls }) => seen.push(calls),
    })
    expect(report).toMatchObject({ calls: 5200, changed: 5200, total: 5200 })
    expect(seen).toEqual([0, 5000, 5200])
    expect(
      await db.rows(
        'n',
        'SELECT toString(uniqExact(request_id)) AS n, toString(count()) AS all FROM cost_adjustments WHERE tenant_id = {t:String}',
        {
          t: name,
        },
      ),
    ).toEqual([{ n: '5200', all: '5200' }])
  })

  test('of one tenant alone: nobody else is looked at, or charged otherwise', async () => {
    const { db, dataDir } = await opened(open)
    const [mine, theirs] = ['mine', 'theirs'].map((name) => tenantId(`${name}${randomUUID().slice(0, 8)}`)) as [
      TenantId,
      TenantId,
    ]
    await db.insert('requests', lines(call(mine), call(theirs)), randomUUID())
    expect(await run(db, dataDir, { whose: mine })).toMatchObject({ calls: 1, changed: 1, total: 1 })
    const adjusted = 'SELECT toString(tenant_id) AS tenant FROM cost_adjustments WHERE tenant_id IN {both:Array(String)}'
    expect(await db.rows('adjusted', adjusted, { both: [mine, theirs] })).toEqual([{ tenant: mine }])
  })
})
