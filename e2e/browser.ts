import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'

/** The system's Chromium: no browser is downloaded. */
const executable = (): string => {
  const named = process.env.WEIR_CHROMIUM
  const found = [named, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
    (path) => path !== undefined && existsSync(path),
  )
  if (found === undefined)
    throw new Error('No Chromium was found. Install the system package `chromium`, or name one in WEIR_CHROMIUM.')
  return found
}

const quiet = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Opens the browser, with a profile of its own. The caller closes it. */
export const openBrowser = (): Promise<Browser> => chromium.launch({ executablePath: executable(), args: quiet })

/** What a page did that it must not do. */
export interface Misdeeds {
  /** Errors and warnings of the console, CSP violations among them, and exceptions nobody caught. */
  readonly complaints: readonly string[]
  /** Requests to anywhere but the page's own origin. */
  readonly foreign: readonly string[]
  /** Dialogs: no page of ours opens one, so a script of somebody else's did. */
  readonly dialogs: readonly string[]
}

/** Watches a page from now on. */
export const watch = (page: Page, origin: string): Misdeeds => {
  const complaints: string[] = []
  const foreign: string[] = []
  const dialogs: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message())
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(`${origin}/`) && !url.startsWith('data:') && !url.startsWith('blob:')) foreign.push(url)
  })
  return { complaints, foreign, dialogs }
}
