import { describe, expect, test } from 'vitest'
import { decoded } from '../json-text.js'
import { jsonArraySplitter } from './json-array.js'
import { ndjsonSplitter } from './ndjson.js'
import { random, splitsOf } from './splits.js'
import type { OnEvent, Splitter } from './sse.js'
import { topLevelScanner } from './top-level.js'

const read = (open: (onEvent: OnEvent, note: (note: string) => void) => Splitter, pieces: readonly Buffer[]): unknown[] => {
  const found: unknown[] = []
  const splitter = open(
    (data) => found.push(JSON.parse(decoded(data))),
    () => undefined,
  )
  for (const piece of pieces) splitter.push(piece)
  splitter.end()
  return found
}

const anything = (next: () => number, depth = 0): unknown => {
  const pick = Math.floor(next() * (depth > 2 ? 4 : 6))
  if (pick === 0) return Math.floor(next() * 1000)
  if (pick === 1) return ['a"b', '\\', '{[}]', 'ë👋', ',:', ''][Math.floor(next() * 6)]
  if (pick === 2) return null
  if (pick === 3) return next() < 0.5
  const size = Math.floor(next() * 4)
  if (pick === 4) return Array.from({ length: size }, () => anything(next, depth + 1))
  return Object.fromEntries(
    Array.from({ length: size }, (_, at) => [['a', 'usage', 'k"x', 'model'][at], anything(next, depth + 1)]),
  )
}

describe('a JSON array', () => {
  test('gives its elements in any pieces, however it is laid out', () => {
    for (let seed = 1; seed <= 400; seed++) {
      const next = random(seed)
      const elements = Array.from({ length: Math.floor(next() * 5) }, () => ({ v: anything(next) }))
      const bytes = Buffer.from(seed % 2 === 0 ? JSON.stringify(elements, null, 2) : JSON.stringify(elements))
      for (const { name, pieces } of splitsOf(bytes, 2))
        expect(read(jsonArraySplitter, pieces), `seed ${seed}, ${name}`).toEqual(elements)
    }
  })

  test('stands on a boundary between elements only', () => {
    const splitter = jsonArraySplitter(
      () => undefined,
      () => undefined,
    )
    splitter.push(Buffer.from('[{"a":'))
    expect(splitter.atBoundary()).toBe(false)
    splitter.push(Buffer.from('1}'))
    expect(splitter.atBoundary()).toBe(true)
  })
})

test('JSON lines, ended by LF or CRLF, the last without an end', () => {
  const expected = [{ a: 1 }, { b: 'ë' }, { done: true }]
  for (const { name, pieces } of splitsOf(Buffer.from('{"a":1}\n{"b":"ë"}\r\n\r\n{"done":true}')))
    expect(read(ndjsonSplitter, pieces), name).toEqual(expected)
})

describe('the scanner for top-level keys', () => {
  const wanted = ['usage', 'model', 'a']
  const scan = (pieces: readonly Buffer[]): Record<string, unknown> => {
    const scanner = topLevelScanner(wanted)
    for (const piece of pieces) scanner.push(piece)
    return Object.fromEntries([...scanner.values()].map(([key, text]) => [key, JSON.parse(decoded(text)) as unknown]))
  }

  test('finds what JSON.parse finds, in any pieces', () => {
    for (let seed = 1; seed <= 600; seed++) {
      const next = random(seed)
      const object = Object.fromEntries(['x', 'usage', 'model', 'long', 'a'].map((key) => [key, anything(next)]))
      const bytes = Buffer.from(seed % 2 === 0 ? JSON.stringify(object, null, 1) : JSON.stringify(object))
      const expected = Object.fromEntries(wanted.map((key) => [key, object[key]]))
      for (const { name, pieces } of splitsOf(bytes, 2)) expect(scan(pieces), `seed ${seed}, ${name}`).toEqual(expected)
    }
  })

  test('does not keep a value over 64 KiB, and goes on', () => {
    const text = JSON.stringify({ a: 'x'.repeat(70_000), usage: { n: 1 } })
    expect(scan([Buffer.from(text)])).toEqual({ usage: { n: 1 } })
    // 65,536 bytes with the quotes around it are the most that is kept.
    for (const [length, kept] of [
      [65_534, true],
      [65_535, false],
    ] as const) {
      const value = 'x'.repeat(length)
      expect(scan([Buffer.from(`{"a":"${value}"}`)])).toEqual(kept ? { a: value } : {})
      // The later one of the same key counts, also where it cannot be kept.
      expect(scan([Buffer.from(`{"a":1,"a":"${value}"}`)])).toEqual(kept ? { a: value } : {})
    }
  })
})
