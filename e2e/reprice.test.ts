import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openHouse, type RunningHouse } from './support/house.js'
import { jsonHeaders, send } from './support/send.js'
import { until } from './support/wait.js'

// A model nobody knows: its calls are unpriced. A price in weir.yaml, `weir reprice`, and every sum has them; on the running house.

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
let house: RunningHouse
const upstream = createServer((req, res) => {
  req.resume()
  res.setHeader('content-type', 'application/json')
  res.end(
    JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      model: 'house-model-7b',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1000, completion_tokens: 10, total_tokens: 1010 },
    }),
  )
})

beforeAll(async () => {
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const { port } = upstream.address() as AddressInfo
  house = await openHouse({ yaml: `providers:\n  mine: { origin: "http://127.0.0.1:${port}" }\n` })
})
afterAll(async () => {
  await house?.stop()
  upstream.close()
})

const weir = (...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    const env = {
      PATH: process.env.PATH ?? '',
      WEIR_DATA: `${house.folder}/data`,
      WEIR_CONFIG: house.configFile,
      WEIR_PROXY_PORT: new URL(house.proxy).port,
      WEIR_WEB_PORT: new URL(house.web).port,
      WEIR_SQL_PORT: new URL(house.sql).port,
    }
    execFile(process.execPath, [main, ...args], { cwd: house.folder, env }, (failure, stdout, stderr) =>
      resolve({ code: failure === null ? 0 : Number(failure.code ?? 1), stdout, stderr }),
    )
  })
const day = (offset: number): string => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10)
const period = ['--from', day(-1), '--to', day(2)]

interface Report {
  readonly changed: number
  readonly calls: number
  readonly differenceUsd: string
}
const json = async (...args: readonly string[]): Promise<Report> =>
  JSON.parse((await weir('reprice', ...period, '--json', ...args)).stdout) as Report

const overview = async (): Promise<{ costUsd: string; unpriced: number; requests: number }> => {
  const from = `${day(-2)}T00:00:00Z`
  const answer = await fetch(`${house.web}/api/overview?from=${from}&to=${day(2)}T00:00:00Z`)
  return ((await answer.json()) as { current: { costUsd: string; unpriced: number; requests: number } }).current
}

test('unpriced is listed, told by doctor, and mended by a price and weir reprice, once', async () => {
  const body = JSON.stringify({ model: 'house-model-7b', messages: [{ role: 'user', content: 'Is it so?' }] })
  for (let n = 0; n < 5; n++)
    expect((await send(`${house.proxy}/mine/v1/chat/completions`, { headers: jsonHeaders, body })).status).toBe(200)
  await house.caughtUp()
  expect(await overview()).toMatchObject({ requests: 5, unpriced: 5, costUsd: '0' })
  const listed = (await (await fetch(`${house.web}/api/unpriced`)).json()) as { models: object[] }
  expect(listed.models).toMatchObject([
    { provider: 'mine', model: 'house-model-7b', reason: 'unknown_model', requests: 5, tokens: 5050 },
  ])
  expect((await weir('doctor')).stdout).toContain('mine/house-model-7b 5 (unknown_model)')
  expect(await json('--dry-run')).toMatchObject({ calls: 5, changed: 0 })

  const prices = 'prices:\n  - { provider: mine, model: "house-*", per: 1M, prices: { input: "0.5", output: "2" } }\n'
  writeFileSync(house.configFile, readFileSync(house.configFile, 'utf8') + prices)
  // 1,000 x 0.5 + 10 x 2 USD a million = 0.00052; five of them 0.0026.
  await until('the prices to be taken over', async () => (await json('--dry-run')).changed === 5)
  expect(await json('--dry-run')).toMatchObject({ calls: 5, changed: 5, differenceUsd: '0.0026' })
  expect(await overview()).toMatchObject({ unpriced: 5, costUsd: '0' })

  const written = await weir('reprice', ...period)
  expect(written).toMatchObject({ code: 0 })
  expect(written.stdout).toMatch(/mine\/house-model-7b +5 +5 +0 +0\.0026 +0\.0026 +5 -> 0/)
  expect(written.stdout).toContain('Written: 5 adjustments.')
  expect(await overview()).toMatchObject({ requests: 5, unpriced: 0, costUsd: '0.0026' })
  expect((await weir('reprice', ...period)).stdout).toContain('Nothing differs')
  expect(await overview()).toMatchObject({ costUsd: '0.0026' })
  expect((await weir('doctor')).stdout).toMatch(/unpriced +every call of the last 7 days has a price/)
  expect(
    await house.query("SELECT toString(sum(cost_total)) AS usd, countIf(cost_status = 'exact') AS exact FROM request_costs"),
  ).toEqual([{ usd: '0.0026', exact: '5' }])

  // From now on calls have the price themselves.
  const answer = await send(`${house.proxy}/mine/v1/chat/completions`, { headers: jsonHeaders, body })
  expect(await house.row(answer.id)).toMatchObject({ cost: '0.00052', costStatus: 'exact' })
})

test('what cannot be meant is refused, with what is accepted', async () => {
  expect(await weir('reprice', '--to', day(0))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--from is missing: a UTC day') as string,
  })
  expect((await weir('reprice', '--from', 'yesterday', '--to', day(0))).stderr).toContain('"yesterday" is not a UTC day')
  expect((await weir('reprice', '--from', day(1), '--to', day(0))).stderr).toContain('--from must lie before --to')
})
