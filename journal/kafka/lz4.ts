import { compressFrame, decompressFrame } from 'lz4-napi'

/** LZ4 for kafkajs: cheaper than gzip and read by every client (servers.md). */
export const lz4 = () => ({
  compress: ({ buffer }: { buffer: Buffer }): Promise<Buffer> => compressFrame(buffer),
  decompress: (buffer: Buffer): Promise<Buffer> => decompressFrame(buffer),
})
