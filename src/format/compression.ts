/*
 * The five compressions of a record batch, by name: whole buffers, synchronously, never more memory than the caller allows.
 *
 * gzip is node:zlib; zstd too where Node has it (22.15 and later). Reading snappy and lz4 is our own code (snappy.ts, lz4-frame.ts), so
 * every Node reads them without any package; writing them, and zstd on an older Node, takes an optional package that is looked up when it
 * is first needed and never at import. So is node:zlib itself, which takes some milliseconds to load. The framings are Kafka's:
 * docs/format.md#compression.
 */
import { LogError } from '../base/errors.ts'
import { readLz4Frame, writeLz4Frame } from './lz4-frame.ts'
import { type Memory } from './memory.ts'
import { readSnappy, writeXerialSnappy } from './snappy.ts'
import { zstdFrames, type ZstdFrame } from './zstd.ts'

/** The compressions, each at the index that a batch's attributes hold (on disk, so forever). */
export const compressionNames = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** How the records of a batch are compressed. */
export type CompressionName = (typeof compressionNames)[number]

/**
 * What a batch may decompress to when nobody says otherwise: 64 MiB. That is 64 times Kafka's default for the compressed size
 * (`max.message.bytes`), far above what real records compress by, and little enough that a malicious batch does no harm.
 */
export const DEFAULT_MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024

/** Each compression's lowest, highest and default level, as in Kafka. Those without an entry have no level; lz4 takes one and ignores it. */
const compressionLevels = {
  gzip: { lowest: 1, highest: 9, standard: -1 },
  lz4: { lowest: 1, highest: 17, standard: 9 },
  zstd: { lowest: -131_072, highest: 22, standard: 3 },
} as const

/**
 * Compresses the concatenated records of a batch. `none` gives a view of the same memory.
 *
 * @param level  gzip −1 (zlib's default) or 1…9; zstd −131072…22, default 3; lz4 1…17, ignored: it is always the fast compressor
 * @throws LogError `LOG_CODEC_MISSING` naming the package to install; RangeError for a level that the compression does not have
 */
export function compress(name: CompressionName, bytes: Uint8Array, level?: number): Buffer {
  checkCompressionLevel(name, level)
  switch (name) {
    case 'none':
      return asBuffer(bytes)
    case 'gzip':
      return zlib().gzipSync(bytes, { level: level ?? compressionLevels.gzip.standard })
    case 'snappy': {
      const { compressSync } = load('snappy')
      return writeXerialSnappy(bytes, compressSync)
    }
    case 'lz4': {
      const { compressSync } = load('lz4-napi')
      return writeLz4Frame(bytes, (block) => compressSync(asBuffer(block)).subarray(LZ4_NAPI_SIZE_PREFIX))
    }
    case 'zstd':
      return compressZstd(bytes, level ?? compressionLevels.zstd.standard)
  }
}

/**
 * What `compress` made, or another producer of Kafka's framings. Several gzip members and several zstd frames in a row are one stream.
 * `none` gives a view of the same memory.
 *
 * @param maxSize  the most bytes that the result may have
 * @param memory  where the result goes, but for gzip and zstd, which bring their own
 * @throws LogError `LOG_DECOMPRESSED_TOO_LARGE` when there would be more, found before memory for more is taken (gzip and zstd collect pieces
 *   first, so they take up to twice the limit for a moment); `LOG_COMPRESSED_CORRUPT` for damaged bytes; `LOG_CODEC_MISSING` for zstd on a
 *   Node before 22.15 without the optional package
 */
export function decompress(name: CompressionName, bytes: Uint8Array, maxSize = DEFAULT_MAX_DECOMPRESSED_BYTES, memory?: Memory): Buffer {
  switch (name) {
    case 'none':
      return bytes.length <= maxSize ? asBuffer(bytes) : tooLarge(name, maxSize)
    case 'gzip':
      return inflate(name, zlib().gunzipSync, bytes, maxSize)
    case 'snappy':
      return readSnappy(bytes, maxSize, memory)
    case 'lz4':
      return readLz4Frame(bytes, maxSize, memory)
    case 'zstd':
      return decompressZstd(bytes, maxSize)
  }
}

/** Throws a RangeError when the compression does not have this level. */
export function checkCompressionLevel(name: CompressionName, level: number | undefined): void {
  if (level === undefined) return
  const range = name === 'none' || name === 'snappy' ? undefined : compressionLevels[name]
  if (range === undefined) throw new RangeError(`${name} has no compression levels`)
  if (level === range.standard || (Number.isInteger(level) && level >= range.lowest && level <= range.highest)) return
  throw new RangeError(`${name} level ${level} is not ${range.standard} or an integer from ${range.lowest} to ${range.highest}`)
}

