import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lines } from '../clickhouse/testing.js'
import { type HeldKey, withKeys } from '../web/api/testing/keys.js'
import { openHouse, type OpenHouse } from '../web/api/testing/open-house.js'
import { openBrowser, watch } from './browser.js'

const keyOf = (name: string, scopes: HeldKey['scopes']): HeldKey => ({ key: `sk-weir-${name}`, name, scopes, tenant: 'acme' })
const id = '01890a5d-ac96-774b-bcce-b302099a8057'

let dir: string
let house: OpenHouse
let browser: Browser
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weir-sign-in-'))
  house = await openHouse(await withKeys(dir, 'required', [keyOf('caller', ['proxy']), keyOf('viewer', ['read-metrics'])]))
  const ts = new Date(Date.now() - 60_000).toISOString().replace('T', ' ').replace('Z', '')
  const call = { ts, request_id: id, retention_days: 400, provider: 'openai', api: 'chat', status: 200, outcome: 'complete' }
  const rows = [
    { ...call, tenant_id: 'acme', model: 'model-of-acme', input_preview: 'said by acme' },
    { ...call, tenant_id: 'default', model: 'model-of-others', request_id: '01890a5d-ac96-774b-bcce-000000000001' },
  ]
  await house.db.insert('requests', lines(...rows), 'rows')
  browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  await house?.close()
  await rm(dir, { recursive: true, force: true })
})

test('a key signs in, sees its tenant, and is told what it lacks', async () => {
  const origin = `http://127.0.0.1:${String(house.port)}`
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  const { dialogs, foreign } = watch(page, origin)
  await page.goto(`${origin}/requests`)

  const secret = page.getByLabel('Admin secret or Weir key')
  await secret.fill('sk-weir-nobody')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('Neither the admin secret nor a Weir key of weir.yaml is like this.').waitFor()
  await secret.fill('sk-weir-caller')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('The Weir key caller lacks the scope read-metrics.').waitFor()
  await secret.fill('sk-weir-viewer')
  await page.getByRole('button', { name: 'Sign in' }).click()

  await page.getByText('model-of-acme').first().waitFor()
  expect(await page.getByText('model-of-others').count()).toBe(0)
  expect(await page.getByText('said by acme').count()).toBe(0)

  await page.goto(`${origin}/requests/${id}`)
  const drawer = page.getByRole('dialog', { name: 'Call' })
  await drawer.getByRole('tab', { name: 'Raw' }).click()
  await drawer.getByText('The Weir key viewer lacks the scope read-bodies.').waitFor()

  await page.goto(`${origin}/exports`)
  await page.getByText('The Weir key viewer lacks the scope admin.').waitFor()
  await page.goto(`${origin}/settings`)
  await page.getByText('Settings are shown to keys with the scope admin').waitFor()
  expect({ dialogs, foreign }).toEqual({ dialogs: [], foreign: [] })
})
