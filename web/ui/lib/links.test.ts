import { expect, test } from 'vitest'
import { safeHref, safeImage } from './links.js'

test.each([
  'javascript:alert(1)',
  ' javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'java\nscript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  '/requests?filter=x',
  '//evil.example',
  'file:///etc/passwd',
  '',
])('%j is no link', (href) => {
  expect(safeHref(href)).toBeNull()
})

test('web and mail addresses are', () => {
  expect(safeHref('https://example.com/a?b')).toBe('https://example.com/a?b')
  expect(safeHref('mailto:ada@example.com')).toBe('mailto:ada@example.com')
})

test('only inline pictures of harmless kinds are drawn', () => {
  expect(safeImage('data:image/png;base64,iVBORw0KGgo=')).not.toBeNull()
  expect(safeImage('data:image/svg+xml;base64,PHN2Zz4=')).toBeNull()
  expect(safeImage('https://example.com/x.png')).toBeNull()
  expect(safeImage('data:text/html;base64,PHN2Zz4=')).toBeNull()
})
