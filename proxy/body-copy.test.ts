import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { BodyCopy } from './body-copy.js'

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const kept = (copy: BodyCopy): Buffer => Buffer.concat(copy.pieces(null)?.pieces ?? [])

test('any body in any pieces: whole within the limit, else its head and tail; length and hash of the whole', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 12 }),
      fc.integer({ min: 4, max: 9000 }),
      (pieces, limit) => {
        const copy = new BodyCopy(true, limit, null)
        // The caller may reuse its small chunks: what was copied must not change with them.
        for (const piece of pieces) copy.push(piece)
        const whole = Buffer.concat(pieces)
        expect(copy.length).toBe(whole.length)
        const result = copy.pieces('gzip')
        expect(copy.sha256()).toBe(sha(whole))
        if (whole.length === 0) {
          expect(result).toBeNull()
          return
        }
        const head = Math.floor((limit * 3) / 4)
        const wanted =
          whole.length <= limit ? whole : Buffer.concat([whole.subarray(0, head), whole.subarray(whole.length - (limit - head))])
        expect(kept(copy).equals(wanted)).toBe(true)
        expect(result).toMatchObject({ length: wanted.length, encoding: 'gzip', truncated: whole.length > limit })
      },
    ),
  )
})

test('100 MB cost the limit', () => {
  const copy = new BodyCopy(true, 1024 ** 2, null)
  const chunk = Buffer.alloc(64 * 1024, 7)
  for (let i = 0; i < 1600; i++) copy.push(chunk)
  const result = copy.pieces(null)
  expect(result).toMatchObject({ length: 1024 ** 2, truncated: true })
  expect(copy.sha256()).toBe(sha(Buffer.alloc(1600 * 64 * 1024, 7)))
})

test('an omitted body leaves its length alone', () => {
  const copy = new BodyCopy(false, 1024, null)
  copy.push(Buffer.from('secret'))
  expect([copy.length, copy.pieces(null), copy.sha256()]).toEqual([6, null, null])
})

test('where bodies are not stored, length and hash stay', () => {
  const copy = new BodyCopy(true, 0, null)
  copy.push(Buffer.from('abc'))
  expect([copy.length, copy.pieces(null), copy.sha256()]).toEqual([3, null, sha(Buffer.from('abc'))])
})

test('a spilled body is whole in its file', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-spill-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  const path = join(dir, 'default', '20260101', 'x.req')
  const copy = new BodyCopy(true, 100, () => path)
  const pieces = Array.from({ length: 50 }, (_, i) => Buffer.alloc(10, i))
  for (const piece of pieces) copy.push(piece)
  copy.sha256()
  await vi.waitFor(() => expect(readFileSync(path).equals(Buffer.concat(pieces))).toBe(true))
})

test('a full pool cuts the copy where it is; length and hash go on, and the room comes back', () => {
  const pool = { held: 0, limitBytes: 100, cut: 0 }
  const first = new BodyCopy(true, 1000, null, pool)
  first.push(Buffer.alloc(60, 'a'))
  const second = new BodyCopy(true, 1000, null, pool)
  second.push(Buffer.alloc(40, 'b'))
  expect([pool.held, pool.cut]).toEqual([100, 0])
  second.push(Buffer.from('c'))
  second.push(Buffer.from('d'))
  expect([pool.held, pool.cut]).toEqual([100, 1])
  const kept = second.pieces(null)
  expect([kept?.length, kept?.truncated, second.length]).toEqual([40, true, 42])
  expect(second.sha256()).toBe(
    createHash('sha256')
      .update(`${'b'.repeat(40)}cd`)
      .digest('hex'),
  )
  first.release()
  first.release()
  expect(pool.held).toBe(40)
  second.release()
  expect(pool.held).toBe(0)
})