/* ---- zstd: node:zlib where it has it ---- */

function hasBuiltInZstd(): boolean {
  return typeof zlib().zstdCompressSync === 'function'
}

function compressZstd(bytes: Uint8Array, level: number): Buffer {
  const { zstdCompressSync, constants } = zlib()
  if (hasBuiltInZstd()) return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } })
  const { Encoder } = load('@toondepauw/node-zstd')
  return new Encoder(level).encodeSync(asBuffer(bytes))
}

function decompressZstd(bytes: Uint8Array, maxSize: number): Buffer {
  const decode = hasBuiltInZstd() ? inflateFrame : decodeFrame
  const parts: Buffer[] = []
  let size = 0
  for (const frame of zstdFrames(bytes)) {
    const part = decode(bytes.subarray(frame.from, frame.end), frame, maxSize - size)
    size += part.length
    parts.push(part)
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts, size)
}

function inflateFrame(bytes: Uint8Array, _frame: ZstdFrame, maxSize: number): Buffer {
  return inflate('zstd', zlib().zstdDecompressSync, bytes, maxSize)
}

/**
 * The package's decoder takes no limit, so a frame is refused by what it could become at most. Blocks count as full there; the slack is for
 * limits so small that this would refuse what fits.
 */
function decodeFrame(bytes: Uint8Array, frame: ZstdFrame, maxSize: number): Buffer {
  const { Decoder } = load('@toondepauw/node-zstd')
  if (frame.mostBytes > Math.max(maxSize, UNBOUNDED_DECODER_SLACK)) tooLarge('zstd', maxSize)
  let decoded
  try {
    decoded = new Decoder().decodeSync(asBuffer(bytes))
  } catch (error) {
    return corrupt('zstd', error)
  }
  return decoded.length <= maxSize ? decoded : tooLarge('zstd', maxSize)
}

const UNBOUNDED_DECODER_SLACK = 8 * 1024 * 1024

/* ---- zlib ---- */

function zlib(): typeof import('node:zlib') {
  return process.getBuiltinModule('node:zlib')
}

type Inflate = (bytes: Uint8Array, options: { maxOutputLength: number; chunkSize: number }) => Buffer

/** Decompresses through node:zlib, which grows its memory in pieces and stops at the limit. */
function inflate(name: CompressionName, inflateSync: Inflate, bytes: Uint8Array, maxSize: number): Buffer {
  let inflated
  try {
    inflated = inflateSync(bytes, { maxOutputLength: Math.max(maxSize, 1), chunkSize: PIECE_SIZE })
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? tooLarge(name, maxSize) : corrupt(name, error)
  }
  return inflated.length <= maxSize ? inflated : tooLarge(name, maxSize)
}

const PIECE_SIZE = 64 * 1024

/* ---- optional packages ---- */

/** What we use of each optional package. */
interface Packages {
  readonly snappy: { compressSync(bytes: Uint8Array): Buffer }
  readonly 'lz4-napi': { compressSync(bytes: Buffer): Buffer }
  readonly '@toondepauw/node-zstd': {
    readonly Encoder: new (level: number) => { encodeSync(bytes: Buffer): Buffer }
    readonly Decoder: new () => { decodeSync(bytes: Buffer): Buffer }
  }
}

/** lz4-napi puts the plain size in front of a block: four bytes, not part of the LZ4 format. */
const LZ4_NAPI_SIZE_PREFIX = 4

const loaded: Partial<Packages> = {}

function load<Name extends keyof Packages>(name: Name): Packages[Name] {
  const known: Partial<Packages>[Name] = loaded[name]
  if (known !== undefined) return known
  try {
    const { createRequire } = process.getBuiltinModule('node:module')
    return (loaded[name] = createRequire(import.meta.url)(name) as Packages[Name])
  } catch (error) {
    const reason = `the optional package "${name}" is not there or does not load: npm install ${name}`
    throw new LogError('LOG_CODEC_MISSING', reason, { package: name }, error)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function tooLarge(name: CompressionName, maxSize: number): never {
  throw new LogError('LOG_DECOMPRESSED_TOO_LARGE', `${name}: more than ${maxSize} bytes decompressed`, { compression: name, maxSize })
}

function corrupt(name: CompressionName, error: unknown): never {
  throw new LogError('LOG_COMPRESSED_CORRUPT', `${name}: ${(error as Error).message}`, { compression: name }, error)
}
