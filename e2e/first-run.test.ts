import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium, type Browser, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'
import { send } from './support/send.js'
import { until } from './support/wait.js'

// What a newcomer sees, in a real browser: an empty folder, the quickstart, the first call, its exact cost.

const executablePath = process.env.WEIR_TEST_CHROMIUM ?? null
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface AxeResults {
  readonly passes: readonly unknown[]
  readonly violations: readonly {
    readonly id: string
    readonly impact: string | null
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[]
  }[]
}

describe.skipIf(executablePath === null)('the first run, in Chromium (WEIR_TEST_CHROMIUM is set)', () => {
  let fake: FakeProvider
  let house: RunningHouse
  let browser: Browser
  let page: Page
  const asked: string[] = []
  const complaints: string[] = []
  let firstId = ''

  beforeAll(async () => {
    fake = await startFakeProvider()
    house = await openHouse({ yaml: providersAt(fake.origin, ['openai', 'anthropic', 'gemini']) })
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: flags, timeout: 60_000 })
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    page.setDefaultTimeout(30_000)
    page.on('request', (request) => asked.push(request.url()))
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(String(error)))
  })
  afterAll(async () => {
    await browser?.close()
    await house?.stop()
    await fake?.close()
  })

  test('an empty folder: the quickstart, with the base URL to paste', async () => {
    const answer = await page.goto(`${house.web}/`)
    expect(answer?.status()).toBe(200)
    await page.getByText('Waiting for the first call.').waitFor()
    const text = await page.locator('main').innerText()
    expect(text).toContain(`${house.proxy}/openai/v1`)
    expect(text).toContain(`${house.proxy}/anthropic`)
    expect(text).toContain(`${house.proxy}/gemini`)
  })

  test('the first call turns it into a tick, without a reload; one click opens it, with its exact cost', async () => {
    await page.evaluate(() => ((globalThis as { sameDocument?: boolean }).sameDocument = true))
    const answer = await send(`${house.proxy}/openai/v1/chat/completions`, {
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer k',
        'weir-user-id': 'ada',
        'x-fake': 'input=1000;output=100',
      },
      body: JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'Is anybody there?' }] }),
    })
    expect(answer.status).toBe(200)
    firstId = answer.id
    await page.getByText('The first call arrived.').waitFor()
    // 1,000 x 0.25 + 100 x 2 USD per million.
    await page.getByText('$0.00045').first().waitFor()
    await page.getByRole('link', { name: 'Open the call' }).click()
    const drawer = page.getByRole('dialog', { name: 'Call' })
    await drawer.getByText('Is anybody there?').first().waitFor()
    expect(new URL(page.url()).pathname).toBe(`/requests/${firstId}`)
    const said = (answer.json<{ choices: { message: { content: string } }[] }>().choices[0]?.message.content ?? '').slice(0, 30)
    await drawer.getByText(said).first().waitFor()
    await drawer.getByRole('tab', { name: 'Cost' }).click()
    await drawer.getByText('0.00045').first().waitFor()
    const lines = await drawer.getByRole('tabpanel').innerText()
    expect(lines).toContain('0.00025') // input
    expect(lines).toContain('0.0002') // output
    for (const tab of ['Raw', 'Timing', 'Details']) {
      await drawer.getByRole('tab', { name: tab }).click()
      await until(`the ${tab} tab to say something`, async () => (await drawer.getByRole('tabpanel').innerText()).length > 20)
    }
    expect(await page.evaluate(() => (globalThis as { sameDocument?: boolean }).sameDocument)).toBe(true)
  })

  test('a later call appears at the top of the table by itself', async () => {
    await page.goto(`${house.web}/requests`)
    await page.getByText('gpt-5-mini').first().waitFor()
    await send(`${house.proxy}/anthropic/v1/messages`, {
      headers: { 'content-type': 'application/json', 'x-api-key': 'k', 'weir-user-id': 'grace' },
      body: JSON.stringify({ model: 'claude-haiku-4-5', max_tokens: 100, messages: [{ role: 'user', content: 'And now?' }] }),
    })
    await until('the row', async () => (await page.locator('main').innerText()).includes('claude-haiku-4-5'))
  })

  const paths = (): readonly string[] => ['/', '/start', '/requests', `/requests/${firstId}`, '/exports', '/settings']
  test.each(['light', 'dark'] as const)('axe finds nothing serious on any page, %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    for (const path of paths()) {
      await page.goto(house.web + path)
      await until(`${path} to be drawn`, async () => (await page.locator('main').innerText()).length > 60)
      if (path.startsWith('/requests/'))
        await page.getByRole('dialog', { name: 'Call' }).getByText('Is anybody there?').first().waitFor()
      await page.evaluate(axeSource)
      const { violations, passes } = (await page.evaluate('axe.run(document)')) as AxeResults
      const serious = violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => ({
          id,
          nodes: nodes.slice(0, 3).map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary.slice(0, 300)}`),
        }))
      expect.soft({ path, serious }).toEqual({ path, serious: [] })
      expect.soft(passes.length, path).toBeGreaterThan(10)
    }
  })

  test('nothing is asked of any other host, nothing is complained about, and the policy holds', async () => {
    const origin = new URL(house.web).origin
    expect(asked.length).toBeGreaterThan(10)
    expect(asked.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith('data:') && !url.startsWith('blob:'))).toEqual(
      [],
    )
    expect(complaints).toEqual([])
    const policy = (await page.goto(`${house.web}/`))?.headers()['content-security-policy'] ?? ''
    expect(policy).toContain("default-src 'self'")
    expect(policy).not.toMatch(/script-src[^;]*'unsafe-(?:inline|eval)'/)
    // An inline script does not run, and the page cannot call another origin: here the fake provider, which would answer.
    const before = fake.total()
    const held = await page.evaluate(async (other) => {
      const script = document.createElement('script')
      script.textContent = 'globalThis.inlineRan = true'
      document.head.append(script)
      const fetched = await fetch(`${other}/v1/models`, { mode: 'no-cors' }).then(
        () => true,
        () => false,
      )
      return { inlineRan: (globalThis as { inlineRan?: boolean }).inlineRan === true, fetched }
    }, fake.origin)
    expect(held).toEqual({ inlineRan: false, fetched: false })
    expect(fake.total()).toBe(before)
  })
})
