import { metrics, type MetricRole, type MetricRule } from '../core/metrics.js'
import { table, withTables } from './page-tables.js'

const ticked = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(' ')

/** Of one role, or of all of them. */
const tableOf = (belongs: (roles: readonly MetricRole[]) => boolean): string =>
  table(
    ['name', 'type', 'unit', 'labels', 'tells'],
    Object.entries<MetricRule>(metrics).flatMap(([name, { type, roles, unit, help, labels, only }]) =>
      belongs(roles) ? [[`\`${name}\``, type, unit, ticked(labels), only === undefined ? help : `${help} Where ${only}.`]] : [],
    ),
  )

const isShared = (roles: readonly MetricRole[]): boolean => roles.length === 3

const of = (role: MetricRole) => (): string => tableOf((roles) => roles.includes(role) && !isShared(roles))

/** docs/metrics.md with its tables made anew from the code's own (core/metrics.ts). */
export const metricsPage = (page: string): string =>
  withTables('metrics.md', page, {
    proxy: of('proxy'),
    ingest: of('ingest'),
    web: of('web'),
    'every role': () => tableOf(isShared),
  })
