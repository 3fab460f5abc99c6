import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { codingsOf, decoder, isReadable } from './decode.js'
import { splitsOf } from './splits.js'
import { storedZstd } from './stored-zstd.js'
import { plainZstd } from './zstd.js'

const through = async (
  encoding: string,
  pieces: readonly Buffer[],
): Promise<{ text: string; bytes: number; notes: string[] }> => {
  const out: Buffer[] = []
  const notes: string[] = []
  const decode = decoder(
    codingsOf(encoding),
    (chunk) => out.push(chunk),
    (note) => notes.push(note),
  )
  for (const piece of pieces) decode.push(piece)
  await decode.end()
  const whole = Buffer.concat(out)
  return { text: whole.toString(), bytes: whole.length, notes }
}

const plain = 'data: {"text":"Zoë 👋"}\r\n\r\n'.repeat(60)
/** `plain` as the zstd of Facebook packs it: whole, with a checksum, and as a stream that was flushed in between. */
const packedZstd = Buffer.from('KLUv/WQIBjUBAPBkYXRhOiB7InRleHQiOiJab8OrIPCfkYsifQ0KDQoBAJ4bfuUE7eAncA==', 'base64')
const flushedZstd = Buffer.from('KLUv/QBYNAEA8GRhdGE6IHsidGV4dCI6Ilpvw6sg8J+RiyJ9DQoNCgEAJgiVcgJFAAAIIgEA2vxACA==', 'base64')

describe.each([
  ['gzip', gzipSync(plain)],
  ['deflate', deflateSync(plain)],
  ['deflate', deflateRawSync(plain)],
  ['br', brotliCompressSync(plain)],
  ['zstd', storedZstd(Buffer.from(plain))],
  ['zstd', packedZstd],
  ['zstd', flushedZstd],
  ['gzip, zstd', storedZstd(gzipSync(plain))],
  ['x-gzip', gzipSync(plain)],
  ['br, gzip', gzipSync(brotliCompressSync(plain))],
] as const)('%s', (encoding, bytes) => {
  test('in any pieces', async () => {
    for (const { name, pieces } of splitsOf(bytes, 5))
      expect(await through(encoding, pieces), name).toEqual({ text: plain, bytes: Buffer.byteLength(plain), notes: [] })
  })
})

test.each([
  ['gzip', gzipSync(Buffer.from(plain.repeat(50)), { level: 0 })],
  ['br', brotliCompressSync(Array.from({ length: 3000 }, (_, n) => String(n * 7919)).join(' '))],
  ['deflate', deflateRawSync(Array.from({ length: 3000 }, (_, n) => String(n * 7919)).join(' '))],
  ['zstd', storedZstd(Buffer.from(plain.repeat(50)))],
] as const)('a cut %s body keeps what was inflated', async (encoding, bytes) => {
  const { bytes: got, notes } = await through(encoding, [bytes.subarray(0, Math.floor(bytes.length / 2))])
  expect(got).toBeGreaterThan(1000)
  expect(notes).toEqual([])
})

test('plain bytes under a wrong label are read as they are', async () => {
  expect(await through('gzip', [Buffer.from(plain)])).toMatchObject({ text: plain, notes: ['wrong_encoding_label'] })
  expect(await through('zstd', [Buffer.from(plain)])).toMatchObject({ text: plain, notes: ['wrong_encoding_label'] })
  // "[" is how a frame to be skipped begins, "(" how any other does; one byte decides nothing.
  for (const encoding of ['gzip', 'x-gzip', 'zstd', 'gzip, zstd'])
    for (const text of ['[{"a":1}]', '{}', '(?', '\u001f{"a":1}'])
      for (const { name, pieces } of splitsOf(Buffer.from(text), 2)) {
        const found = await through(encoding, pieces)
        expect({ ...found, notes: new Set(found.notes) }, `${encoding} ${text} ${name}`).toEqual({
          text,
          bytes: text.length,
          notes: new Set(['wrong_encoding_label']),
        })
      }
})

const mebi = 1024 * 1024
/** 10 MiB of zeros as a piece of a bare deflate stream behind which more may follow. */
const deflated = deflateRawSync(Buffer.alloc(10 * mebi), { finishFlush: constants.Z_FULL_FLUSH })
/** 10 MiB of zeros: 80 blocks that say "128 KiB of this byte". */
const repeated = Buffer.from([2, 0, 0x10, 0]) // (131,072 << 3) | (1 << 1), little endian in 3 bytes, and the byte
const zstdZeros = (blocks: number): Buffer =>
  // Descriptor 0: a window byte follows; 0x50 asks for 1 MiB. The last block is a raw one of no bytes.
  Buffer.concat([
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50]),
    ...Array.from({ length: blocks }, () => repeated),
    Buffer.from([1, 0, 0]),
  ])
const times = (count: number, bytes: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => bytes))

