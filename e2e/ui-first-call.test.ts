import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FakeProvider, startFakeProvider } from '../cli/fake-provider/server.js'
import type { RequestDetail, RequestPage } from '../web/api/contract.js'
import { openBrowser, watch } from './browser.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'

let fake: FakeProvider
let house: RunningHouse
let browser: Browser
beforeAll(async () => {
  fake = await startFakeProvider()
  house = await openHouse({ yaml: providersAt(fake.origin, ['openai', 'anthropic', 'gemini']) })
  browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  await house?.stop()
  await fake?.close()
})

const json = async <T>(path: string): Promise<T> => (await (await fetch(house.web + path)).json()) as T

test('a stranger opens the page, sends one call, sees it arrive, and reads what it cost', async () => {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  const misdeeds = watch(page, house.web)
  await page.goto(`${house.web}/`)

  // Nothing was ever called: the quickstart stands where the overview would be, with this proxy's own address.
  await page.getByText('Waiting for the first call.').waitFor()
  await page.getByText(`${house.proxy}/openai/v1`, { exact: true }).waitFor()
  await page.getByRole('button', { name: 'OpenAI · Python' }).click()
  await page.getByText(`base_url="${house.proxy}/openai/v1"`).waitFor()

  const prompt = 'How high is the weir at Hallein?'
  const answer = await fetch(`${house.proxy}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer sk-test-0000000000000000',
      'content-type': 'application/json',
      'weir-user-id': 'ada',
      'weir-session-id': 's-1',
    },
    body: JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: prompt }] }),
  })
  expect(answer.status).toBe(200)
  await answer.text()

  // The tick comes by itself.
  await page.getByText('The first call arrived.').waitFor()
  const { rows } = await json<RequestPage>('/api/requests')
  expect(rows).toHaveLength(1)
  const call = await json<RequestDetail>(`/api/requests/${rows[0]?.id ?? ''}`)
  expect(call.costStatus).toBe('exact')

  await page.getByRole('link', { name: 'Open the call' }).click()
  const drawer = page.getByRole('dialog', { name: 'Call' })
  await drawer.getByText(prompt).waitFor()
  expect(new URL(page.url()).pathname).toBe(`/requests/${call.id}`)
  await drawer.getByRole('link', { name: 'ada' }).waitFor()

  // Every digit of every line, as the API has it.
  await drawer.getByRole('tab', { name: 'Cost' }).click()
  const lines = drawer.getByRole('region', { name: 'Cost lines' }).locator('tbody tr')
  await lines.first().waitFor()
  expect(await lines.count()).toBe(call.costLines.length)
  for (const [i, line] of call.costLines.entries()) {
    const shown = await lines.nth(i).innerText()
    const amount = (line.amountUsd ?? '').replace(/0+$/, '')
    expect(shown).toContain(`$${amount}`)
  }
  await drawer.getByRole('tab', { name: 'Timing' }).click()
  await drawer.getByText('One attempt.').waitFor()
  await drawer.getByRole('tab', { name: 'Raw' }).click()
  await drawer.getByRole('button', { name: 'As sent' }).click()
  await drawer.getByRole('region', { name: 'Request' }).getByText(prompt).waitFor()

  // Esc closes it; the overview has the call.
  await page.keyboard.press('Escape')
  await drawer.waitFor({ state: 'detached' })
  await page.getByRole('link', { name: 'Overview', exact: true }).click()
  await page.getByRole('heading', { name: 'What did each model cost?' }).waitFor()
  const cards = page.locator('a', { has: page.getByRole('heading', { name: 'Requests', exact: true }) })
  expect(await cards.locator('dd').first().innerText()).toBe('1')

  expect(misdeeds).toEqual({ complaints: [], foreign: [], dialogs: [] })
  await page.close()
})
