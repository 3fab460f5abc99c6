import { expect, test } from 'vitest'
import { sumFigure } from './totals.js'

test('a sum says how sure it is', () => {
  expect(sumFigure('12.345', { unpriced: 0 })).toEqual({ text: '$12.35', certainty: 'exact', why: '' })
  expect(sumFigure('12.345', { unpriced: 0, estimated: 1 })).toMatchObject({ text: '≈ $12.35', certainty: 'estimated' })
  expect(sumFigure('12.345', { unpriced: 2, estimated: 1 })).toEqual({
    text: '≥ $12.35',
    certainty: 'partial',
    why: 'At least this much: 2 calls have no price.',
  })
  expect(sumFigure('0', { unpriced: 1 })).toMatchObject({ text: '—', certainty: 'unknown' })
  expect(sumFigure('0', { unpriced: 0 })).toMatchObject({ text: '$0.00', certainty: 'exact' })
})
