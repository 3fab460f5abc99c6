import { expect, test } from 'vitest'
import { costFigure, tokenFigure } from './certainty.js'

const priced = (costUsd: string | null, costStatus: string, costReason = '') => ({ costUsd, costStatus, costReason })

test('exact, estimated, lower bound, unknown and not billed are told apart', () => {
  expect(costFigure(priced('0.0105', 'exact')).text).toBe('$0.010500')
  expect(costFigure(priced('0.0105', 'estimated', 'cut'))).toEqual({
    text: '≈ $0.010500',
    certainty: 'estimated',
    why: 'Estimated: the answer was cut before the provider told its usage.',
  })
  expect(costFigure(priced('0.0105', 'partial', 'image')).text).toBe('≥ $0.010500')
  expect(costFigure(priced(null, 'unpriced', 'unknown_model'))).toEqual({
    text: '—',
    certainty: 'unknown',
    why: 'Cost not known: no price is known for this model.',
  })
  expect(costFigure(priced('0', 'not_billable', 'refused'))).toEqual({
    text: '$0',
    certainty: 'free',
    why: 'Not billed: the call was refused.',
  })
})

test('one call shows six significant digits', () => {
  expect(costFigure(priced('0.000123456789', 'exact'), 'significant').text).toBe('$0.000123457')
})

test('tokens nobody told are a dash, never 0', () => {
  expect(tokenFigure(null, { usageSource: 'none', usageReason: 'lost' })).toEqual({
    text: '—',
    certainty: 'unknown',
    why: 'Not known: the proxy was killed during the call.',
  })
  expect(tokenFigure(0, { usageSource: 'wire', usageReason: '' }).text).toBe('0')
  expect(tokenFigure(1234, { usageSource: 'estimated', usageReason: 'cut' }).text).toBe('≈ 1,234')
})
