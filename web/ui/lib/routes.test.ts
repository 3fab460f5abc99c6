import { expect, test } from 'vitest'
import { address, isOurs, routeOf } from './routes.js'

test.each([
  ['/', { page: 'overview' }],
  ['', { page: 'overview' }],
  ['/start', { page: 'start' }],
  ['/requests', { page: 'requests', id: null }],
  ['/requests/', { page: 'requests', id: null }],
  ['/requests/0199-ab', { page: 'requests', id: '0199-ab' }],
  ['/requests/%E0%A4%A', { page: 'requests', id: '%E0%A4%A' }],
  ['/requests/a/b', { page: 'unknown' }],
  ['/settings/x', { page: 'unknown' }],
  ['/nowhere', { page: 'unknown' }],
])('%s', (path, route) => {
  expect(routeOf(path)).toEqual(route)
})

test('one view has one address, in whatever order it came about', () => {
  const a = address('/requests', new URLSearchParams('sort=cost&range=7d'), { filter: ['model:eq:x', 'user:eq:y'] })
  const b = address('/requests', new URLSearchParams('filter=old&range=7d&sort=cost'), { filter: ['model:eq:x', 'user:eq:y'] })
  expect(a).toBe(b)
  expect(a).toBe('/requests?filter=model%3Aeq%3Ax&filter=user%3Aeq%3Ay&range=7d&sort=cost')
})

test('null takes a parameter out', () => {
  expect(address('/', new URLSearchParams('range=7d'), { range: null })).toBe('/')
})

test('only a plain click on a link of ours is followed without a page load', () => {
  const click = { button: 0, modified: false, target: '', download: false, href: '/requests' }
  const origin = 'http://127.0.0.1:8788'
  expect(isOurs(click, origin)).toBe(true)
  expect(isOurs({ ...click, modified: true }, origin)).toBe(false)
  expect(isOurs({ ...click, button: 1 }, origin)).toBe(false)
  expect(isOurs({ ...click, target: '_blank' }, origin)).toBe(false)
  expect(isOurs({ ...click, download: true }, origin)).toBe(false)
  expect(isOurs({ ...click, href: 'http://example.com/requests' }, origin)).toBe(false)
  expect(isOurs({ ...click, href: '/api/openapi.json' }, origin)).toBe(false)
})
