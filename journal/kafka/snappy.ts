/** Of a frame as the Java client writes it: magic, version, lowest version that reads it. */
const frameMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const frameHeadBytes = 16

const broken = (): RangeError => new RangeError('This is not a block of Snappy.')

const lengthOf = (block: Buffer): { readonly length: number; readonly at: number } => {
  let length = 0
  for (let at = 0; at < 5; at++) {
    const byte = block[at]
    if (byte === undefined) throw broken()
    length += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) return { length, at: at + 1 }
  }
  throw broken()
}

/** A whole block, as google/snappy's format_description.txt has it (2011-10-05). */
const block = (input: Buffer): Buffer => {
  const { length, at: begin } = lengthOf(input)
  // Nothing compresses better: a copy of 64 bytes takes 3.
  if (length > input.length * 64) throw broken()
  const output = Buffer.alloc(length)
  let at = begin
  let written = 0
  while (at < input.length) {
    const tag = input[at++] as number
    if ((tag & 3) === 0) {
      let size = tag >> 2
      if (size >= 60) {
        const bytes = size - 59
        if (at + bytes > input.length) throw broken()
        size = input.readUIntLE(at, bytes)
        at += bytes
      }
      size++
      if (at + size > input.length || written + size > length) throw broken()
      input.copy(output, written, at, at + size)
      at += size
      written += size
      continue
    }
    const bytes = [0, 1, 2, 4][tag & 3] as number
    if (at + bytes > input.length) throw broken()
    const size = bytes === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
    const offset = bytes === 1 ? ((tag >> 5) << 8) | (input[at] as number) : input.readUIntLE(at, bytes)
    at += bytes
    if (offset === 0 || offset > written || written + size > length) throw broken()
    // Byte by byte: a copy may read what it has just written.
    for (let i = 0; i < size; i++) output[written + i] = output[written - offset + i] as number
    written += size
  }
  if (written !== length) throw broken()
  return output
}

/**
 * What other producers may have compressed with Snappy: one block, or the frames of the Java client.
 *
 * @throws RangeError when it is neither.
 */
export const unsnap = (input: Buffer): Buffer => {
  if (!input.subarray(0, frameMagic.length).equals(frameMagic)) return block(input)
  const blocks: Buffer[] = []
  for (let at = frameHeadBytes; at < input.length;) {
    if (at + 4 > input.length) throw broken()
    const size = input.readUInt32BE(at)
    if (at + 4 + size > input.length) throw broken()
    blocks.push(block(input.subarray(at + 4, at + 4 + size)))
    at += 4 + size
  }
  return Buffer.concat(blocks)
}