describe.each([
  ['gzip', gzipSync(Buffer.alloc(10 * mebi))],
  ['gzip', times(103, gzipSync(Buffer.alloc(10 * mebi)))],
  ['deflate', deflateSync(Buffer.alloc(10 * mebi))],
  ['deflate', deflated],
  ['deflate', times(103, deflated)],
  ['br', brotliCompressSync(Buffer.alloc(10 * mebi))],
  ['zstd', zstdZeros(80)],
  ['zstd', zstdZeros(8240)],
  ['gzip, gzip', gzipSync(gzipSync(Buffer.alloc(10 * mebi)))],
  // The inner one is no gzip: what would come out of the outer one alone is bounded too.
  ['br, gzip', gzipSync(Buffer.alloc(70 * mebi))],
] as const)('a bomb of %s (case %#)', (encoding, bytes) => {
  test('stops the reading at the bound, and nothing comes afterwards', async () => {
    for (const pieces of [[bytes], splitsOf(bytes, 1).at(-1)?.pieces ?? []]) {
      const { bytes: got, notes } = await through(encoding, [...pieces, Buffer.from('more')])
      expect([...new Set(notes)]).toEqual(['unreadable'])
      expect(got).toBeLessThanOrEqual(Math.min(64 * mebi, Math.max(mebi, 100 * (bytes.length + 4))))
    }
  })
})

test('more than 64 MiB are not unpacked, however little they were packed', async () => {
  // Random enough for 3:1 and no more.
  const piece = Buffer.from(Array.from({ length: 200_000 }, (_, n) => String((n * 7919) % 100_003)).join(' '))
  const { bytes, notes } = await through('gzip', [times(Math.ceil((66 * mebi) / piece.length), gzipSync(piece))])
  expect(notes).toEqual(['unreadable'])
  expect(bytes).toBeGreaterThan(63 * mebi)
  expect(bytes).toBeLessThanOrEqual(64 * mebi)
})

test('a stream of much that is alike is no bomb before 1 MiB is out', async () => {
  const { bytes, notes } = await through('gzip', [gzipSync(Buffer.alloc(1_000_000))])
  expect({ bytes, notes }).toEqual({ bytes: 1_000_000, notes: [] })
})

test('a zstd frame that asks for more than 8 MiB of window is not opened', async () => {
  // Descriptor 0: no single segment. Window byte 0x70: exponent 14, 2^24 bytes.
  const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x70, 0x01, 0x00, 0x00])
  expect(await through('zstd', [frame])).toEqual({ text: '', bytes: 0, notes: ['unreadable'] })
  // Nor is one behind another frame.
  const both = Buffer.concat([storedZstd(Buffer.from(plain)), frame])
  expect(await through('zstd', [both])).toMatchObject({ text: plain, notes: ['unreadable'] })
})

test('no body, and no bytes behind a head', async () => {
  for (const encoding of ['gzip', 'deflate', 'br', 'zstd', 'br, gzip'])
    for (const pieces of [[], [Buffer.alloc(0)]])
      expect(await through(encoding, pieces), encoding).toEqual({ text: '', bytes: 0, notes: [] })
})

test('members, frames and frames to be skipped one behind the other', async () => {
  const skipped = Buffer.from([0x5b, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
  const cases = [
    ['gzip', Buffer.concat([gzipSync(plain), gzipSync('end')])],
    ['zstd', Buffer.concat([skipped, storedZstd(Buffer.from(plain)), skipped, packedZstd, storedZstd(Buffer.from('end'))])],
    ['zstd', Buffer.concat([storedZstd(Buffer.alloc(0)), storedZstd(Buffer.from(plain)), storedZstd(Buffer.from('end'))])],
  ] as const
  for (const [at, [encoding, bytes]] of cases.entries())
    for (const { name, pieces } of splitsOf(bytes, 5))
      expect(await through(encoding, pieces), `${at} ${name}`).toMatchObject({
        text: `${plain}${at === 1 ? plain : ''}end`,
        notes: [],
      })
})

test('bytes behind the end do no harm to what was read', async () => {
  const tails = [Buffer.from('garbage'), Buffer.from('\r\n'), Buffer.alloc(20)]
  const cases = [
    ['gzip', gzipSync(plain)],
    ['deflate', deflateSync(plain)],
    ['deflate', deflateRawSync(plain)],
    ['br', brotliCompressSync(plain)],
    ['zstd', packedZstd],
  ] as const
  for (const [encoding, bytes] of cases)
    for (const tail of tails) expect((await through(encoding, [bytes, tail])).text, encoding).toBe(plain)
})

test('blocks without end cost no processor without end', () => {
  // A window of 8 MiB (exponent 13) is moved for each block; all of them are of one byte. 16 GiB are 2,048 such blocks.
  const raw = Buffer.from([0x08, 0, 0, 0x61])
  const bytes = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x68]), times(5000, raw)])
  let got = 0
  let failed = 0
  plainZstd(
    (chunk) => (got += chunk.length),
    () => failed++,
  ).write(bytes)
  expect({ got, failed }).toEqual({ got: 2048, failed: 1 })
})

test('broken bytes leave a note', async () => {
  const bytes = gzipSync(Array.from({ length: 3000 }, (_, n) => String(n * 7919)).join(' '))
  bytes.fill(0xff, 500, 600)
  expect((await through('gzip', [bytes])).notes).toEqual(['unreadable'])
})

test('which labels can be read', () => {
  expect(codingsOf('identity')).toEqual([])
  expect(codingsOf(' GZip , br ')).toEqual(['gzip', 'br'])
  expect(isReadable(codingsOf('compress'))).toBe(false)
  expect(isReadable(codingsOf('gzip, br, gzip'))).toBe(false)
})
