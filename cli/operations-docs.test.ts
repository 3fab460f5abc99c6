import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const page = read('docs/operations.md')
const anchorOf = (heading: string): string => heading.toLowerCase().replaceAll(' ', '-')
const headings = (level: number, text = page): string[] =>
  [...text.matchAll(new RegExp(`^${'#'.repeat(level)} (.+)$`, 'gm'))].map(([, heading = '']) => heading)

describe('docs/operations.md', () => {
  test('every alert has its section, and every section its alert', () => {
    const { groups } = parse(read('deploy/prometheus/alerts.yml')) as { groups: { rules: { alert: string }[] }[] }
    const kebab = (name: string): string => name.replace(/(?<!^)[A-Z]/g, '-$&').toLowerCase()
    const part = page.slice(page.indexOf('\n## Alerts\n'), page.indexOf('\n## Past one machine\n'))
    expect(headings(3, part).map(anchorOf)).toEqual(groups.flatMap(({ rules }) => rules.map(({ alert }) => kebab(alert))))
    for (const section of part.split('\n### ').slice(1))
      for (const word of ['means', 'effect', 'look', 'mend'])
        expect(section, section.split('\n')[0]).toMatch(new RegExp(`\\*\\*${word}\\*\\*`, 'i'))
  })

  test('links within the page lead somewhere', () => {
    const anchors = new Set([2, 3].flatMap((level) => headings(level).map((heading) => anchorOf(heading.replaceAll('?', '')))))
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = '']) => anchor)
    expect(links.length).toBeGreaterThan(8)
    expect(links.filter((anchor) => !anchors.has(anchor))).toEqual([])
  })

  // Whoever measures anew changes the bytes of a call; what follows from them follows.
  test('the table of sizes is the arithmetic of the bytes of a call', () => {
    const cells = (start: string): string[] => {
      const line = page.split('\n').find((one) => one.startsWith(`| ${start}`))
      return (line ?? '')
        .split('|')
        .slice(2, -1)
        .map((cell) => cell.trim())
    }
    const second = (start: string): number => Number(cells(start)[1]?.replaceAll(',', ''))
    const [journal, kafka, bodies] = ['journal, until', 'Kafka, each', 'ClickHouse, bodies'].map(second) as [
      number,
      number,
      number,
    ]
    const rows = second('ClickHouse, the row') + second('ClickHouse, five') + 1
    const size = (bytes: number): string => {
      const [unit, most] = bytes >= 1e12 ? ['TB', 1e12] : ['GB', 1e9]
      return `${Number((bytes / most).toPrecision(3))} ${unit}`
    }
    const day = 86_400
    const wanted: Record<string, (rate: number) => string> = {
      'rows and roll-ups, 400': (rate) => size(400 * day * rate * rows),
      'bodies, 30': (rate) => size(30 * day * rate * bodies),
      'written to the journal': (rate) => size(day * rate * journal),
      'journal of 20 GiB': (rate) => `${Number(((20 * 1024 ** 3) / journal / rate / 3600).toPrecision(3))} h`,
      'Kafka, 7 days': (rate) => size(7 * day * rate * kafka * 3),
    }
    for (const [row, formula] of Object.entries(wanted)) expect([row, cells(row)]).toEqual([row, [1, 10, 100, 1000].map(formula)])
  })
})
