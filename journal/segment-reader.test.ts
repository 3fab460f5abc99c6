import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { openJournal } from './open.js'
import { segmentHeadBytes, type StoredRecord } from './segment-format.js'
import { openSegment, type Reading, type SegmentReader } from './segment-reader.js'
import { append, testFolder } from './testing.js'

const file = (folder: string): string => join(folder, '0000000001.seg')

interface Read {
  readonly reading: Reading
  readonly records: readonly StoredRecord[]
}

const readAll = async (folder: string): Promise<Read> => {
  const reader = await openSegment(folder, 1)
  if (reader === null) throw new Error('There is no segment.')
  const records: StoredRecord[] = []
  const reading = await reader.read(0, (record) => records.push(record) > 0)
  await reader.close()
  return { reading, records }
}

/** A closed segment of a few events, small and large, and where its records lie. */
const written = async (
  sizes: readonly number[],
): Promise<{ folder: string; bytes: Buffer; records: readonly StoredRecord[] }> => {
  const dir = testFolder()
  const journal = await openJournal({ dir, durability: 'off', limitBytes: 1024 ** 3, now: Date.now })
  for (const [i, size] of sizes.entries()) await append(journal, 'end', `call-${i}`, { body: 'x'.repeat(size) })
  await journal.close()
  const folder = join(dir, readdirSync(dir)[0] as string)
  return { folder, bytes: readFileSync(file(folder)), records: (await readAll(folder)).records }
}

test('records larger and smaller than a block come whole, and can be read from any of them on', async () => {
  const { folder, bytes, records } = await written([10, 3_000_000, 1, 1_048_000, 200_000, 7])
  // The checkpoint that opens the segment, six events, the checkpoint that closes it.
  expect(records.map(({ type }) => type)).toEqual([3, 2, 2, 2, 2, 2, 2, 3])
  expect(records[0]?.at).toBe(segmentHeadBytes)
  expect(records.at(-1)?.next).toBe(bytes.length)
  const reader = await openSegment(folder, 1)
  onTestFinished(() => reader?.close())
  for (const [i, { at }] of records.entries()) {
    const rest: number[] = []
    expect(await reader?.read(at, (record) => rest.push(record.at) > 0)).toEqual({
      why: 'end',
      at: bytes.length,
      size: bytes.length,
    })
    expect(rest).toEqual(records.slice(i).map((record) => record.at))
  }
  expect(await reader?.read(records[2]?.at ?? 0, () => false)).toMatchObject({ why: 'enough', at: records[2]?.next })
})

test('what is appended later is read from where reading ended', async () => {
  const dir = testFolder()
  const journal = await openJournal({ dir, durability: 'off', limitBytes: 1024 ** 3, now: Date.now })
  onTestFinished(() => journal.close())
  const reader = (await openSegment(join(dir, journal.writer), 1)) as SegmentReader
  onTestFinished(() => reader.close())
  const { at } = await reader.read(0, () => true)
  await append(journal, 'end', 'a')
  const seen: number[] = []
  expect(await reader.read(at, (record) => seen.push(record.at) > 0)).toMatchObject({ why: 'end' })
  expect(seen).toEqual([at])
})

test('a segment that is gone is null; a file without a good header is torn from its first byte', async () => {
  const { folder, bytes } = await written([1])
  expect(await openSegment(folder, 2)).toBeNull()
  writeFileSync(file(folder), bytes.subarray(0, 47))
  expect((await readAll(folder)).reading).toEqual({ why: 'torn', at: 0, size: 47 })
  // The number in the header is not the one in the name.
  writeFileSync(join(folder, '0000000002.seg'), bytes)
  const reader = await openSegment(folder, 2)
  expect(await reader?.read(0, () => true)).toMatchObject({ why: 'torn', at: 0 })
  await reader?.close()
})

test('a segment cut anywhere gives every record before the cut', async () => {
  const { folder, bytes, records } = await written([5, 60, 5])
  for (let length = segmentHeadBytes; length < bytes.length; length += 7) {
    writeFileSync(file(folder), bytes.subarray(0, length))
    const whole = records.filter(({ next }) => next <= length)
    const { reading, records: found } = await readAll(folder)
    expect(found.map(({ at }) => at)).toEqual(whole.map(({ at }) => at))
    const end = whole.at(-1)?.next ?? segmentHeadBytes
    expect(reading).toEqual({ why: end === length ? 'end' : 'torn', at: end, size: length })
  }
})

type Harm = { readonly at: number; readonly with: Uint8Array; readonly how: 'over' | 'in' | 'out' }

const harmed = (bytes: Buffer, { at, with: other, how }: Harm): Buffer => {
  const before = bytes.subarray(0, at)
  if (how === 'in') return Buffer.concat([before, other, bytes.subarray(at)])
  if (how === 'out') return Buffer.concat([before, bytes.subarray(at + other.length)])
  return Buffer.concat([before, other, bytes.subarray(at + other.length)])
}

test('1,000 random damages: no crash, every whole record before the damage, no bad record', async () => {
  const { folder, bytes, records } = await written([20, 5000, 300, 1, 40_000, 900])
  const good = new Map(records.map((record) => [record.at, record]))
  const harm = fc.record({
    at: fc.nat({ max: bytes.length - 1 }),
    with: fc.uint8Array({ minLength: 1, maxLength: 64 }),
    how: fc.constantFrom('over' as const, 'in' as const, 'out' as const),
  })
  await fc.assert(
    fc.asyncProperty(harm, async (one) => {
      const damaged = harmed(bytes, one)
      writeFileSync(file(folder), damaged)
      // The first byte that differs: what ends before it is whole.
      let first = 0
      while (first < damaged.length && damaged[first] === bytes[first]) first++
      const { reading, records: found } = await readAll(folder)
      const whole = records.filter(({ next }) => next <= first)
      if (first >= segmentHeadBytes) expect(found.length).toBeGreaterThanOrEqual(whole.length)
      else expect(found).toEqual([])
      for (const { at, type, payload } of found) {
        const original = good.get(at)
        expect(original?.type).toBe(type)
        expect(original?.payload.equals(payload)).toBe(true)
      }
      expect(reading.at).toBeLessThanOrEqual(reading.size)
    }),
    { numRuns: 1000, seed: 20_261_125 },
  )
})
