import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { sessions } from '../cli/demo/sessions.js'
import { startTraffic } from '../cli/demo/traffic.js'
import { type FakeProvider, startFakeProvider } from '../cli/fake-provider/server.js'
import type { Overview, RequestCount, RequestPage, Top } from '../web/api/contract.js'
import { type Misdeeds, openBrowser, watch } from './browser.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'
import { until } from './support/wait.js'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let fake: FakeProvider
let house: RunningHouse
let browser: Browser
/** A fixed range that holds all traffic, so that the screen and the API are asked the same. */
let span: string
beforeAll(async () => {
  fake = await startFakeProvider()
  house = await openHouse({ yaml: providersAt(fake.origin, ['openai', 'anthropic', 'gemini']) })
  const from = new Date(Date.now() - 60_000).toISOString()
  await startTraffic({ origin: house.proxy, sessions: sessions('ui', 'run'), rate: 40, calls: 160 }).ended
  await house.caughtUp()
  span = new URLSearchParams({ from, to: new Date(Date.now() + 60_000).toISOString() }).toString()
  browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  await house?.stop()
  await fake?.close()
})

const json = async <T>(path: string): Promise<T> => {
  const answer = await fetch(house.web + path)
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`)
  return (await answer.json()) as T
}
const open = async (path: string, options: Parameters<Browser['newPage']>[0] = {}): Promise<Page & { misdeeds: Misdeeds }> => {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, ...options })
  onTestFinished(() => page.close())
  const misdeeds = watch(page, house.web)
  await page.goto(house.web + path)
  return Object.assign(page, { misdeeds })
}
const clean = { complaints: [], foreign: [], dialogs: [] }
const filter = (text: string): string => `filter=${encodeURIComponent(text)}`
const call = async (userId: string): Promise<void> => {
  const answer = await fetch(`${house.proxy}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-test-0000000000000000', 'content-type': 'application/json', 'weir-user-id': userId },
    body: JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'One more.' }] }),
  })
  await answer.text()
}
const rowsOf = (page: Page) => page.locator('a[data-row]')
const count = (n: number): string => n.toLocaleString('en-US')

test('the figures on the overview are those of the API', async () => {
  const [overview, users] = await Promise.all([json<Overview>(`/api/overview?${span}`), json<Top>(`/api/top?by=user&${span}`)])
  expect(overview.current.requests).toBe(160)
  const page = await open(`/?${span}`)
  const card = (title: string) => page.locator('a', { has: page.getByRole('heading', { name: title, exact: true }) })
  await page.getByRole('heading', { name: 'Which users cost most?' }).waitFor()
  expect(await card('Requests').locator('dd').first().innerText()).toBe('160')
  expect(await card('Tokens').innerText()).toContain(count(overview.current.outputTokens))
  const [first] = users.rows
  if (first === undefined) throw new Error('There is no user.')
  const row = page.getByRole('link', { name: new RegExp(`^${first.key} `) }).first()
  expect(await row.innerText()).toContain(`${count(first.requests)} calls`)
  expect(page.misdeeds).toEqual(clean)
})

test('from a bar of the overview to the call in two clicks, and back', async () => {
  const page = await open(`/?${span}`)
  const users = page.locator('section', { has: page.getByRole('heading', { name: 'Which users cost most?' }) })
  await users.getByRole('link').first().click()
  const url = new URL(page.url())
  expect(url.pathname).toBe('/requests')
  expect(url.searchParams.get('filter')).toMatch(/^user_id = /)
  const total = await json<RequestCount>(`/api/requests/count?${url.searchParams.toString()}`)
  await page
    .locator('footer')
    .getByText(`${count(total.requests)} call`)
    .waitFor()

  await rowsOf(page).first().click()
  await page.getByRole('dialog', { name: 'Call' }).getByRole('tab', { name: 'Conversation' }).waitFor()
  await page.goBack()
  await page.getByRole('dialog', { name: 'Call' }).waitFor({ state: 'detached' })
  await page.goBack()
  await page.getByRole('heading', { name: 'What did each model cost?' }).waitFor()
})

