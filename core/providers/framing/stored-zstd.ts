/** A zstd frame of raw blocks (RFC 8878 §3.1.1), for tests: Node packs zstd only from 22.15 on. */
export const storedZstd = (bytes: Buffer): Buffer => {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(bytes.length)
  // Descriptor: a four-byte content size, single segment, no dictionary, no checksum.
  const pieces: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0]), size]
  const blockBytes = 1000
  for (let at = 0; at < bytes.length || at === 0; at += blockBytes) {
    const block = bytes.subarray(at, at + blockBytes)
    const isLast = at + blockBytes >= bytes.length
    const header = Buffer.alloc(3)
    header.writeUIntLE((block.length << 3) | (isLast ? 1 : 0), 0, 3)
    pieces.push(header, block)
  }
  return Buffer.concat(pieces)
}
