/*
 * LZ4 and zstd for clients that bring neither, in the form that kafkajs takes.
 */
import { compressFrameSync, decompressFrameSync } from 'lz4-napi'
import { Decoder, Encoder } from '@toondepauw/node-zstd'

export const lz4 = {
  compress: async ({ buffer }) => compressFrameSync(buffer),
  decompress: async (buffer) => decompressFrameSync(buffer),
}

export const zstd = {
  compress: async ({ buffer }) => new Encoder(3).encodeSync(buffer),
  decompress: async (buffer) => new Decoder().decodeSync(buffer),
}
