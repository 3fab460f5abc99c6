import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { healthCauses } from '../core/health-causes.js'
import { metrics, type MetricRule } from '../core/metrics.js'
import { healthPage } from './health-docs.js'
import { metricsPage } from './metrics-docs.js'

const read = (name: string): string => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8')
const firstCells = (page: string): string[] => [...page.matchAll(/^\| `([^`|]+)` \|/gm)].map(([, name = '']) => name)

test('docs/health.md has what `npm run docs` makes now, and every cause', () => {
  const page = read('health.md')
  expect(page).toBe(healthPage(page))
  const told = firstCells(page.slice(page.indexOf('<!-- causes'))).map((name) => name.replace(/\{.*/, ''))
  expect(told).toEqual(expect.arrayContaining(Object.keys(healthCauses)))
})

test('docs/metrics.md has what `npm run docs` makes now, every metric of the table and no other', () => {
  const page = read('metrics.md')
  expect(page).toBe(metricsPage(page))
  expect([...new Set(firstCells(page))].sort()).toEqual(Object.keys(metrics).sort())
})

test('names follow the rules: what counts ends in _total, units are seconds and bytes, labels name nobody', () => {
  for (const [name, { type, labels, unit, buckets }] of Object.entries<MetricRule>(metrics)) {
    expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter'])
    if (unit === 'seconds' || unit === 'bytes') expect(name).toMatch(new RegExp(`_${unit}(?:_total)?$`))
    expect([name, buckets !== undefined]).toEqual([name, type === 'histogram'])
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
    for (const label of labels) {
      expect(label).toMatch(/^[a-z][a-z0-9_]*$/)
      expect(label).not.toMatch(/user|session|tenant|key|(?:^|_)id$/)
    }
  }
})