test('a filter is built by hand, stands in the address, and survives a reload', async () => {
  const page = await open(`/requests?${span}`)
  await rowsOf(page).first().waitFor()
  await page.getByRole('button', { name: 'Filter', exact: true }).click()
  await page.getByLabel('Field').selectOption('provider')
  await page.getByLabel('Value').fill('anthropic')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByRole('button', { name: 'Take out: provider = anthropic' }).waitFor()
  expect(new URL(page.url()).searchParams.get('filter')).toBe('provider = anthropic')
  const { requests } = await json<RequestCount>(`/api/requests/count?${span}&${filter('provider = anthropic')}`)
  expect(requests).toBeGreaterThan(0)
  await page
    .locator('footer')
    .getByText(`${count(requests)} calls`)
    .waitFor()

  const address = page.url()
  await page.reload()
  await page
    .locator('footer')
    .getByText(`${count(requests)} calls`)
    .waitFor()
  expect(page.url()).toBe(address)
  await page.getByRole('button', { name: 'Take out: provider = anthropic' }).click()
  await page.locator('footer').getByText('160 calls').waitFor()
})

test('a filter that cannot be read says why, and takes nothing down', async () => {
  const page = await open(`/requests?${span}&${filter('modl = gpt-5')}`)
  await page.getByText('Did you mean model?').waitFor()
  await page.getByRole('button', { name: 'Clear' }).click()
  await rowsOf(page).first().waitFor()
})

test('the keyboard alone: move, open, next, close, search, help', async () => {
  const { rows } = await json<RequestPage>(`/api/requests?${span}&limit=3`)
  const ids = rows.map(({ id }) => id)
  const page = await open(`/requests?${span}`)
  await rowsOf(page).first().waitFor()
  const id = () => new URL(page.url()).pathname.split('/')[2]
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: 'Call' }).getByRole('tab').first().waitFor()
  expect(id()).toBe(ids[1])
  await page.keyboard.press('j')
  await until('the next call', () => id() === ids[2])
  await page.keyboard.press('k')
  await until('the call before', () => id() === ids[1])
  await page.keyboard.press('Escape')
  await page.getByRole('dialog', { name: 'Call' }).waitFor({ state: 'detached' })
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor({ state: 'detached' })
  await page.keyboard.press('/')
  await page.keyboard.type('weir')
  await until('the words in the address', () => new URL(page.url()).searchParams.get('q') === 'weir')
})

test('a call that is made now appears by itself, waits under the pointer, and stays out while paused', async () => {
  const page = await open('/requests')
  await rowsOf(page).first().waitFor()
  const shows = async (user: string): Promise<boolean> => (await page.locator('[role=row]', { hasText: user }).count()) > 0

  await page.mouse.move(5, 5)
  await call('arrives-alone')
  await until('the new row', () => shows('arrives-alone'))

  await rowsOf(page).nth(3).hover()
  const before = await rowsOf(page).first().getAttribute('data-row')
  await call('waits-outside')
  await page.getByRole('button', { name: '1 new call' }).waitFor()
  expect(await rowsOf(page).first().getAttribute('data-row')).toBe(before)
  await page.getByRole('button', { name: '1 new call' }).click()
  await until('the row that waited', () => shows('waits-outside'))

  await page.mouse.move(5, 5)
  await page.keyboard.press('p')
  await page.getByText('Paused').waitFor()
  await call('comes-in-a-pause')
  await until(
    'the row in the store',
    async () => (await json<RequestPage>(`/api/requests?${filter('user_id = comes-in-a-pause')}`)).rows.length === 1,
  )
  expect(await shows('comes-in-a-pause')).toBe(false)
  expect(page.misdeeds).toEqual(clean)
})

