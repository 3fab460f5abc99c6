import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Db } from '../../clickhouse/db.js'
import { openDb } from '../../clickhouse/open.js'
import { engines, lines, startOneShard, testFolder } from '../../clickhouse/testing.js'
import { openPriceBook } from '../../core/prices/book.js'
import { reprice } from '../reprice/reprice.js'
import { rollupCheck } from './rollup-check.js'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const sqlTime = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace('Z', '')
/** It is noon today, whenever the test runs: yesterday is over. */
const now = Math.floor(Date.now() / dayMs) * dayMs + 12 * hourMs
/** Noon of a day some days ago. */
const noon = (daysAgo: number): number => now - daysAgo * dayMs

let issued = 0
const call = (atMs: number, more: object = {}) => ({
  tenant_id: `t${++issued % 3}`,
  ts: sqlTime(atMs + issued),
  request_id: randomUUID(),
  retention_days: 400,
  user_id: 'ada',
  session_id: 's1',
  session_name: 'Refund',
  properties: { feature: 'search', team: 'blue' },
  provider: 'openai',
  model: 'gpt-4o-mini',
  status: 200,
  outcome: 'complete',
  attempts: [
    [1, 'a', 'openai', 'gpt-4o-mini', 500, 'overloaded', 0, 5000, null],
    [2, 'b', 'openai', 'gpt-4o-mini', 200, '', 5000, 9000, '0.000000000007'],
  ],
  total_ms: 12,
  input_tokens: 10,
  output_tokens: 3,
  cost_total: '0.000000000007',
  cost_status: 'priced',
  ...more,
})

interface Setup {
  readonly retentionDays?: number
  readonly db?: Db
  /** Where among older days the first one lies: by default at the oldest, so that one check finds none of them. */
  readonly random?: () => number
}

/** Tables spread over the shards of a cluster, of which there is one. */
const sharded = {
  name: 'shards',
  open: async (dataDir: string): Promise<Db> => {
    const server = await startOneShard(dataDir)
    onTestFinished(() => server.close())
    return await openDb({ clickhouseUrl: server.url, dataDir, clickhouse: { cluster: 'weir', replicated: false, sharded: true } })
  },
}

