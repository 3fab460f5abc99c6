import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { errors } from './errors.js'

const page = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')
const rows = [...page.matchAll(/^\| `(\w+)` *\| (\d{3}) *\| (\w+) *\| ([\w-]+) *\| (.+?) *\|$/gm)]

test('docs/errors.md holds every code with its status, origin and retry, and no other', () => {
  const told = Object.fromEntries(
    rows.map(([, code, status, origin, retry]) => [code, { status: Number(status), origin, retry }]),
  )
  expect(told).toEqual(errors)
  expect(rows).toHaveLength(Object.keys(errors).length)
})

test('every code says when, and stands on the ladder of docs/lifecycle.md', () => {
  const ladder = readFileSync(new URL('../docs/lifecycle.md', import.meta.url), 'utf8')
  for (const [, code = '', , , , when = ''] of rows) {
    expect(when.length, code).toBeGreaterThan(10)
    // The ladder writes `upstream_unreachable · _reset` for upstream_reset.
    const short = code.replace(/^upstream/, '')
    expect(ladder.includes(code) || ladder.includes(`· ${short}`), code).toBe(true)
  }
})
