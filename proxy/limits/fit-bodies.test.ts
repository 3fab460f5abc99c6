import { expect, test } from 'vitest'
import type { BodyPieces } from '../../core/exchange.js'
import { fitBodies } from './fit-bodies.js'

const body = (text: string, size = 3): BodyPieces => ({
  pieces: Array.from({ length: Math.ceil(text.length / size) }, (_, i) => Buffer.from(text.slice(i * size, (i + 1) * size))),
  length: text.length,
  encoding: null,
  truncated: false,
})
const text = (fitted: BodyPieces | null): string | null => (fitted === null ? null : Buffer.concat([...fitted.pieces]).toString())

test('what fits stays as it is', () => {
  const [req, res] = [body('abcdefgh'), body('12')]
  expect(fitBodies(req, res, 10)).toEqual([req, res])
  expect(fitBodies(null, res, 2)).toEqual([null, res])
})

test('one over: the long one keeps the first three quarters and the last quarter of what the short one leaves', () => {
  const [req, res] = fitBodies(body('abcdefghijkl'), body('12'), 10)
  expect([text(req), text(res), req?.length, req?.truncated, res?.truncated]).toEqual(['abcdefkl', '12', 8, true, false])
})

test.each([1, 2, 3, 5, 100])('both long: half for each, whatever the pieces of %i', (size) => {
  const [req, res] = fitBodies(body('abcdefghijkl', size), body('123456789012', size), 8)
  expect([text(req), text(res)]).toEqual(['abcl', '1232'])
})

test.each([0, -5])('no room (%i): neither is kept', (room) =>
  expect(fitBodies(body('abc'), body('1'), room)).toEqual([null, null]),
)
