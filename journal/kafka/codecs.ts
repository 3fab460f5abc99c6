import { decompress } from 'fzstd'
import kafkajs from 'kafkajs'
import { compressFrame, decompressFrame } from 'lz4-napi'
import { unsnap } from './snappy.js'

const readOnly = (decode: (buffer: Buffer) => Buffer) => () => ({
  compress: (): Promise<Buffer> => Promise.reject(new Error('Weir writes LZ4 alone.')),
  decompress: (buffer: Buffer): Promise<Buffer> => Promise.resolve(buffer).then(decode),
})

/**
 * Teaches kafkajs what it has no codec for. LZ4 is what we write: cheaper than gzip (servers.md). Snappy and zstd are read only: a message
 * of somebody else on the topic must not stop a consumer.
 */
export const installCodecs = (): void => {
  const { CompressionCodecs: codecs, CompressionTypes: types } = kafkajs
  codecs[types.LZ4] = () => ({
    compress: ({ buffer }: { buffer: Buffer }): Promise<Buffer> => compressFrame(buffer),
    decompress: (buffer: Buffer): Promise<Buffer> => decompressFrame(buffer),
  })
  codecs[types.Snappy] = readOnly(unsnap)
  codecs[types.ZSTD] = readOnly((buffer) => Buffer.from(decompress(buffer)))
}
