import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type FakeProvider, startFakeProvider } from '../cli/fake-provider/server.js'
import type { RequestDetail } from '../web/api/contract.js'
import { type Misdeeds, openBrowser, watch } from './browser.js'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'

// The attempts of a call in the drawer: what a person sees is what the API tells, and that is what happened.

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let a: FakeProvider
let b: FakeProvider
let house: RunningHouse
let browser: Browser
/** Ids by what happened to the call. */
const calls: Record<'several' | 'one' | 'refused' | 'kept', string> = { several: '', one: '', refused: '', kept: '' }
const clean = { complaints: [], foreign: [], dialogs: [] }

const call = async (headers: Record<string, string> = {}, stream = false): Promise<string> => {
  const answer = await fetch(`${house.proxy}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-test-0000000000000000', 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'gpt-5-mini', stream, messages: [{ role: 'user', content: 'Hello?' }] }),
  })
  await answer.text()
  return answer.headers.get('weir-id') ?? ''
}

beforeAll(async () => {
  ;[a, b] = [await startFakeProvider(), await startFakeProvider()]
  house = await openHouse({ yaml: providersAt(a.origin, ['openai']) + `  groq: { origin: "${b.origin}" }\n` })
  const retries = { 'Weir-Retry-Enabled': 'true', 'Weir-Retry-Num': '1', 'Weir-Retry-Min-Timeout': '1' }
  a.plan('status=503;retry-after-ms=120', 'hang')
  calls.several = await call(
    {
      ...retries,
      'Weir-Fallback': 'mistral/mistral-small-latest, groq/llama-3.3-70b-versatile',
      'Weir-Groq-Key': 'gsk_b',
      'Weir-Timeout': 'ttft=300',
    },
    true,
  )
  calls.one = await call()
  const limited = { 'Weir-RateLimit-Policy': '1;w=3600;s=user', 'weir-user-id': 'ada' }
  await call(limited)
  calls.refused = await call(limited)
  a.plan('status=500;message=the only one', 'reset', 'reset')
  calls.kept = await call(retries)
  await house.caughtUp()
  browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  await house?.stop()
  await a?.close()
  await b?.close()
})

const detail = async (id: string): Promise<RequestDetail> =>
  (await (await fetch(`${house.web}/api/requests/${id}`)).json()) as RequestDetail

const open = async (id: string, tab = 'timing', width = 1280): Promise<Page & { misdeeds: Misdeeds }> => {
  const page = await browser.newPage({ viewport: { width, height: 844 } })
  onTestFinished(() => page.close())
  const misdeeds = watch(page, house.web)
  await page.goto(`${house.web}/requests/${id}?tab=${tab}`)
  await page.getByRole('dialog', { name: 'Call' }).getByRole('tab').first().waitFor()
  return Object.assign(page, { misdeeds })
}
const rowsIn = async (page: Page): Promise<string[]> => {
  const table = page.getByRole('region', { name: /attempts/ }).getByRole('table')
  await table.waitFor()
  return (await table.locator('tbody tr').allInnerTexts()).map((text) => text.replaceAll(/\s+/g, ' '))
}

test('the row tells each attempt: what was waited, used and paid, who was passed over, and when the answer began to go out', async () => {
  const { attemptList, passedOver, marksUs, costUsd } = await detail(calls.several)
  expect(attemptList.map(({ target, status, errorKind, replayed }) => [target, status, errorKind, replayed])).toEqual([
    ['openai/gpt-5-mini', 503, 'overloaded', false],
    ['openai/gpt-5-mini', 0, 'timeout_ttft', false],
    ['groq/llama-3.3-70b-versatile', 200, '', false],
  ])
  expect(passedOver).toEqual([{ target: 'mistral/mistral-small-latest', reason: 'no_credential', after: 0 }])
  const [first, second, third] = attemptList
  if (first === undefined || second === undefined || third === undefined) throw new Error('An attempt is missing.')
  expect(second.startUs - first.endUs).toBeGreaterThanOrEqual(120_000)
  expect(second.endUs - second.startUs).toBeGreaterThanOrEqual(300_000)
  expect(marksUs.committed).toBeGreaterThanOrEqual(third.startUs)
  // An error costs nothing; what was waited for in vain may be billed for its input.
  expect([first.costUsd, first.inputTokens, second.outputTokens]).toEqual(['0', null, 0])
  expect(second.inputTokens).toBeGreaterThan(0)
  const pico = (usd: string | null): bigint => BigInt(Math.round(Number(usd) * 1e12))
  expect(pico(second.costUsd)).toBeGreaterThan(0n)
  expect(pico(second.costUsd) + pico(third.costUsd)).toBe(pico(costUsd))
})

test.each([1280, 390])('the waterfall says it at %i px, and every line of it stands in a table', async (width) => {
  const { attemptList } = await detail(calls.several)
  const page = await open(calls.several, 'timing', width)
  await page.getByRole('heading', { name: '3 attempts, and groq/llama-3.3-70b-versatile answered.' }).waitFor()
  const rows = await rowsIn(page)
  expect(rows).toHaveLength(4)
  expect(rows[0]).toBe('mistral/mistral-small-latest passed over: no key is known for it')
  expect(rows[1]).toMatch(/^1 openai\/gpt-5-mini 503, overloaded then the same target again, after [\d,]+ ms .* none told \$0/)
  expect(rows[2]).toMatch(/no answer, timeout: first chunk then groq\/llama-3.3-70b-versatile, at once/)
  expect(rows[3]).toMatch(/^3 groq\/llama-3.3-70b-versatile 200 its answer went out/)
  await page.getByText('from then on no other target could follow').waitFor()
  await page.getByText(/First content at .* into the attempt that answered/).waitFor()

  // The bars lie on the time of the call: where each begins, as a share of the whole track.
  const total = Math.max(...attemptList.map(({ endUs }) => endUs))
  const places = await page.locator('.chart .bar:not(.before)').evaluateAll((bars) =>
    bars.map((bar) => {
      const track = (bar.parentElement as Element).getBoundingClientRect()
      const { left, right } = bar.getBoundingClientRect()
      return [(left - track.left) / track.width, (right - track.left) / track.width]
    }),
  )
  for (const [i, { startUs, endUs }] of attemptList.entries()) {
    expect(places[i]?.[0]).toBeCloseTo(startUs / total, 1)
    expect(places[i]?.[1]).toBeCloseTo(endUs / total, 1)
  }
  expect(await page.locator('.chart .gap').count()).toBe(1)
  expect(page.misdeeds).toEqual(clean)
})

test('an earlier answer that went out for want of another is the one that is marked', async () => {
  const page = await open(calls.kept)
  const rows = await rowsIn(page)
  expect(rows[0]).toMatch(/^1 openai\/gpt-5-mini 500, server then .*; in the end this answer went out, for want of another/)
  expect(rows[1]).toMatch(/^2 openai\/gpt-5-mini no answer, network nobody was left to be asked sent twice/)
})

test('one attempt is a sentence, none says why', async () => {
  const one = await open(calls.one)
  await one.getByRole('heading', { name: 'One attempt.' }).waitFor()
  await one.getByText(/openai\/gpt-5-mini answered 200 after [\d.]+ ms, for \$0\.\d+\./).waitFor()
  expect(await one.locator('.chart').count()).toBe(0)
  const none = await open(calls.refused)
  await none.getByRole('heading', { name: 'Nothing was sent.' }).waitFor()
  await none.getByRole('tabpanel').getByText('The rate limit of 1 requests in 3600 s').waitFor()
})

test('the facts lead there, by the keyboard alone', async () => {
  const page = await open(calls.several, 'conversation')
  await page.getByRole('button', { name: '3 attempts' }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: /^3 attempts/ }).waitFor()
  expect(new URL(page.url()).searchParams.get('tab')).toBe('timing')
})

test.each([1280, 390])('no fault for assistive technology at %i px in either theme, and it fits its width', async (width) => {
  const page = await open(calls.several, 'timing', width)
  await rowsIn(page)
  await page.evaluate(axeSource)
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await page.waitForTimeout(300)
    const faults = await page.evaluate(async () => {
      const { axe } = globalThis as unknown as {
        axe: { run: () => Promise<{ violations: { id: string; impact: string | null; nodes: { html: string }[] }[] }> }
      }
      const { violations } = await axe.run()
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ''}`)
    })
    expect(faults).toEqual([])
  }
  const over = await page.getByRole('tabpanel').evaluate((panel) => panel.scrollWidth - panel.clientWidth)
  expect(over).toBeLessThanOrEqual(0)
})
