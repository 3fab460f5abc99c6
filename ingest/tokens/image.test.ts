import { expect, test } from 'vitest'
import { imageSize } from './image-size.js'
import { imageTokens } from './image-tokens.js'

const u16 = (value: number): number[] => [value >> 8, value & 255]
const base64 = (...bytes: (number | string | readonly number[])[]): string =>
  Buffer.concat(
    bytes.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from([part].flat()))),
  ).toString('base64')

const png = (width: number, height: number): string =>
  base64([0x89], 'PNG\r\n\x1a\n', [0, 0, 0, 13], 'IHDR', [0, 0], u16(width), [0, 0], u16(height), [8, 6, 0, 0, 0])
const gif = base64('GIF89a', [0x40, 0x01, 0xf0, 0x00], [0, 0, 0])
/** APP1 of 20,000 bytes, fill bytes, a table, then the frame. */
const jpeg = (frame: number): string =>
  base64(
    [0xff, 0xd8, 0xff, 0xe1, ...u16(20_000)],
    '\0'.repeat(19_998),
    [0xff, 0xff, 0xff, 0xc4, 0, 4, 1, 2],
    [0xff, frame, 0, 17, 8, ...u16(240), ...u16(320), 3],
  )
const webp = (kind: string, rest: readonly number[]): string =>
  base64('RIFF', [0, 0, 0, 0], 'WEBP', kind, [0, 0, 0, 0], rest, '\0'.repeat(20))

test.each([
  ['png', png(320, 240)],
  ['gif', gif],
  ['jpeg, baseline', jpeg(0xc0)],
  ['jpeg, progressive', jpeg(0xc2)],
  ['webp, lossy', webp('VP8 ', [0, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00])],
  // 14 bits each, one less: 319 | 239 << 14.
  ['webp, lossless', webp('VP8L', [0x2f, ...[0, 8, 16, 24].map((shift) => ((319 | (239 << 14)) >>> shift) & 255)])],
  ['webp, extended', webp('VP8X', [0, 0, 0, 0, 0x3f, 0x01, 0x00, 0xef, 0x00, 0x00])],
])('%s tells its size', (_, data) => {
  expect(imageSize(data)).toEqual({ width: 320, height: 240 })
})

test.each([
  ['nothing', ''],
  ['no base64', '%%%'],
  ['another format', base64('BM', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24])],
  ['a PNG cut in its header', png(320, 240).slice(0, 20)],
  ['a PNG of no width', png(0, 240)],
  ['a JPEG cut before its frame', jpeg(0xc0).slice(0, 400)],
  ['a JPEG whose lengths lie', base64([0xff, 0xd8, 0xff, 0xe0, 0, 0, 1, 1, 1, 1, 1, 1])],
  ['a JPEG of tables alone', base64([0xff, 0xd8], '\xff\xc4\0\x02'.repeat(10_000))],
])('%s tells none', (_, data) => {
  expect(imageSize(data)).toBeNull()
})

test.each([
  // OpenAI's own examples: 1024 x 1024 is scaled to 768: 4 tiles; 2048 x 4096 to 768 x 1536: 6; low is the base.
  ['gpt-4o', 1024, 1024, 'high', 85 + 4 * 170],
  ['gpt-4o', 2048, 4096, null, 85 + 6 * 170],
  ['gpt-4o', 4096, 8192, 'low', 85],
  ['gpt-4o-2024-08-06', 512, 512, null, 85 + 170],
  ['openai/gpt-4.1', 513, 512, null, 85 + 2 * 170],
  ['gpt-4o-mini', 512, 512, null, 2833 + 5667],
  ['gpt-5', 512, 512, null, 70 + 140],
  ['o1', 512, 512, null, 75 + 150],
  // 1024 x 1024: 32 x 32 patches. 1800 x 2400 is scaled to 33 x 44 of them: 1,452.
  ['gpt-4.1-mini', 1024, 1024, null, 1659],
  ['gpt-5-nano', 1024, 1024, null, 2520],
  ['o4-mini', 1800, 2400, null, 2498],
  // Anthropic's table: 200 x 200 about 54, 1092 x 1092 about 1,590; larger ones are scaled.
  ['claude-sonnet-4-5', 200, 200, null, 54],
  ['claude-sonnet-4-5', 1092, 1092, null, 1590],
  ['claude-sonnet-4-5', 8000, 8000, null, 1600],
  ['claude-sonnet-4-5', 3136, 100, null, 105],
  // Google's example: 960 x 540 has crops of 360: 3 x 2.
  ['gemini-2.5-flash', 384, 384, null, 258],
  ['gemini-2.5-flash', 960, 540, null, 6 * 258],
  ['gemini-2.0-flash', 3000, 3000, null, 16 * 258],
  ['gemini-3-pro', 960, 540, null, null],
  ['mistral-large', 960, 540, null, null],
  ['gpt-5.1', 960, 540, null, null],
  ['o3-mini', 960, 540, null, null],
] as const)('%s: %i x %i (%s)', (model, width, height, detail, tokens) => {
  expect(imageTokens(model, { width, height }, detail)).toBe(tokens)
})

test('whatever a header says, the tokens are a number', () => {
  for (const model of ['gpt-4o', 'gpt-4.1-mini', 'claude-3', 'gemini-2.5-pro'])
    for (const [width, height] of [
      [1, 1],
      [1, 4_294_967_295],
      [4_294_967_295, 4_294_967_295],
      [1, 100_000],
    ] as const) {
      const tokens = imageTokens(model, { width, height }, null) ?? -1
      expect(Number.isInteger(tokens) && tokens > 0).toBe(true)
    }
})