describe.each([...engines(), sharded])('$name', { timeout: 120_000 }, ({ name, open }) => {
  const opened = async (): Promise<Db> => {
    const db = await open(testFolder(onTestFinished))
    onTestFinished(() => db.close())
    return db
  }
  const checkOf = (db: Db, { retentionDays = 400, db: other = db, random = () => 0.999 }: Setup = {}) => {
    const rebuilt: number[] = []
    let paused = 0
    const check = rollupCheck({
      db: other,
      now: () => now,
      retentionDays: () => retentionDays,
      alone: (work) => {
        paused++
        return work(() => Promise.resolve())
      },
      onRebuilt: (month) => rebuilt.push(month),
      random,
    })
    return { check, rebuilt, paused: () => paused }
  }
  let batches = 0
  const store = (db: Db, ...rows: readonly object[]): Promise<void> => db.insert('requests', lines(...rows), `batch-${++batches}`)
  const hoursOf = (...rows: readonly { readonly ts: string }[]): number[] =>
    rows.map(({ ts }) => Math.floor(Date.parse(`${ts.replace(' ', 'T')}Z`) / hourMs))

  // Shards differ in how a month is built and put in its place; a process that was frozen is one of several, so on a server.
  const where = (fits: boolean): ((title: string, run: () => Promise<void>, timeoutMs?: number) => void) =>
    fits ? (title, run, timeoutMs) => test(title, run, timeoutMs) : () => undefined
  const onOne = where(name !== 'shards')
  const onServers = where(name !== 'embedded')
  const embedded = where(name === 'embedded')

  /** What each roll-up says of all it holds. With shards one has rows for nobody, too. */
  const told = async (db: Db) => {
    const [row] = await db.rows(
      'told',
      `SELECT (SELECT tuple(sum(n), sum(tokens), toString(sum(cost)), sum(errors)) FROM r_model_1h WHERE tenant_id != '') AS model,
         (SELECT tuple(sum(n), sum(later), toString(sum(cost))) FROM r_attempt_1h WHERE tenant_id != '') AS attempt,
         (SELECT tuple(sum(n), toString(sum(cost)), min(first_ts)) FROM r_user_1d WHERE tenant_id != '') AS user,
         (SELECT tuple(sum(n), toString(sum(cost)), anyLast(name)) FROM r_session_1d WHERE tenant_id != '') AS session,
         (SELECT tuple(sum(n), toString(sum(cost)), sum(ms)) FROM r_prop_1d WHERE tenant_id != '') AS prop,
         (SELECT quantilesTDigestMerge(0.5)(total_q) FROM r_model_1h WHERE tenant_id != '') AS p50`,
    )
    return row
  }

  onOne('what agrees is left alone, and nothing waits for it', async () => {
    const db = await opened()
    const rows = [call(noon(1)), call(noon(1)), call(noon(2) + hourMs)]
    await store(db, ...rows)
    const { check, rebuilt, paused } = checkOf(db)
    // Two hours in two roll-ups, two days in three.
    expect(await check.check()).toEqual({ spans: 10, differing: 0, rebuilt: [] })
    expect([rebuilt, paused()]).toEqual([[], 0])
    // Compared once: nothing came since.
    expect((await check.check()).spans).toBe(0)
    check.note(hoursOf(...rows.slice(0, 1)))
    expect((await check.check()).spans).toBe(5)
  })

  test('calls that were stored twice: every roll-up of the month is right again, others are not touched', async () => {
    const db = await opened()
    const rows = [call(noon(1)), call(noon(1)), call(noon(1), { session_id: '', properties: {} }), call(noon(70))]
    await store(db, ...rows)
    const old = call(noon(70))
    await store(db, old)
    await store(db, old) // not noted: nobody looks there
    const before = await told(db)
    await store(db, ...rows.slice(0, 3))
    expect(await told(db)).not.toEqual(before)

    const { check, rebuilt, paused } = checkOf(db)
    const report = await check.check()
    const month = Number(sqlTime(noon(1)).slice(0, 7).replace('-', ''))
    expect(report).toMatchObject({ differing: 5, rebuilt: [month] })
    expect([rebuilt, paused()]).toEqual([[month], 1])
    expect(await told(db)).toEqual(before)
    check.note(hoursOf(old))
    expect((await check.check()).rebuilt).toEqual([Number(old.ts.slice(0, 7).replace('-', ''))])
    // Five calls of 13 tokens and 7 pico-USD each, one of them without a session and properties.
    expect(await told(db)).toEqual({
      model: ['5', '65', '0.000000000035', '0'],
      attempt: ['10', '5', '0.000000000035'],
      user: ['5', '0.000000000035', rows[3]?.ts],
      session: ['4', '0.000000000028', 'Refund'],
      prop: ['8', '0.000000000056', '96'],
      p50: [12],
    })
    expect(await db.rows('checks', 'SELECT spans, differing, shortest_retention FROM rollup_checks ORDER BY at')).toHaveLength(2)
  })

  test('a month without sessions, properties or attempts is built anew like any other', async () => {
    const db = await opened()
    const rows = [call(noon(1), { session_id: '', properties: {}, attempts: [] })]
    await store(db, ...rows)
    const right = await told(db)
    await store(db, ...rows)
    expect((await checkOf(db).check.check()).rebuilt).toHaveLength(1)
    expect(await told(db)).toEqual(right)
  })

  onOne('calls that reached the table and not the roll-ups are counted again', async () => {
    const db = await opened()
    await store(db, call(noon(1)), call(noon(1)))
    const right = await told(db)
    await db.exec('TRUNCATE TABLE r_user_1d')
    await db.exec('TRUNCATE TABLE r_attempt_1h')
    const { check } = checkOf(db)
    expect((await check.check()).rebuilt).toHaveLength(1)
    expect(await told(db)).toEqual(right)
  })

  test('what re-pricing changed stays in the sums, once', async () => {
    const db = await opened()
    const rows = [
      call(noon(1), { cost_total: null, cost_status: 'unpriced', usage_source: 'wire', operation: 'chat', api: 'chat' }),
      call(noon(1), { cost_total: '0.01', usage_source: 'wire', operation: 'chat', api: 'chat' }),
    ]
    await store(db, ...rows)
    await reprice({
      db,
      book: openPriceBook([]),
      dataDir: join(testFolder(onTestFinished), 'data'),
      now: () => now,
      whose: null,
      scope: { from: new Date(noon(2)), to: new Date(now), model: null },
      dryRun: false,
    })
    const right = await told(db)
    const [unpriced] = await db.rows('unpriced', 'SELECT toString(sum(unpriced)) AS n FROM r_model_1h')
    expect(unpriced).toEqual({ n: '0' })
    const { check } = checkOf(db)
    expect((await check.check()).differing).toBe(0)
    await store(db, ...rows)
    check.note(hoursOf(...rows))
    expect((await check.check()).differing).toBe(5)
    expect(await told(db)).toEqual(right)
    expect(await db.rows('unpriced', 'SELECT toString(sum(unpriced)) AS n FROM r_model_1h')).toEqual([{ n: '0' }])
  })

  embedded('all that is kept comes up, a day with calls at a time, and again', async () => {
    const db = await opened()
    const days = [3, 40, 41, 398]
    const rows = days.flatMap((ago) => [call(noon(ago)), call(noon(ago) + hourMs)])
    await store(db, ...rows)
    const right = await told(db)
    const { check, rebuilt } = checkOf(db, { random: () => 0 })
    // Two hours in two roll-ups, a day in three.
    const spans = async () => (await check.check()).spans
    for (const _ of days) expect(await spans()).toBe(7)
    expect([await spans(), await spans()]).toEqual([0, 7])
    // Of a day that came up a while ago.
    await store(db, ...rows.slice(2, 4))
    expect(await told(db)).not.toEqual(right)
    await check.check()
    expect(rebuilt).toHaveLength(1)
    expect(await told(db)).toEqual(right)
  })

  onServers(
    'a batch that comes in while a month is built anew, from a process that was frozen: it is built once more',
    async () => {
      const db = await opened()
      const rows = [call(noon(1)), call(noon(1))]
      await store(db, ...rows)
      await store(db, ...rows)
      const late = [call(noon(1)), call(noon(1) + hourMs)]
      /** With the old month; and of a batch that the new one has seen already, the part that comes into the roll-up behind it. */
      const ways = [
        { before: () => store(db, ...late), after: () => Promise.resolve() },
        {
          before: () => Promise.resolve(),
          after: () => db.exec('INSERT INTO r_user_1d (tenant_id, day, n) SELECT tenant_id, day, 1 FROM r_user_1d LIMIT 1'),
        },
      ]
      for (const { before, after } of ways) {
        await store(db, ...rows)
        let still = true
        const meanwhile: Db = {
          ...db,
          exec: async (sql) => {
            const now = still && /ALTER TABLE r_user_1d(_local)? .*REPLACE PARTITION/.test(sql)
            if (now) {
              still = false
              await before()
            }
            await db.exec(sql)
            if (now) await after()
          },
        }
        const { check } = checkOf(db, { db: meanwhile })
        check.note(hoursOf(...rows))
        expect((await check.check()).rebuilt).toHaveLength(1)
        expect(still).toBe(false)
      }
      const once = await db.rows(
        'once',
        'SELECT toString(uniqExact(request_id)) AS n FROM requests WHERE ts > now() - INTERVAL 30 DAY',
      )
      expect(once).toEqual([{ n: '4' }])
      expect(await db.rows('sums', 'SELECT toString(sum(n)) AS n FROM r_user_1d WHERE day > today() - 30')).toEqual(once)
      expect(await db.rows('sums', 'SELECT toString(sum(n)) AS n FROM r_model_1h WHERE hour > now() - INTERVAL 30 DAY')).toEqual(
        once,
      )
    },
  )

  onServers('while calls are stored without an end, the old month stands and the next check tries again', async () => {
    const db = await opened()
    const rows = [call(noon(1)), call(noon(1))]
    await store(db, ...rows)
    await store(db, ...rows)
    const restless: Db = {
      ...db,
      exec: async (sql) => {
        if (sql.includes('REPLACE PARTITION')) await store(db, call(noon(1)))
        await db.exec(sql)
      },
    }
    await expect(checkOf(db, { db: restless }).check.check()).rejects.toThrow('could not be built anew')
    await checkOf(db).check.check()
    const once = await db.rows('once', 'SELECT toString(uniqExact(request_id)) AS n FROM requests')
    expect(await db.rows('sums', 'SELECT toString(sum(n)) AS n FROM r_user_1d')).toEqual(once)
  })

  onOne('days that retention or a deletion took calls from keep their sums', async () => {
    const db = await opened()
    await store(db, call(noon(1)), call(noon(1)), call(noon(3)))
    const { check } = checkOf(db, { retentionDays: 7 })
    check.note(hoursOf(call(noon(3)), call(noon(20))))
    expect((await check.check()).spans).toBe(10)
    await db.exec(`ALTER TABLE requests DELETE WHERE ts < toDateTime(${noon(2) / 1000}) SETTINGS mutations_sync = 1`)
    const kept = await told(db)
    check.note(hoursOf(call(noon(1)), call(noon(3))))
    expect(await check.check()).toEqual({ spans: 0, differing: 0, rebuilt: [] })
    expect(await told(db)).toEqual(kept)
  })

  onOne('with a retention of a day in the last month only what is younger is compared', async () => {
    const db = await opened()
    const { check } = checkOf(db, { retentionDays: 1 })
    await check.check()
    const later = checkOf(db)
    later.check.note(hoursOf(call(noon(1)), call(noon(2))))
    expect((await later.check.check()).spans).toBe(0)
  })

  onOne('an hour that is not over is left for the next time', async () => {
    const db = await opened()
    const row = call(now - 1000)
    await store(db, row)
    const { check } = checkOf(db)
    expect((await check.check()).spans).toBe(0)
  })

  onOne('killed before the new month took the place of the old one: nothing is lost, the next check mends it', async () => {
    const db = await opened()
    const rows = [call(noon(1)), call(noon(1))]
    await store(db, ...rows)
    const right = await told(db)
    await store(db, ...rows)
    const doubled = await told(db)
    const dying: Db = {
      ...db,
      exec: (sql) => (sql.includes('REPLACE PARTITION') ? Promise.reject(new Error('killed')) : db.exec(sql)),
    }
    const { check, rebuilt } = checkOf(db, { db: dying })
    await expect(check.check()).rejects.toThrow('killed')
    expect([await told(db), rebuilt]).toEqual([doubled, []])
    expect((await checkOf(db).check.check()).rebuilt).toHaveLength(1)
    expect(await told(db)).toEqual(right)
  })
})
