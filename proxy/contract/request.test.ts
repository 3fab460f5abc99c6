import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../../cli/fake-provider/server.js'
import { requestHeaders } from '../../core/request-headers.js'
import { agreed, agreedReserved, agreedWithout, type Agreed } from './testing.js'
import { startHouse, type House } from './testing-house.js'

let fake: FakeProvider
let house: House
beforeAll(async () => {
  fake = await startFakeProvider()
  house = await startHouse(fake.origin, 'configs: { careful: { Retry-Enabled: true } }\n')
})
afterAll(async () => {
  await house.close()
  await fake.close()
})

/** A header stands for each of a family. */
const named = (name: string): string => name.replace('<Provider>', 'Anthropic').replace('<Name>', 'Feature')
const shown = (value: string): string => (value.length > 40 ? `${value.slice(0, 20)}... (${value.length})` : value)
const grammarOf = (name: string): string => requestHeaders.find((header) => header.name === name)?.grammar ?? ''

const cases = <T extends string>(pick: (header: Agreed) => readonly string[], of: (header: Agreed) => boolean = () => true) =>
  agreed.filter(of).flatMap((header) => pick(header).map((value) => [header.name, shown(value), value] as [string, string, T]))

const spellings = (header: Agreed): readonly string[] => (header.helicone ? ['Weir-', 'Helicone-'] : ['Weir-'])

/** What an upstream must not see (case 1); `Weir-Hop` is told to origins that are not built in. */
const ours = (): string[] =>
  fake.seen.flatMap(({ headers }) => Object.keys(headers).filter((name) => /^(?:weir-(?!hop$)|helicone-|__helicone-)/.test(name)))

describe('a good value is taken, in each spelling, and goes no further', () => {
  test.each(cases(({ good }) => good))('%s: %s', async (name, _, value) => {
    const header = agreed.find((each) => each.name === name) as Agreed
    for (const prefix of spellings(header)) {
      const before = fake.total()
      const { status, headers, text } = await house.call({ [prefix + named(name)]: value })
      expect([status, text.includes('bad_header')], text).toEqual([200, false])
      expect(String(headers['weir-warning'] ?? '')).not.toMatch(/bad-value|unknown-header/)
      expect(fake.total()).toBeGreaterThan(before)
    }
    expect(ours()).toEqual([])
  })
})

describe('case 3: a bad value of a Weir-* header is a 400 that names header and grammar, and nobody is asked', () => {
  test.each(cases(({ bad }) => bad))('%s: %s', async (name, _, value) => {
    const before = fake.total()
    const sent = `Weir-${named(name)}`
    const { status, headers, body, id } = await house.call({ [sent]: value })
    expect([status, headers['weir-error'], fake.total() - before]).toEqual([400, 'bad_header', 0])
    expect(body).toMatchObject({ error: { code: 'bad_header', type: 'invalid_request_error', param: sent } })
    const message = (body as { error: { message: string } }).error.message
    expect(message.startsWith(`${sent}: `), message).toBe(true)
    if (!(name === 'Config' && value === 'nobody')) {
      expect(message).toMatch(/accepted (?:is|are) /)
      // The whole grammar, but where a shorter one says what was wrong.
      if (name !== 'Property-<Name>') expect(message).toContain(grammarOf(name).split(',')[0])
    }
    expect(message.includes(value) && value.length > 20, 'the value is not told').toBe(false)
    expect(await house.end(id)).toMatchObject({ outcome: 'refused', status: 400, error: { code: 'bad_header' } })
  })
})

const twins = agreed.filter(({ helicone }) => helicone)

describe('case 4: a bad value of a Helicone-* header passes and is warned of, on the answer and on the row', () => {
  test.each(twins.filter(({ lenient }) => lenient !== 'refused').map(({ name, bad, lenient }) => [name, lenient, bad[0] ?? '']))(
    '%s: %s',
    async (name, lenient, value) => {
      const sent = `Helicone-${named(name)}`
      const { status, headers, id, text } = await house.call({ [sent]: value })
      expect(status, text).toBe(200)
      const warning = `${lenient};h="${sent.toLowerCase()}"`
      expect(String(headers['weir-warning']).split(', ')).toContain(warning)
      expect((await house.end(id)).warnings).toContain(warning)
    },
  )

  test.each(twins.filter(({ lenient }) => lenient === 'refused').map(({ name, bad }) => [name, bad[0] ?? '']))(
    '%s is a 400 all the same',
    async (name, value) => {
      const before = fake.total()
      const { status, headers } = await house.call({ [`Helicone-${named(name)}`]: value })
      expect([status, headers['weir-error'], fake.total() - before]).toEqual([400, 'bad_header', 0])
    },
  )

  test('over 10 retries are lowered', async () => {
    const { status, headers } = await house.call({ 'Helicone-Retry-Enabled': 'true', 'Helicone-Retry-Num': '11' })
    expect([status, headers['weir-warning']]).toEqual([200, 'capped;h="helicone-retry-num"'])
    expect((await house.call({ 'Weir-Retry-Num': '11' })).status).toBe(400)
  })
})

