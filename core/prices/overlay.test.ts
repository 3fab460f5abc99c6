import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { units as known } from './cost.js'
import { hoursOf } from './hours.js'
import { decimalOf } from './money.js'

type Entry = Readonly<Record<string, unknown>>

const folder = new URL('./overlay/', import.meta.url)
const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
const readJson = (name: string): readonly Entry[] => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as readonly Entry[]

const units: ReadonlySet<string> = new Set(known)
const tiers = new Set([null, 'flex', 'priority', 'batch', 'fast', 'ultrafast'])
const day = /^20\d{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/
const isDay = (value: unknown): boolean => typeof value === 'string' && day.test(value)
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const textOrNull = (value: unknown): boolean => value === null || isText(value)

/** What each field must be; a field that is not named here is a slip. */
const fields: Readonly<Record<string, (value: unknown) => boolean>> = {
  provider: (value) => isText(value) && /^[a-z][a-z0-9-]*$/.test(value),
  model: (value) => isText(value) && value === value.trim(),
  tier: (value) => tiers.has(value as string | null),
  unit: (value) => isText(value) && units.has(value),
  usd: (value) => isText(value) && /^\d+(?:\.\d+)?$/.test(value) && (decimalOf(value)?.digits ?? -1n) >= 0n,
  per: (value) => Number.isInteger(value) && (value as number) >= 1,
  from: (value) => value === null || isDay(value),
  until: (value) => value === null || isDay(value),
  region: textOrNull,
  ctxFrom: (value) => Number.isInteger(value) && (value as number) >= 0,
  hours: (value) => value === null || (isText(value) && hoursOf(value) !== null),
  variant: textOrNull,
  source: (value) => isText(value) && URL.canParse(value) && value.startsWith('https://'),
  checked: isDay,
  licence: (value) => isText(value) && value.startsWith('fact'),
}
const optional = new Set(['variant'])

const faultOf = (entry: Entry): string | null => {
  for (const [name, accepts] of Object.entries(fields)) {
    if (entry[name] === undefined && optional.has(name)) continue
    if (!accepts(entry[name])) return `${name} is ${JSON.stringify(entry[name])}`
  }
  const unknown = Object.keys(entry).find((name) => !(name in fields))
  if (unknown !== undefined) return `${unknown} is no field`
  if (entry.from !== null && entry.until !== null && String(entry.from) >= String(entry.until)) return 'it ends before it begins'
  return null
}

const keyOf = (entry: Entry): string =>
  JSON.stringify(
    ['provider', 'model', 'tier', 'unit', 'region', 'ctxFrom', 'hours', 'variant'].map((name) =>
      name === 'model' ? String(entry.model).toLowerCase() : (entry[name] ?? null),
    ),
  )

/** Two entries of one key that hold at the same time: which of them counts would hang on their order. */
const overlaps = (entries: readonly Entry[]): readonly string[] => {
  const byKey = new Map<string, Entry[]>()
  for (const entry of entries) byKey.set(keyOf(entry), [...(byKey.get(keyOf(entry)) ?? []), entry])
  return [...byKey].flatMap(([key, same]) => {
    const sorted = [...same].sort((one, other) => String(one.from ?? '').localeCompare(String(other.from ?? '')))
    const clash = sorted.some((one, i) => {
      const next = sorted[i + 1]
      return next !== undefined && (one.until === null || String(one.until) > String(next.from ?? ''))
    })
    return clash ? [key] : []
  })
}

test('the folder holds the files the book reads', () => {
  expect(files.length).toBeGreaterThan(10)
})

describe.each(files)('%s', (name) => {
  test('every entry is one sourced fact', () => {
    const faults = readJson(name).flatMap((entry, i) => {
      const fault = faultOf(entry)
      return fault === null ? [] : [`line ${i + 2}: ${String(entry.model)} ${String(entry.unit)}: ${fault}`]
    })
    expect(faults).toEqual([])
  })
})

test('no two entries hold for the same thing at the same time', () => {
  expect(overlaps(files.flatMap(readJson))).toEqual([])
})

describe('the check itself', () => {
  const entry: Entry = {
    provider: 'openai',
    model: 'gpt-5',
    tier: null,
    unit: 'output',
    usd: '10',
    per: 1_000_000,
    from: null,
    until: null,
    region: null,
    ctxFrom: 0,
    hours: null,
    source: 'https://example.com/',
    checked: '2026-11-25',
    licence: 'fact',
  }
  test.each([
    [{ usd: 'NaN' }],
    [{ usd: '-1' }],
    [{ usd: 10 }],
    [{ unit: 'tokens' }],
    [{ source: 'their site' }],
    [{ checked: '2026-13-01' }],
    [{ tier: 'batches' }],
    [{ hours: 'at night' }],
    [{ from: '2026-02-01', until: '2026-02-01' }],
    [{ unti1: null }],
  ])('refuses %j', (change) => {
    expect(faultOf({ ...entry, ...change })).not.toBeNull()
  })

  test('takes what is right, and one price after the other', () => {
    expect(faultOf(entry)).toBeNull()
    expect(
      overlaps([
        { ...entry, until: '2026-01-01' },
        { ...entry, from: '2026-01-01' },
      ]),
    ).toEqual([])
    expect(
      overlaps([
        { ...entry, until: '2026-01-02' },
        { ...entry, from: '2026-01-01' },
      ]),
    ).toHaveLength(1)
    expect(overlaps([entry, { ...entry, usd: '11' }])).toHaveLength(1)
    expect(overlaps([entry, { ...entry, ctxFrom: 200_001 }])).toEqual([])
  })
})
