// Writes the pages that are made from the code: docs/configuration.md, and the tables of other pages. Tests compare.
import { readFileSync, writeFileSync } from 'node:fs'
import { configurationPage } from '../cli/config-docs.js'
import { headersPage } from '../cli/headers-docs.js'
import { healthPage } from '../cli/health-docs.js'
import { metricsPage } from '../cli/metrics-docs.js'

const page = (name: string): URL => new URL(`../docs/${name}`, import.meta.url)

writeFileSync(page('configuration.md'), configurationPage())
writeFileSync(page('headers.md'), headersPage(readFileSync(page('headers.md'), 'utf8')))
writeFileSync(page('health.md'), healthPage(readFileSync(page('health.md'), 'utf8')))
writeFileSync(page('metrics.md'), metricsPage(readFileSync(page('metrics.md'), 'utf8')))
