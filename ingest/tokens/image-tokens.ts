import type { ImageSize } from './image-size.js'

/** OpenAI, "Images and vision", checked 2026-11-25: tokens of a picture, and of each tile of 512 px. The first that fits decides. */
const tiled: readonly (readonly [RegExp, { readonly base: number; readonly tile: number }])[] = [
  [/^gpt-4o-mini/, { base: 2833, tile: 5667 }],
  [/^(?:gpt-4o|chatgpt-4o|gpt-4\.1(?!-(?:mini|nano))|gpt-4\.5|gpt-4-(?:turbo|vision))/, { base: 85, tile: 170 }],
  [/^gpt-5(?:-chat|-\d{4}|$)/, { base: 70, tile: 140 }],
  [/^o[13](?:-pro|-\d{4}|$)/, { base: 75, tile: 150 }],
]
/** Same page: tokens of a patch of 32 px. */
const patched: readonly (readonly [RegExp, number])[] = [
  [/^(?:gpt-4\.1-mini|gpt-5-mini)/, 1.62],
  [/^(?:gpt-4\.1-nano|gpt-5-nano)/, 2.46],
  [/^o4-mini/, 1.72],
]
const mostPatches = 1536

const openAiTiles = ({ width, height }: ImageSize): number => {
  const inSquare = Math.min(1, 2048 / Math.max(width, height))
  const scale = inSquare * Math.min(1, 768 / (Math.min(width, height) * inSquare))
  return tilesOf(width * scale, 512) * tilesOf(height * scale, 512)
}

/** A side that is a whole number of tiles but for rounding is that number. */
const tilesOf = (side: number, tile: number): number => Math.max(1, Math.ceil(side / tile - 1e-9))

const openAiPatches = ({ width, height }: ImageSize): number => {
  const patches = tilesOf(width, 32) * tilesOf(height, 32)
  if (patches <= mostPatches) return patches
  const shrink = Math.sqrt((32 * 32 * mostPatches) / (width * height))
  const across = (width * shrink) / 32
  const down = (height * shrink) / 32
  const fit = shrink * Math.min(Math.floor(across) / across, Math.floor(down) / down)
  // A picture that is one long line has no side that fits: it is as large as a picture can be.
  return fit > 0 ? Math.min(mostPatches, tilesOf(width * fit, 32) * tilesOf(height * fit, 32)) : mostPatches
}

/** Anthropic, "Vision": width x height / 750 after scaling to 1,568 px on the long side, about 1,600 at most. */
const claudeTokens = ({ width, height }: ImageSize): number => {
  const scale = Math.min(1, 1568 / Math.max(width, height))
  return Math.min(1600, Math.ceil((width * scale * height * scale) / 750))
}

/** Google, "Understand and count tokens": 258 up to 384 px, else 258 for each crop of 1/1.5 of the short side (256 to 768 px). */
const geminiTokens = ({ width, height }: ImageSize): number => {
  if (width <= 384 && height <= 384) return 258
  const crop = Math.min(768, Math.max(256, Math.floor(Math.min(width, height) / 1.5)))
  return 258 * tilesOf(width, crop) * tilesOf(height, crop)
}

/**
 * Tokens of one picture by its model's published formula.
 *
 * @param detail OpenAI's `detail`; `low` is the base alone.
 * @returns `null` where no formula is known for certain.
 */
export const imageTokens = (model: string, size: ImageSize, detail: string | null): number | null => {
  const name = model.toLowerCase()
  const bare = name.slice(name.lastIndexOf('/') + 1).replace(/^ft:/, '')
  if (name.includes('claude')) return claudeTokens(size)
  // From Gemini 3 on a setting of the call decides.
  if (/^gemini-(?:1\.5|2)/.test(bare)) return geminiTokens(size)
  const patch = patched.find(([pattern]) => pattern.test(bare))
  if (patch !== undefined) return Math.ceil(openAiPatches(size) * patch[1] - 1e-9)
  const tile = tiled.find(([pattern]) => pattern.test(bare))?.[1]
  if (tile === undefined) return null
  return detail === 'low' ? tile.base : tile.base + tile.tile * openAiTiles(size)
}
