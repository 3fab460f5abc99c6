import { readFileSync } from 'node:fs'
import { differences, type Difference } from './differences.js'

const guide = new URL('./guide.md', import.meta.url)

const verdicts: Readonly<Record<Difference['right'], string>> = { ours: 'ours', theirs: 'theirs', either: 'either' }

const row = ({ package: name, models, usages, right, reason, checked }: Difference): readonly string[] => [
  models.map((model) => `\`${model}\``).join(', '),
  usages.join(', '),
  name,
  verdicts[right],
  reason,
  checked,
]

/** A Markdown table with columns as wide as their longest cell, the way prettier lays it out. */
const table = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(3, ...rows.map((cells) => (cells[column] ?? '').length)))
  const line = (cells: readonly string[]): string => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = rows
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)].join('\n')
}

/** docs/prices.md: the guide, then every reviewed difference by provider. `npm run prices:diff -- --write-docs` writes it. */
export const pricesPage = (): string => {
  const all = differences()
  const providers = [...new Set(all.map(({ provider }) => provider))].sort()
  const head = ['Model', 'Use', 'Package', 'Right', 'Why', 'Checked']
  const parts = providers.map((provider) => {
    const rows = all.filter((one) => one.provider === provider).map(row)
    return `### ${provider}\n\n${table([head, ...rows])}`
  })
  return `${readFileSync(guide, 'utf8').trimEnd()}\n\n${parts.join('\n\n')}\n`
}
