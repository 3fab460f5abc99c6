import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lines } from '../../clickhouse/testing.js'
import { repriceJobSchema, unpricedSchema, type RepriceJob } from './contract.js'
import type { RepriceJobs } from './house.js'
import { openHouse, type OpenHouse } from './testing/open-house.js'

const job: RepriceJob = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  state: 'running',
  dryRun: true,
  from: '2026-08-19T00:00:00.000Z',
  to: '2026-08-20T00:00:00.000Z',
  model: null,
  priceId: 'p',
  calls: 0,
  total: 0,
  changed: 0,
  differenceUsd: '0',
  models: [],
  error: null,
}
let begun: unknown[] = []
let busy = false
let stopped: string[] = []
const jobs: RepriceJobs = {
  begin: (_whose, ask) => {
    begun.push(ask)
    return busy ? null : job
  },
  find: (_whose, id) => (id === job.id ? job : null),
  stop: async (_whose, id) => void stopped.push(id),
}

let house: OpenHouse
let bare: OpenHouse
beforeAll(async () => {
  house = await openHouse({}, { reprice: jobs })
  bare = await openHouse({}, { db: house.db })
  const call = (more: object) => ({
    tenant_id: 'default',
    ts: '2026-08-19 10:00:00.000',
    request_id: randomUUID(),
    retention_days: 400,
    provider: 'my-vllm',
    model: 'llama',
    status: 200,
    outcome: 'complete',
    input_tokens: 10,
    output_tokens: 5,
    cost_status: 'unpriced',
    cost_reason: 'unknown_model',
    ...more,
  })
  const told = [
    call({}),
    call({ ts: '2026-08-19 11:00:00.000' }),
    call({ model: 'other', cost_reason: 'lost', input_tokens: null }),
  ]
  await house.db.insert('requests', lines(...told, call({ cost_total: '1', cost_status: 'exact' })), randomUUID())
})
afterAll(async () => {
  await bare.close()
  await house.close()
})

const ask = (path: string, method: string, body?: object, at = house) =>
  at.ask(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json' },
  })
const period = { from: '2026-08-19T00:00:00Z', to: '2026-08-20T00:00:00Z' }

test('calls without a price are listed by model and reason, most called first, with what an override would price', async () => {
  const answer = unpricedSchema.parse(await house.json(`/api/unpriced?from=${period.from}&to=${period.to}`))
  expect(answer).toMatchObject({
    requests: 3,
    models: [
      {
        provider: 'my-vllm',
        model: 'llama',
        reason: 'unknown_model',
        requests: 2,
        tokens: 30,
        lastAt: '2026-08-19T11:00:00.000Z',
      },
      { provider: 'my-vllm', model: 'other', reason: 'lost', requests: 1, tokens: 5 },
    ],
  })
})

test('a re-pricing is begun, looked at, stopped', async () => {
  begun = []
  const answer = await ask('/api/reprice', 'POST', { ...period, model: 'llama' })
  expect(repriceJobSchema.parse(JSON.parse(answer.text))).toEqual(job)
  expect(begun).toEqual([{ from: new Date(period.from), to: new Date(period.to), model: 'llama', dryRun: false }])
  expect(repriceJobSchema.parse(await house.json(`/api/reprice/${job.id}`)).state).toBe('running')
  stopped = []
  expect((await ask(`/api/reprice/${job.id}`, 'DELETE')).status).toBe(204)
  expect(stopped).toEqual([job.id])
})

test('what cannot be is refused: a second one, an unknown one, a period the wrong way round, a key that is none, no ingest', async () => {
  const codeOf = ({ status, text }: { status: number; text: string }) => [status, (JSON.parse(text) as { code: string }).code]
  busy = true
  expect(codeOf(await ask('/api/reprice', 'POST', period))).toEqual([409, 'reprice_running'])
  busy = false
  expect(codeOf(await ask(`/api/reprice/${randomUUID()}`, 'GET'))).toEqual([404, 'unknown_job'])
  expect(codeOf(await ask('/api/reprice', 'POST', { from: period.to, to: period.from }))).toEqual([400, 'bad_parameter'])
  expect(codeOf(await ask('/api/reprice', 'POST', { ...period, dry: true }))).toEqual([400, 'bad_body'])
  expect(codeOf(await ask('/api/reprice', 'POST', period, bare))).toEqual([404, 'no_ingest'])
})
