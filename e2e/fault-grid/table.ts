import { nameOf, situations, type Cell, type Outcome } from './cells.js'
import { faults } from './faults.js'

/** What one client saw, in a word or two, and what its row says where it does not show. */
const wordOf = ({ first: { id, bytes, status, end, code } }: Outcome, rowSays: RowSays): string => {
  if (bytes === 'ours') return `${status} \`${code ?? ''}\``
  if (bytes === 'B') return 'B'
  const ending = end === 'event' ? `, \`${code ?? ''}\`` : end === 'broken' ? ', cut' : ''
  if (bytes !== 'A') return '?'
  const told = rowSays(id)
  return end !== 'clean' || told === 'complete' ? `${status}${ending}` : `${status}, row \`${told}\``
}

/** Outcome of a call's row. */
type RowSays = (id: string) => string

const once = <T>(words: readonly T[]): readonly T[] => [...new Set(words)]

/** What was seen, fault by situation, as Markdown. */
export const tableOf = (cells: readonly Cell[], outcomes: ReadonlyMap<string, Outcome>, rowSays: RowSays): string => {
  const lines = [
    ['', 'fault', ...situations.map(nameOf)],
    ['---', '---', ...situations.map(() => '---')],
    ...faults.map(({ name }, index) => [
      String(index + 1),
      name,
      ...cells
        .filter(({ fault }) => fault === index + 1)
        .map(({ forms }) =>
          once(forms.flatMap(({ provider }) => outcomes.get(provider) ?? []).map((each) => wordOf(each, rowSays))).join('; '),
        ),
    ]),
  ]
  return `${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`
}

/** How long after the end of its last call the last connection to an A was gone. */
export const slowestOf = (cells: readonly Cell[], outcomes: ReadonlyMap<string, Outcome>): string => {
  const forms = cells.flatMap(({ forms }) => forms)
  const after = forms.map(({ provider, upstream }) => (upstream.emptySince() ?? 0) - (outcomes.get(provider)?.doneAt ?? 0))
  return `${cells.length} cells, ${forms.length} forms of faults. The last connection to an upstream was gone ${(Math.max(...after) / 1000).toFixed(1)} s after its last call.`
}
