import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { builtInProviders } from '../core/providers/registry.js'
import { requestHeaders } from '../core/request-headers.js'

const root = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const ticked = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word)

describe('docs/headers.md', () => {
  const page = read('docs/headers.md')
  const named = (state: string): string[] =>
    requestHeaders.flatMap(({ name, state: is }) => (is === state && !/[<*]/.test(name) ? [name] : [])).sort()

  test('tells every header that has an effect, and whether Helicone-* is a synonym', () => {
    const rows = [...page.matchAll(/^\| `([A-Z][\w-]*)` *\| (H?) *\| /gm)].map(
      ([, name, synonym]) => [name, synonym === 'H'] as const,
    )
    const used = requestHeaders
      .filter(({ name, state }) => state === 'used' && !name.includes('<'))
      .map(({ name, helicone }) => [name, helicone] as const)
    expect(rows.sort()).toEqual(used.sort())
  })

  test('tells every header that has none yet, and every reserved one', () => {
    const line = (start: string): string => page.split('\n').find((text) => text.startsWith(start)) ?? ''
    const without = (words: string[], ...others: string[]): string[] => words.filter((word) => !others.includes(word)).sort()
    expect(without(ticked(line('Accepted, taken off')), 'Weir-Warning: ignored')).toEqual(named('later'))
    expect(without(ticked(line('Refused as reserved')), 'Guard*', 'Score-*')).toEqual(named('reserved'))
  })

  test('tells every built-in provider with its aliases', () => {
    const line = page.split('\n').find((text) => text.startsWith('Providers: ')) ?? ''
    const names = [...builtInProviders.values()].flatMap(({ name, aliases }) => [name, ...aliases])
    expect(
      ticked(line)
        .filter((word) => word !== 'providers')
        .sort(),
    ).toEqual([...new Set(names)].sort())
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
