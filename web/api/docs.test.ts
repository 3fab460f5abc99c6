import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { filterFields } from '../../core/filter.js'
import { liveNeeds } from './live.js'
import { problems } from './problems.js'
import { routes } from './server.js'

const text = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8')
const rows = (from: string, to: string | null): string[][] => {
  const part = text.slice(text.indexOf(from), to === null ? undefined : text.indexOf(to))
  return [...part.matchAll(/^\| (`.*) \|$/gm)].map(([, line = '']) =>
    line.split(' | ').map((cell) => cell.replaceAll('`', '').trim()),
  )
}

test('docs/api.md names every field of the filter, and no other', () => {
  expect(rows('## The filter', '## Errors')).toEqual(
    Object.entries(filterFields).map(([name, { type, meaning }]) => [name, type, meaning]),
  )
})

test('docs/api.md names every error code, and no other', () => {
  expect(rows('## Errors', null)).toEqual(
    Object.entries(problems).map(([code, { status, title }]) => [code, String(status), title]),
  )
})

test('docs/api.md names every endpoint, and no other', () => {
  const named = rows('# The web API', '## Who may ask')
    .flatMap(([calls = '']) => calls.split(/, (?=GET|POST|DELETE)/))
    .flatMap((call) => {
      const [method = '', path] = call.split(' ')
      return path === undefined ? [{ method, path: '' }] : [{ method, path }]
    })
    // `GET`, `POST /api/views`: a method alone belongs to the next path.
    .reduceRight<string[]>(
      (all, { method, path }) => [`${method} ${path === '' ? (all[0]?.split(' ')[1] ?? '') : path}`, ...all],
      [],
    )
  const beside = ['GET /api/live', 'GET /api/session', 'POST /api/session', 'DELETE /api/session']
  expect(named.sort()).toEqual([...routes.map(({ method, path }) => `${method.toUpperCase()} ${path}`), ...beside].sort())
})

test('docs/api.md says what each endpoint wants of a key', () => {
  const wants = new Map(
    rows('# The web API', '## Who may ask').flatMap(([calls = '', , scopes = '']) =>
      calls.split(', ').map((call) => [call, scopes] as const),
    ),
  )
  for (const { method, path, needs } of routes)
    expect([path, wants.get(`${method.toUpperCase()} ${path}`)]).toEqual([
      path,
      needs === 'sql here' ? 'sql; off loopback admin' : needs.join(', '),
    ])
  expect(wants.get('GET /api/live')).toBe(liveNeeds.join(', '))
})
