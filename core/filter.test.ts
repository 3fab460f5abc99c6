import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Filter, FilterError, filterFields, operatorsOf, parseFilter, printFilter } from './filter.js'

const term = (field: string, op: string, ...values: string[]): Filter =>
  ({ kind: 'term', field, key: null, op, values }) as Filter

describe('parseFilter', () => {
  test('empty text lets everything pass', () => expect(parseFilter('  ')).toBeNull())

  test('and binds closer than or, parentheses closest', () => {
    expect(parseFilter('provider = openai and status >= 400 or user_id = ada')).toEqual({
      kind: 'or',
      items: [
        { kind: 'and', items: [term('provider', '=', 'openai'), term('status', '>=', '400')] },
        term('user_id', '=', 'ada'),
      ],
    })
    expect(parseFilter('provider=openai AND (status>=400 OR user_id=ada)')).toEqual({
      kind: 'and',
      items: [term('provider', '=', 'openai'), { kind: 'or', items: [term('status', '>=', '400'), term('user_id', '=', 'ada')] }],
    })
  })

  test.each<[string, Filter]>([
    ['outcome in (stall, "client_abort")', term('outcome', 'in', 'stall', 'client_abort')],
    ['outcome not in (complete)', term('outcome', 'not in', 'complete')],
    [`user_id = 'o''hara'`, term('user_id', '=', "o'hara")],
    ['user_id = "say ""hi"""', term('user_id', '=', 'say "hi"')],
    ['endpoint ~ /v1/chat', term('endpoint', '~', '/v1/chat')],
    ['cost = null', { kind: 'term', field: 'cost', key: null, op: '=', values: null }],
    ['user_id = null', term('user_id', '=', 'null')],
    ['prop.feature = search', { kind: 'term', field: 'prop', key: 'feature', op: '=', values: ['search'] }],
    ['prop."my key" !~ x', { kind: 'term', field: 'prop', key: 'my key', op: '!~', values: ['x'] }],
  ])('%s', (source, expected) => expect(parseFilter(source)).toEqual(expected))

  test.each([
    ['statsu = 1', 'Did you mean status?'],
    ['status = abc', 'a whole number'],
    ['status ~ 4', 'does not take "~"'],
    ['cost > 1e5', 'a decimal'],
    ['cost > null', 'null goes with'],
    ['provider', 'An operator is expected'],
    ['provider =', 'A value is expected'],
    ['provider = a b', 'is not expected here'],
    ['(provider = a', 'A ")" is missing'],
    ['provider = "a', 'is not closed'],
    ['provider in a', 'A list in parentheses'],
    ['provider in (a', '"," or ")"'],
    ['id = 17', 'a whole id'],
    ['prop. = 1', 'prop.<key>'],
    ['__proto__ = 1', 'is not a field'],
    ['constructor = 1', 'is not a field'],
    ['('.repeat(50) + 'provider = a' + ')'.repeat(50), 'groups'],
    [Array.from({ length: 65 }, () => 'provider = a').join(' and '), '64 terms'],
    ['provider = a'.padEnd(4097), '4096 characters'],
  ])('%s is refused', (source, says) => {
    expect(() => parseFilter(source)).toThrow(FilterError)
    expect(() => parseFilter(source)).toThrow(says)
  })
})

const texts = fc.string({ unit: 'binary', maxLength: 40 })
const leaf = fc.oneof(
  fc
    .constantFrom(...Object.keys(filterFields).filter((name) => filterFields[name as 'model'].type === 'text'))
    .chain((field) =>
      fc
        .constantFrom(...operatorsOf('text'))
        .chain((op) =>
          fc.array(texts, { minLength: 1, maxLength: op.endsWith('in') ? 4 : 1 }).map((values) => term(field, op, ...values)),
        ),
    ),
  fc
    .tuple(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), texts)
    .map(([key, value]): Filter => ({ kind: 'term', field: 'prop', key, op: '=', values: [value] })),
  fc.integer({ min: -999_999, max: 999_999 }).map((n) => term('tokens', '<=', String(n))),
)

test('what is printed reads back the same', () => {
  fc.assert(
    fc.property(leaf, leaf, leaf, (a, b, c) => {
      for (const filter of [
        a,
        { kind: 'and', items: [a, { kind: 'or', items: [b, c] }] },
        { kind: 'or', items: [a, { kind: 'and', items: [b, c] }] },
      ] as Filter[])
        expect(parseFilter(printFilter(filter))).toEqual(filter)
    }),
  )
})

test('no text makes it throw anything but a FilterError', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (source) => {
      try {
        parseFilter(source)
      } catch (cause) {
        expect(cause).toBeInstanceOf(FilterError)
      }
    }),
  )
})
