import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { configurationPage } from './config-docs.js'

test('docs/configuration.md is what `weir config --docs` makes now', () => {
  expect(readFileSync(new URL('../docs/configuration.md', import.meta.url), 'utf8')).toBe(configurationPage())
})

test('a key of each kind is told with what is accepted and its default in its own unit', () => {
  const page = configurationPage()
  expect(page).toContain('| `timeouts.idle` | time, as `500ms` `30s` `10m` `1h` | `5m` |')
  expect(page).toContain('| `ceilings.body` | size, as `512KiB` `256MiB` `2GiB` | `256MiB` |')
  expect(page).toContain('| `journal.durability` | `off` `standard` `strict` | `standard` |')
  expect(page).toContain('| `exports[].endpoint` | URL | required |')
  expect(page).toContain('| `providers.<name>.propagate` | `true` `false` or `all` |')
})
