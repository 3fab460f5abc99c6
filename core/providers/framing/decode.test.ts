import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { codingsOf, decoder, isReadable } from './decode.js'
import { splitsOf } from './splits.js'
import { storedZstd } from './stored-zstd.js'

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

describe.each([
  ['gzip', gzipSync(plain)],
  ['deflate', deflateSync(plain)],
  ['deflate', deflateRawSync(plain)],
  ['br', brotliCompressSync(plain)],
  ['zstd', storedZstd(Buffer.from(plain))],
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
] as const)('a cut %s body keeps what was inflated', async (encoding, bytes) => {
  const { bytes: got } = await through(encoding, [bytes.subarray(0, Math.floor(bytes.length / 2))])
  expect(got).toBeGreaterThan(1000)
})

test('plain bytes under a wrong label are read as they are', async () => {
  expect(await through('gzip', [Buffer.from(plain)])).toMatchObject({ text: plain, notes: ['wrong_encoding_label'] })
  expect(await through('zstd', [Buffer.from(plain)])).toMatchObject({ text: plain, notes: ['wrong_encoding_label'] })
})

test('a bomb stops the reading', async () => {
  const bomb = gzipSync(Buffer.alloc(30 * 1024 * 1024))
  const { bytes, notes } = await through('gzip', [bomb])
  expect(notes).toContain('unreadable')
  expect(bytes).toBeLessThan(4 * 1024 * 1024)
})

test('a zstd frame that asks for more than 8 MiB of window is not opened', async () => {
  // Descriptor 0: no single segment. Window byte 0x70: exponent 14, 2^24 bytes.
  const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x70, 0x01, 0x00, 0x00])
  expect(await through('zstd', [frame])).toEqual({ text: '', bytes: 0, notes: ['unreadable'] })
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