describe('strict: Helicone-* is refused like ours', () => {
  test.each(twins.filter(({ lenient }) => lenient !== 'refused').map(({ name, bad }) => [name, bad[0] ?? '']))(
    '%s',
    async (name, value) => {
      const strict = await startHouse(fake.origin, 'compat: { helicone: strict }\n')
      try {
        const before = fake.total()
        const { status, headers } = await strict.call({ [`Helicone-${named(name)}`]: value })
        expect([status, headers['weir-error'], fake.total() - before]).toEqual([400, 'bad_header', 0])
      } finally {
        await strict.close()
      }
    },
  )
})

describe('headers without effect', () => {
  const whole = (name: string): string => name.replace('*', name.endsWith('-*') ? 'x' : '-x')

  test.each(agreedReserved)('Weir-%s is refused', async (name) => {
    const before = fake.total()
    const { status, headers } = await house.call({ [`Weir-${whole(name)}`]: 'x' })
    expect([status, headers['weir-error'], fake.total() - before]).toEqual([400, 'reserved_header', 0])
  })

  test.each([
    ...agreedWithout.ignored.map((name) => ['ignored', name] as const),
    ...agreedWithout['guard-missing'].map((name) => ['guard-missing', name] as const),
  ])('%s: Helicone-%s', async (warning, name) => {
    const sent = `Helicone-${whole(name)}`
    const { status, headers, id } = await house.call({ [sent]: 'x' })
    expect([status, headers['weir-warning']]).toEqual([200, `${warning};h="${sent.toLowerCase()}"`])
    expect((await house.end(id)).warnings).toEqual([`${warning};h="${sent.toLowerCase()}"`])
    expect(ours()).toEqual([])
  })

  test('Redact is taken and warned of', async () => {
    expect((await house.call({ 'Weir-Redact': 'card' })).headers['weir-warning']).toBe('ignored;h="weir-redact"')
  })
})

describe('names', () => {
  test('case 6: a misspelt one is refused, and the nearest one named', async () => {
    const before = fake.total()
    const { status, body } = await house.call({ 'Weir-Omit-Requst': 'true' })
    expect([status, fake.total() - before]).toEqual([400, 0])
    expect(body).toMatchObject({
      error: { code: 'unknown_header', message: expect.stringContaining('Did you mean Weir-Omit-Request?') as string },
    })
  })

  test.each(agreed.filter(({ name }) => !name.includes('<')).map(({ name }) => name))('%s, misspelt', async (name) => {
    const { body } = await house.call({ [`Weir-${name}x`]: 'x' })
    expect(body).toMatchObject({
      error: { code: 'unknown_header', message: expect.stringContaining(`Did you mean Weir-${name}?`) as string },
    })
  })

  test('one of Helicone that nobody knows is a warning', async () => {
    const { status, headers } = await house.call({ 'Helicone-Retry-Nun': '1' })
    expect([status, headers['weir-warning']]).toEqual([200, 'unknown-header;h="helicone-retry-nun"'])
  })

  test('a thousand of them, or one that is very long, break nothing', async () => {
    const many = await house.ask({ headers: Array.from({ length: 1000 }, (_, i) => [`Helicone-Nope-${i}`, 'x'] as const) })
    expect(many.status).toBe(200)
    expect(String(many.headers['weir-warning']).split(', ')).toHaveLength(64)
    const long = await house.call({ [`Helicone-${'n'.repeat(10_000)}`]: 'x' })
    expect([long.status, String(long.headers['weir-warning']).length]).toEqual([200, 'unknown-header;h=""'.length + 96])
  })

  test('one that is ours alone is none of Helicone', async () => {
    for (const { name } of agreed.filter(({ helicone, name: its }) => !helicone && !its.includes('<')))
      expect((await house.call({ [`Helicone-${name}`]: 'x' })).headers['weir-warning']).toBe(
        `unknown-header;h="helicone-${name.toLowerCase()}"`,
      )
  })
})

