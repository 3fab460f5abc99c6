// node dist/e2e/screenshots.js <base-url> [folder]: a PNG of every page, in both themes, at both widths, for a person to look at.
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { openBrowser } from './browser.js'

interface Shot {
  readonly name: string
  readonly path: string
  readonly act?: (page: Page) => Promise<void>
}

const openFirst = async (page: Page): Promise<void> => {
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: 'Call' }).getByRole('tab').first().waitFor()
}

const failedCalls = `filter=${encodeURIComponent('error_kind != ""')}&cols=time,status,model,cost,error,user,latency`
const withTools = `filter=${encodeURIComponent('tool_calls > 0')}`
const priced = `filter=${encodeURIComponent('cost > 0')}`

const shots: readonly Shot[] = [
  { name: 'start', path: '/start' },
  { name: 'overview', path: '/?range=15m' },
  { name: 'requests', path: '/requests' },
  { name: 'requests-failed', path: `/requests?${failedCalls}` },
  {
    name: 'requests-filter',
    path: `/requests?${priced}`,
    act: async (page) => page.getByRole('button', { name: 'Filter', exact: true }).click(),
  },
  { name: 'call-conversation', path: `/requests?${withTools}`, act: openFirst },
  { name: 'call-raw', path: `/requests?${withTools}&tab=raw`, act: openFirst },
  { name: 'call-timing', path: `/requests?${withTools}&tab=timing`, act: openFirst },
  { name: 'call-cost', path: `/requests?${priced}&tab=cost`, act: openFirst },
  { name: 'call-details', path: `/requests?${priced}&tab=details`, act: openFirst },
  { name: 'exports', path: '/exports' },
  { name: 'settings', path: '/settings' },
  { name: 'not-found', path: '/nowhere' },
  { name: 'keyboard', path: '/requests', act: async (page) => page.keyboard.press('?') },
]

const sizes = [
  { name: '1280', width: 1280, height: 800 },
  { name: '390', width: 390, height: 844 },
] as const
const themes = ['light', 'dark'] as const

const take = async (browser: Browser, base: string, folder: string, shot: Shot): Promise<void> => {
  for (const { name, width, height } of sizes)
    for (const theme of themes) {
      const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme })
      try {
        await page.goto(base + shot.path)
        await page.locator('main').waitFor()
        // Charts and rows come with the answers of the API; the live stream never lets the network be idle.
        await page.waitForTimeout(900)
        await shot.act?.(page)
        await page.waitForTimeout(350)
        await page.screenshot({ path: join(folder, `${shot.name}-${name}-${theme}.png`) })
      } catch (cause) {
        process.stderr.write(`${shot.name}, ${name}, ${theme}: ${String(cause)}\n`)
        process.exitCode = 1
      } finally {
        await page.close()
      }
    }
}

const [base, folder = 'e2e/screenshots'] = process.argv.slice(2)
if (base === undefined || !/^https?:\/\//.test(base)) {
  process.stderr.write('Usage: node dist/e2e/screenshots.js <base-url> [folder]\n')
  process.exit(2)
}
mkdirSync(resolve(folder), { recursive: true })
const browser = await openBrowser()
try {
  for (const shot of shots) await take(browser, base.replace(/\/$/, ''), resolve(folder), shot)
} finally {
  await browser.close()
}
process.stdout.write(`${String(shots.length * sizes.length * themes.length)} pictures in ${resolve(folder)}\n`)
