import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { isAlive, runWeir } from './testing.js'

const folder = mkdtempSync(join(tmpdir(), 'weir-demo-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ready {
  web: string
  sql: string
  pids: Record<string, number>
}
interface Summary {
  calls: number
  completed: number
  failed: number
  left: number
  expectedCostUsd: string
  unforeseen: number
}

const ask = async (sql: string, question: string): Promise<string> =>
  (await (await fetch(sql, { method: 'POST', body: question })).text()).trim()

// Calls whose client did not ask for usage are left out: what they cost is for Weir to find out, not for the demo to foresee.
const foreseen = `cost_status IN ('exact', 'not_billable') AND NOT has(altered, 'include_usage')`

test('each of n calls leaves a row, and they cost what they should to the last digit', { timeout: 120_000 }, async () => {
  const env = { WEIR_PROXY_PORT: '0', WEIR_WEB_PORT: '0', WEIR_SQL_PORT: '0', WEIR_DATA: join(folder, 'mine') }
  const weir = runWeir(['demo', '--calls', '60', '--rate', '40', '--json'], env, folder)
  const ready = JSON.parse(await weir.firstLine) as Ready
  try {
    await expect.poll(() => weir.stdout().split('\n').length, { timeout: 60_000 }).toBe(3)
    const summary = JSON.parse(weir.stdout().split('\n')[1] ?? '') as Summary
    expect(summary.calls).toBe(60)
    expect(summary.completed + summary.failed + summary.left).toBe(60)

    await expect.poll(() => ask(ready.sql, 'SELECT count() FROM requests'), { timeout: 30_000 }).toBe('60')
    expect(await ask(ready.sql, `SELECT sum(cost_total) FROM requests WHERE ${foreseen}`)).toBe(summary.expectedCostUsd)
    expect(await ask(ready.sql, 'SELECT uniq(user_id) > 3, uniq(model) > 3, uniq(session_id) > 5 FROM requests')).toBe('1\t1\t1')

    const answer = await fetch(`${ready.web}/api/demo-call`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: ready.web },
      body: '{}',
    })
    const { id } = (await answer.json()) as { id: string }
    await expect
      .poll(() => ask(ready.sql, `SELECT user_id FROM requests WHERE request_id = '${id}'`), { timeout: 20_000 })
      .toBe('you')

    // The demo keeps away from the data that WEIR_DATA names.
    expect([existsSync(join(folder, 'mine')), existsSync(join(folder, 'mine-demo', 'journal'))]).toEqual([false, true])
  } finally {
    weir.child.kill('SIGTERM')
    expect(await weir.exited).toBe(0)
  }
  expect(Object.values(ready.pids).filter(isAlive)).toEqual([])
})