test('a view is saved, found again, and deleted', async () => {
  const page = await open(`/requests?${filter('status >= 400')}`)
  await page.getByRole('button', { name: 'Views' }).click()
  await page.getByLabel('Name of the view').fill('What failed')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('link', { name: 'What failed' }).waitFor()
  await page.goto(`${house.web}/requests`)
  await page.getByRole('button', { name: 'Views' }).click()
  await page.getByRole('link', { name: 'What failed' }).click()
  expect(new URL(page.url()).searchParams.get('filter')).toBe('status >= 400')
  await page.getByRole('button', { name: 'Views' }).click()
  await page.getByRole('button', { name: 'Delete the view What failed' }).click()
  await page.getByText('No view saved yet.').waitFor()
})

test('a chart is zoomed into by drawing over it', async () => {
  const page = await open(`/?${span}`)
  const chart = page.getByRole('img', { name: /What did each model cost/ }).locator('.u-over')
  await chart.waitFor()
  const box = await chart.boundingBox()
  if (box === null) throw new Error('The chart has no size.')
  await page.mouse.move(box.x + box.width * 0.25, box.y + 40)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.75, box.y + 60, { steps: 6 })
  await page.mouse.up()
  const whole = new URLSearchParams(span)
  const width = Date.parse(whole.get('to') ?? '') - Date.parse(whole.get('from') ?? '')
  await until('the narrower range', () => {
    const { searchParams } = new URL(page.url())
    const zoomed = Date.parse(searchParams.get('to') ?? '') - Date.parse(searchParams.get('from') ?? '')
    // Half of it, as drawn; the axis may reach to the end of the last step.
    return zoomed > width * 0.4 && zoomed < width * 0.65
  })
})

test('the first page needs at most 150 KB of JavaScript, packed', async () => {
  const page = await browser.newPage()
  onTestFinished(() => page.close())
  const scripts: Promise<Buffer>[] = []
  page.on('response', (response) => {
    if (response.url().endsWith('.js')) scripts.push(response.body())
  })
  await page.goto(`${house.web}/?${span}`)
  await page
    .getByRole('img', { name: /What did each model cost/ })
    .locator('.u-over')
    .waitFor()
  const sizes = (await Promise.all(scripts)).map((body) => gzipSync(body).length)
  expect(sizes.length).toBeGreaterThan(1)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(150 * 1024)
})

const openCall = async (page: Page): Promise<void> => {
  await rowsOf(page).first().click()
  await page.getByRole('dialog', { name: 'Call' }).getByRole('tab').first().waitFor()
}
const press = (name: string) => (page: Page) => page.getByRole('button', { name, exact: true }).click()
test.each<[string, number, string, ((page: Page) => Promise<void>)?]>([
  ['overview', 1280, '/'],
  ['overview on a phone', 390, '/'],
  ['quickstart', 1280, '/start'],
  ['quickstart on a phone', 390, '/start'],
  ['requests', 1280, '/requests'],
  ['requests on a phone', 390, '/requests'],
  ['filter', 1280, '/requests', press('Filter')],
  ['columns', 1280, '/requests', press('Columns')],
  ['conversation', 1280, '/requests', openCall],
  ['conversation on a phone', 390, '/requests', openCall],
  ['raw', 1280, '/requests?tab=raw', openCall],
  ['timing', 1280, '/requests?tab=timing', openCall],
  ['cost', 1280, '/requests?tab=cost', openCall],
  ['details', 1280, '/requests?tab=details', openCall],
  ['export', 1280, '/exports'],
  ['settings', 1280, '/settings'],
  ['settings on a phone', 390, '/settings'],
  ['nothing', 1280, '/nowhere'],
])('%s has no serious fault for assistive technology in either theme, and fits its width', async (_, width, path, act) => {
  const page = await open(`${path}${path.includes('?') ? '&' : '?'}${span}`, { viewport: { width, height: 800 } })
  await page.locator('main').waitFor()
  await page.waitForTimeout(700)
  await act?.(page)
  await page.evaluate(axeSource)
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await page.waitForTimeout(300)
    const faults = await page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: typeof import('axe-core') }
      const { violations } = await axe.run(document, { resultTypes: ['violations'] })
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`)
    })
    expect(faults, colorScheme).toEqual([])
  }
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0)
})