describe('values', () => {
  test('case 5: both spellings at once: ours counts, and says so', async () => {
    const { id, headers } = await house.call({ 'Weir-User-Id': 'a', 'Helicone-User-Id': 'b' })
    expect(headers['weir-warning']).toBe('shadowed;h="helicone-user-id"')
    expect(await house.end(id)).toMatchObject({ identity: { userId: 'a' }, warnings: ['shadowed;h="helicone-user-id"'] })
  })

  test.each([
    ["UTF-8''Zo%C3%AB", 'Zoë'],
    ['a%20b', 'a%20b'],
    [Buffer.from('Zoë à').toString('latin1'), 'Zoë à'],
    ['Zo\u00eb', 'Zoë'],
    [' ada ', 'ada'],
  ])('case 7: the user %s is %s', async (sent, user) => {
    const { id } = await house.call({ 'Weir-User-Id': sent })
    expect((await house.end(id)).identity.userId).toBe(user)
  })

  test('case 8: one Request-Id twice makes two rows', async () => {
    const mine = '0192e4a0-0000-7000-8000-000000000001'
    const [one, two] = [await house.call({ 'Weir-Request-Id': mine }), await house.call({ 'Helicone-Request-Id': mine })]
    expect(one.id).not.toBe(two.id)
    expect([one.headers['helicone-id'], two.headers['helicone-id']]).toEqual([mine, mine])
    for (const { id } of [one, two]) expect((await house.end(id)).identity.clientRequestId).toBe(mine)
  })

  test.each(agreed.filter(({ name, good }) => !name.includes('<') && good.length > 0).map(({ name }) => name))(
    '%s without a value is absent',
    async (name) => {
      const { status, headers } = await house.call({ [`Weir-${name}`]: '' })
      expect([status, headers['weir-warning']]).toEqual([200, name === 'Redact' ? 'ignored;h="weir-redact"' : undefined])
    },
  )

  test.each(requestHeaders.filter(({ state, list }) => state === 'used' && !list).map(({ name }) => name))(
    '%s takes one value: twice is bad, and of Helicone the first counts',
    async (name) => {
      const header = agreed.find((each) => each.name === name) as Agreed
      const [value = 'http://127.0.0.1:9'] = header.good
      const twice = (prefix: string): [string, string][] => [
        [prefix + named(name), value],
        [prefix + named(name), value],
      ]
      const refused = await house.ask({ headers: twice('Weir-') })
      expect([refused.status, refused.headers['weir-error']]).toEqual([400, 'bad_header'])
      expect(refused.text).toContain('twice')
      if (!header.helicone || header.good.length === 0) return
      const passed = await house.ask({ headers: twice('Helicone-') })
      expect(passed.status).toBe(200)
      expect(String(passed.headers['weir-warning']).split(', ')).toContain(`bad-value;h="helicone-${named(name).toLowerCase()}"`)
    },
  )

  test('64 properties of 64 characters and 1,024 bytes; one more, in either spelling', async () => {
    const many = (prefix: string, n: number): [string, string][] =>
      Array.from({ length: n }, (_, i) => [`${prefix}Property-P${i}`, `v${i}`])
    const full = await house.ask({ headers: many('Weir-', 64) })
    expect(full.status).toBe(200)
    expect(Object.keys((await house.end(full.id)).identity.properties)).toHaveLength(64)
    expect((await house.ask({ headers: many('Weir-', 65) })).text).toContain('at most 64 properties')
    const lenient = await house.ask({ headers: many('Helicone-', 66) })
    expect([lenient.status, lenient.headers['weir-warning']]).toEqual([
      200,
      'capped;h="helicone-property-p64", capped;h="helicone-property-p65"',
    ])
    expect((await house.call({ [`Weir-Property-${'n'.repeat(65)}`]: 'x' })).status).toBe(400)
  })

  test('names that objects have of their own are names like others', async () => {
    const { id } = await house.ask({
      headers: [
        ['Weir-Property-__proto__', 'a'],
        ['Weir-Property-constructor', 'b'],
      ],
    })
    const { properties } = (await house.end(id)).identity
    expect(Object.entries(properties)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
  })

  test('over 32 KiB of headers: 431, with the way out, and no row', async () => {
    const before = house.rows()
    const { status, headers, text } = await house.call({ 'Weir-User-Id': 'x'.repeat(40_000) })
    expect([status, headers['weir-error']]).toEqual([431, 'headers_too_large'])
    expect(text).toContain('fewer or shorter headers')
    expect(house.rows()).toBe(before)
  })
})

test('case 1: the answer is the upstream’s, which saw none of our headers; one row', async () => {
  const all = Object.fromEntries(
    agreed
      .filter(({ good, name }) => good.length > 0 && name !== 'Fallback')
      .map(({ name, good }) => [`Weir-${named(name)}`, good[0] ?? '']),
  )
  const before = house.rows()
  const { status, bytes, id } = await house.call({ ...all, 'aws-access-key': 'a', '__helicone-x': 'b' })
  expect(status).toBe(200)
  expect(ours()).toEqual([])
  expect(Object.keys(fake.seen.at(-1)?.headers ?? {})).not.toContain('aws-access-key')
  expect((await house.end(id)).counts.resBytes).toBe(bytes.length)
  expect(fake.seen.at(-1)?.sent?.bytes).toBe(bytes.length)
  expect(house.rows() - before).toBe(1)
})

test('case 2: a path of Helicone’s gateway that is none goes nowhere', async () => {
  const before = fake.total()
  const { status, headers } = await house.call({}, '/v1/gateway/v1/log')
  expect([status, headers['weir-error'], fake.total() - before]).toEqual([404, 'unknown_path', 0])
})
