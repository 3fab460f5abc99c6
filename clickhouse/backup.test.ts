import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { linkStore, storeSums } from './backup.js'
import type { Db } from './db.js'
import { openDb } from './open.js'
import { lines, testFolder } from './testing.js'

const call = (n: number, costUsd: string) => ({
  tenant_id: 'default',
  ts: `2026-11-${String(1 + (n % 4)).padStart(2, '0')} 10:00:00.000`,
  request_id: randomUUID(),
  source: 'writer-a',
  source_offset: String(n),
  retention_days: 20_000,
  user_id: `user-${n % 7}`,
  session_id: `session-${n % 5}`,
  provider: 'openai',
  model: 'gpt-5-mini',
  outcome: 'complete',
  cost_total: costUsd,
  cost_status: 'exact',
})
const body = ({ tenant_id, ts, request_id, retention_days }: ReturnType<typeof call>) => ({
  tenant_id,
  ts,
  request_id,
  retention_days,
  request_body: `question ${request_id}`,
  response_body: `answer ${request_id}`,
})

const opened = async (dataDir: string): Promise<Db> => {
  const db = await openDb({ clickhouseUrl: null, dataDir })
  onTestFinished(() => db.close())
  return db
}
const insert = async (db: Db, from: number, to: number, token: string): Promise<void> => {
  const calls = Array.from({ length: to - from }, (_, i) => call(from + i, '0.000001000001'))
  await db.insert('request_bodies', lines(...calls.map(body)), `${token}:request_bodies`)
  await db.insert('requests', lines(...calls), `${token}:requests`)
}
const wanted = (calls: number, costUsd: string) => ({ calls, callsByUser: calls, costUsd, rows: calls, bodies: calls })

test('a copy made while parts are merged has every row, opens elsewhere, and knows the batches that were stored', async () => {
  const folder = testFolder(onTestFinished)
  const db = await openDb({ clickhouseUrl: null, dataDir: join(folder, 'data') })
  onTestFinished(() => db.close())
  for (let n = 0; n < 12; n++) await insert(db, n * 20, n * 20 + 20, `batch-${n}`)
  const merging = (async () => {
    for (const table of ['requests', 'request_bodies', 'r_model_1h', 'r_user_1d', 'r_session_1d'])
      await db.exec(`OPTIMIZE TABLE ${table} FINAL`)
  })()
  await linkStore(db, join(folder, 'data', 'chdb'), join(folder, 'copy', 'chdb'))
  await merging
  const before = await storeSums(db)
  expect(before).toMatchObject(wanted(240, '0.00024000024'))
  // What is stored in the one is not in the other: parts are shared, and never written to.
  await insert(db, 240, 260, 'batch-12')
  await db.close()

  const copy = await opened(join(folder, 'copy'))
  expect(await storeSums(copy)).toEqual(before)
  // A batch that was stored before is void in the copy, too.
  await insert(copy, 60, 80, 'batch-3')
  expect(await storeSums(copy)).toEqual(before)
  await insert(copy, 300, 310, 'batch-13')
  expect(await storeSums(copy)).toMatchObject(wanted(250, '0.00025000025'))
  await copy.close()
  expect(await storeSums(await opened(join(folder, 'data')))).toMatchObject(wanted(260, '0.00026000026'))
})

test('the copy takes no room of its own where files can have two names, and leaves locks behind', async () => {
  const folder = testFolder(onTestFinished)
  const db = await opened(join(folder, 'data'))
  await insert(db, 0, 50, 'one')
  const to = join(folder, 'copy', 'chdb')
  await linkStore(db, join(folder, 'data', 'chdb'), to)
  const files = readdirSync(to, { recursive: true, encoding: 'utf8' })
  const parts = files.filter((path) => path.endsWith('count.txt')).map((path) => statSync(join(to, path)).nlink)
  expect(parts.length).toBeGreaterThan(5)
  expect(new Set(parts)).toEqual(new Set([2]))
  expect(files.filter((path) => /(^|\/)(lock\.\d+|tmp)$/.test(path))).toEqual([])
  expect(existsSync(join(folder, 'data', 'chdb', 'lock.1'))).toBe(true)
})
