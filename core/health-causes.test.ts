import { expect, test } from 'vitest'
import { Registry } from 'prom-client'
import { degradedMetric } from './degraded.js'
import { causeOf, causesOfTeller, inGeneral, quoted, wordOf } from './health-causes.js'
import { metricMaker } from './metric-maker.js'

test('a cause of one among several carries its name, and is split again', () => {
  const cause = causeOf('export_failing', 'It is 5 s behind.', 'jaeger')
  expect(cause).toMatchObject({ cause: 'export_failing{jaeger}', effect: 'It is 5 s behind.' })
  expect(wordOf(cause.cause)).toEqual({ word: 'export_failing', of: 'jaeger' })
  expect(wordOf('journal_full')).toEqual({ word: 'journal_full', of: null })
})

test('in general nothing is left of figures, addresses and names', () => {
  const told = inGeneral(causeOf('export_failing', 'The collector at 10.0.0.7 is 5 s behind.', 'jaeger'))
  expect(told.cause).toBe('export_failing')
  expect(JSON.stringify(told)).not.toMatch(/10\.0\.0\.7|jaeger|5 s/)
  expect(told.effect).toMatch(/takes nothing/)
})

test('what somebody else said is one line, and not endless', () => {
  expect(quoted('It is away.', `first\nsecond`)).toBe('It is away. first')
  expect(quoted('It is away.', 'no way to http://weir:passw0rd@h')).toBe('It is away. no way to http://[hidden]@h')
  expect(quoted('It is away.', null)).toBe('It is away.')
  expect(quoted('It is away.', 'x'.repeat(5000))).toHaveLength(312)
})

test('weir_degraded tells every word of its process, and each destination that fails', async () => {
  const registry = new Registry()
  let causes = [{ cause: 'export_failing{jaeger}' }, { cause: 'export_failing{it"s}' }, { cause: 'dead_letters' }]
  degradedMetric(metricMaker(registry), () => ({ tellers: ['ingest', 'web'], causes }))
  const told = async () => (await registry.metrics()).split('\n').filter((line) => line.startsWith('weir_degraded{'))
  const words = new Set(
    [...causesOfTeller('ingest'), ...causesOfTeller('web')].flatMap(({ word, each }) => (each === null ? [word] : [])),
  )
  expect(await told()).toHaveLength(words.size + 2)
  expect(await told()).toEqual(
    expect.arrayContaining([
      'weir_degraded{cause="export_failing",destination="jaeger"} 1',
      'weir_degraded{cause="export_failing",destination="it\\"s"} 1',
      'weir_degraded{cause="dead_letters"} 1',
      'weir_degraded{cause="analytics_unreachable"} 0',
      'weir_degraded{cause="proxy_unreachable"} 0',
    ]),
  )
  causes = []
  expect((await told()).filter((line) => !line.endsWith(' 0'))).toEqual([])
  expect((await told()).join()).not.toContain('destination')
})
