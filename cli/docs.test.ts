import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { builtInProviders } from '../core/providers/registry.js'
import { heliconeOnly, requestHeaders } from '../core/request-headers.js'
import { responseHeaders } from '../core/response-headers.js'
import { agreed, agreedAnswers, agreedReserved, agreedWithout } from '../proxy/contract/testing.js'
import { headersPage } from './headers-docs.js'

const root = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => a.name.localeCompare(b.name)

describe('docs/headers.md', () => {
  const page = read('docs/headers.md')

  test('its tables are what `npm run docs` makes now', () => expect(page).toBe(headersPage(page)))

  test('tells every request header of the contract, its synonym and what holds without it, and no other', () => {
    const rows = [...page.matchAll(/^\| `([^`]+)` \| (H?) \| .+ \| (.*) \| .+ \|$/gm)].map(([, name = '', synonym, absent]) => ({
      name,
      helicone: synonym === 'H',
      absent: absent === '' ? null : absent,
    }))
    expect(rows.sort(byName)).toEqual(
      agreed
        .filter(({ later }) => later !== true)
        .map(({ name, helicone, absent }) => ({ name, helicone, absent }))
        .sort(byName),
    )
  })

  test('tells every built-in provider with its aliases', () => {
    const paths = [...page.matchAll(/^\| (`\/[^|]+`) \| `https?:/gm)].map(([, names = '']) => names)
    const names = [...builtInProviders.values()].map(({ name, aliases, segment }) =>
      [name, ...aliases].map((word) => `\`/${word}${segment === null ? '' : `/<${segment}>`}\``).join(' '),
    )
    expect(paths).toEqual(names)
  })
})

describe('the tables of the code are the contract', () => {
  test('request headers', () => {
    expect(
      requestHeaders
        .filter(({ state }) => state !== 'reserved')
        .map(({ name, helicone, absent, state }) => ({ name, helicone, absent, later: state === 'later' })),
    ).toEqual(agreed.map(({ name, helicone, absent, later }) => ({ name, helicone, absent, later: later === true })))
  })

  test('reserved ones, and those that Helicone has alone', () => {
    expect(requestHeaders.flatMap(({ name, state }) => (state === 'reserved' ? [name] : []))).toEqual(agreedReserved)
    for (const kind of ['ignored', 'guard-missing'] as const)
      expect(heliconeOnly.flatMap(({ name, warning }) => (warning === kind ? [name] : []))).toEqual(agreedWithout[kind])
  })

  test('answer headers, and their twins', () => {
    expect(Object.fromEntries(responseHeaders.flatMap(({ name, weir, twin }) => (weir ? [[name, twin]] : [])))).toEqual(
      agreedAnswers,
    )
    expect(responseHeaders.flatMap(({ name, weir, twin }) => (twin && !weir ? [name] : []))).toEqual(['Status', 'Gateway-Mode'])
  })
})

test('links between the pages lead somewhere', () => {
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    ...readdirSync(new URL('docs/', root))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ]
  for (const page of pages)
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)#]+)\)/g)) {
      if (/^https?:/.test(target) || target.endsWith('.png')) continue
      expect(existsSync(new URL(target, new URL(page, root))), `${page}: ${target}`).toBe(true)
    }
})
