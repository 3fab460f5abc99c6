// Prices five uses of every model that we and another public price package know, and lists what is more than 1 % apart.
// Exits 1 when one of these has no reason in core/prices/differences.json. Needs python3 with pip, and a package registry.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { openPriceBook } from '../core/prices/book.js'
import { compare } from './prices/compare.js'
import { differences, faultsOf } from './prices/differences.js'
import { genaiPrices } from './prices/genai-prices.js'
import { litellm } from './prices/litellm.js'
import { pricesPage } from './prices/page.js'
import { review, unexplainedTable, unknownLine } from './prices/report.js'

const { values } = parseArgs({
  options: { 'write-docs': { type: 'boolean', default: false }, unknown: { type: 'boolean', default: false } },
})

if (values['write-docs']) {
  writeFileSync(new URL('../docs/prices.md', import.meta.url), pricesPage())
  console.log('docs/prices.md is written.')
  process.exit(0)
}

const faults = faultsOf(differences())
for (const fault of faults) console.error(`core/prices/differences.json: ${fault}`)

// An hour outside all peak hours, so that a run says the same in the morning and at night.
const at = new Date(`${new Date().toISOString().slice(0, 10)}T12:00:00Z`)
const book = openPriceBook()
const comparisons = [litellm(at), genaiPrices(at)].map((theirs) => {
  const comparison = compare(theirs, book, at)
  const { compared, disagreements } = comparison
  console.log(
    `${theirs.name} ${theirs.version}: ${theirs.models.length} models, ${compared} uses priced by both, ${disagreements.length} more than 1 % apart.`,
  )
  console.log(`  Without a price of ours: ${unknownLine(comparison) || 'none'}.`)
  if (values.unknown) for (const [provider, models] of comparison.unknown) console.log(`    ${provider}: ${models.join(' ')}`)
  return comparison
})

const { unexplained, unused } = review(comparisons, differences())
for (const { package: name, provider, models } of unused)
  console.log(`No longer needed: ${name}, ${provider}, ${models.join(' ')}`)
const table = unexplainedTable(unexplained)
if (table === null && faults.length === 0)
  console.log(`All of it has a reason in core/prices/differences.json (prices ${book.id}).`)
if (table !== null) {
  console.error(`\n${table}\n`)
  console.error(
    `${unexplained.length} without a reason: mend core/prices/overlay, or give the reason in core/prices/differences.json.`,
  )
}
process.exit(table === null && faults.length === 0 ? 0 : 1)
