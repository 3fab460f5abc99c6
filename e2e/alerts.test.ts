import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { healthCauses } from '../core/health-causes.js'
import { metrics } from '../core/metrics.js'
import { promtool } from './support/promtool.js'

const folder = fileURLToPath(new URL('../deploy/prometheus/', import.meta.url))
const rules = (
  parse(readFileSync(`${folder}alerts.yml`, 'utf8')) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary: string; runbook: string } }[] }[]
  }
).groups.flatMap((group) => group.rules)
const kebab = (name: string): string => name.replace(/(?<!^)[A-Z]/g, '-$&').toLowerCase()

describe('deploy/prometheus', () => {
  test('alerts ask for metrics that Weir tells, by labels that they have', () => {
    for (const { alert, expr } of rules)
      for (const [, name = '', , matchers = ''] of expr.matchAll(
        /\b((?:weir|process|nodejs|gen_ai)_[a-z0-9_]+)(\{([^}]*)\})?/g,
      )) {
        const base = name.replace(/_(?:bucket|sum|count)$/, '')
        const rule = (metrics as Readonly<Record<string, { labels: readonly string[] }>>)[name in metrics ? name : base]
        expect([alert, name, rule !== undefined]).toEqual([alert, name, true])
        for (const [, label = ''] of matchers.matchAll(/(\w+)(?:=~?|!=|!~)"/g))
          expect(['job', 'instance', 'le', ...(rule?.labels ?? [])]).toContain(label)
      }
  })

  test('every cause that a process tells of itself has its alert', () => {
    const asked = new Set(rules.flatMap(({ expr }) => [...expr.matchAll(/cause="(\w+)"/g)].map(([, cause]) => cause)))
    // Whoever stops it knows; one that does not answer is seen by the scrape; letters are counted.
    const otherwise = new Set(['draining', 'proxy_unreachable', 'ingest_unreachable', 'dead_letters'])
    expect([...asked].sort()).toEqual(
      Object.keys(healthCauses)
        .filter((word) => !otherwise.has(word))
        .sort(),
    )
    expect(rules.map(({ alert }) => alert)).toEqual(expect.arrayContaining(['WeirDown', 'WeirDeadLetters']))
  })

  test('every alert leads to its part of docs/operations.md', () => {
    const page = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8')
    for (const { alert, annotations } of rules) {
      const anchor = kebab(alert)
      expect(annotations.runbook).toBe(`docs/operations.md#${anchor}`)
      expect(page, anchor).toMatch(new RegExp(`^#+ ${anchor}$|<a id="${anchor}">`, 'm'))
    }
  })

  describe.skipIf(promtool === null)('by promtool (WEIR_TEST_PROMTOOL is set)', () => {
    test.each([
      ['check', 'rules', 'alerts.yml'],
      ['test', 'rules', 'alerts.test.yml'],
      ['check', 'config', '--syntax-only', 'prometheus.yml'],
    ])('%s %s %s', (...args) => {
      const { status, stdout, stderr } = spawnSync(promtool ?? '', args, { cwd: folder, encoding: 'utf8' })
      expect([status, stderr]).toEqual([0, ''])
      expect(stdout).toContain('SUCCESS')
    })
  })
})
