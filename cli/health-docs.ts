import { healthCauses, type CauseTeller } from '../core/health-causes.js'
import { table, withTables } from './page-tables.js'

const tellerNames: Readonly<Record<CauseTeller, string>> = { proxy: 'proxy', ingest: 'ingest', web: 'web' }

const causeTable = (): string =>
  table(
    ['cause', 'told by', 'means', 'what to do'],
    Object.entries(healthCauses).map(([word, rule]) => [
      `\`${word}${'each' in rule ? `{${rule.each}}` : ''}\``,
      rule.tellers.map((teller) => tellerNames[teller]).join(', '),
      rule.means,
      rule.advice,
    ]),
  )

/** docs/health.md with its table made anew from the code's own (core/health-causes.ts). */
export const healthPage = (page: string): string => withTables('health.md', page, { causes: causeTable })
