// Writes the pages that are made from the code: docs/configuration.md, and the tables of docs/headers.md. Tests compare.
import { readFileSync, writeFileSync } from 'node:fs'
import { configurationPage } from '../cli/config-docs.js'
import { headersPage } from '../cli/headers-docs.js'

const page = (name: string): URL => new URL(`../docs/${name}`, import.meta.url)

writeFileSync(page('configuration.md'), configurationPage())
writeFileSync(page('headers.md'), headersPage(readFileSync(page('headers.md'), 'utf8')))
