import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openEmbedded } from './engine/embedded.js'
import { migrate, ownMigrations } from './migrate.js'
import { openDb } from './open.js'
import { lines, testFolder } from './testing.js'

// A data folder of every older version opens with this one (docs/operations.md): rows and sums are what they were.

const calls = Array.from({ length: 30 }, (_, n) => ({
  tenant_id: n % 3 === 0 ? 'acme' : 'default',
  ts: `2026-11-${String(1 + (n % 4)).padStart(2, '0')} 10:00:00.000`,
  request_id: randomUUID(),
  source: 'writer-a',
  source_offset: String(n),
  retention_days: 20_000,
  user_id: `user-${n % 4}`,
  session_id: `session-${n % 6}`,
  properties: { feature: `f${n % 2}` },
  provider: 'openai',
  model: 'gpt-5-mini',
  outcome: 'complete',
  attempts: [[1, 'openai', 'openai', 'gpt-5-mini', 200, '', 0, 900, '0.000000000007']],
  cost_total: '0.000000000007',
  cost_status: 'exact',
}))
const bodies = calls.map(({ tenant_id, ts, request_id, retention_days }) => ({
  tenant_id,
  ts,
  request_id,
  retention_days,
  request_body: `question ${request_id}`,
}))

const questions = {
  rows: `SELECT toString(request_id) AS id, tenant_id, user_id, cost_total, properties FROM requests ORDER BY id`,
  bodies: `SELECT toString(request_id) AS id, request_body FROM request_bodies ORDER BY id`,
  models: `SELECT tenant_id, sum(n) AS calls, sum(cost) AS usd FROM r_model_1h GROUP BY tenant_id ORDER BY tenant_id`,
  attempts: `SELECT target, sum(n) AS tries, sum(cost) AS usd FROM r_attempt_1h GROUP BY target`,
  users: `SELECT user_id, sum(n) AS calls, sum(cost) AS usd FROM r_user_1d GROUP BY user_id ORDER BY user_id`,
  sessions: `SELECT session_id, sum(n) AS calls, sum(cost) AS usd FROM r_session_1d GROUP BY session_id ORDER BY session_id`,
  properties: `SELECT key, value, sum(n) AS calls FROM r_prop_1d GROUP BY ALL ORDER BY ALL`,
}

describe('a folder of an older version', () => {
  const own = ownMigrations()
  test.each(own.slice(0, -1).map(({ id, name }, i) => [id, name, i] as const))(
    'with migrations up to %i (%s) opens with every row and sum, and takes more',
    async (_id, _name, i) => {
      const dataDir = testFolder(onTestFinished)
      const old = await openEmbedded(join(dataDir, 'chdb'))
      onTestFinished(() => old.close())
      await migrate(old, { own: own.slice(0, i + 1) })
      await old.insert('request_bodies', lines(...bodies), 'one:request_bodies')
      await old.insert('requests', lines(...calls), 'one:requests')
      const before: Record<string, unknown[]> = {}
      for (const [name, sql] of Object.entries(questions)) before[name] = await old.rows(name, sql)
      expect(before.rows).toHaveLength(30)
      expect(before.models).toEqual([
        { tenant_id: 'acme', calls: '10', usd: '0.00000000007' },
        { tenant_id: 'default', calls: '20', usd: '0.00000000014' },
      ])
      await old.close()

      const db = await openDb({ clickhouseUrl: null, dataDir })
      onTestFinished(() => db.close())
      for (const [name, sql] of Object.entries(questions)) expect([name, await db.rows(name, sql)]).toEqual([name, before[name]])
      // The batch it was killed in is void after the upgrade as before, and others are taken.
      await db.insert('requests', lines(...calls), 'one:requests')
      expect(await db.rows('rows', questions.rows)).toEqual(before.rows)
      await db.insert('requests', lines({ ...calls[0], request_id: randomUUID(), passed_over: [] }), 'two:requests')
      expect(await db.rows('rows', questions.rows)).toHaveLength(31)
    },
  )
})
