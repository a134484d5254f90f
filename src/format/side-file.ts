/*
 * The one header of our own binary files, for what Kafka has no file for: magic, kind, version, and a CRC over all of it. A file of a newer
 * major version is refused, so that nothing is guessed; a newer minor one may be read by who knows an older one.
 * Spec: docs/format.md#our-own-files.
 *
 *   0        4        8       10      12        16       20
 *   +--------+--------+-------+-------+---------+--------+---------
 *   | "CLOG" | kind   | major | minor | payload | crc32c | payload
 *   |        | ASCII  |       |       | size    |        |
 *   +--------+--------+-------+-------+---------+--------+---------
 *
 * Big-endian, unsigned. The CRC covers the 16 bytes before it and the payload.
 */
import { getUint32, setInt16, setInt32 } from '../base/bytes.ts'
import { crc32c } from '../base/crc32c.ts'
import { LogError } from '../base/errors.ts'

/** Bytes before the payload. */
export const SIDE_FILE_HEADER_SIZE = 20

const MAGIC = 'CLOG'
const MAJOR_AT = 8
const MINOR_AT = 10
const PAYLOAD_SIZE_AT = 12
const CRC_AT = 16
const MAX_PAYLOAD = 0xffff_ffff
const MAX_VERSION = 0xffff

/** The version of a kind of file. */
export interface SideFileVersion {
  /** Rises when an older reader would misread the file; it then refuses. From 0 to 65,535. */
  readonly major: number
  /** Rises when something was added that an older reader may overlook. From 0 to 65,535. */
  readonly minor: number
}

/**
 * The bytes of a file of ours.
 *
 * @param kind  four printable ASCII characters, one kind for each file format
 */
export function encodeSideFile(kind: string, version: SideFileVersion, ...payload: readonly Uint8Array[]): Buffer {
  const size = payload.reduce((sum, { length }) => sum + length, 0)
  if (!/^[!-~]{4}$/.test(kind)) throw new TypeError(`the kind of a side file has four printable characters, unlike ${JSON.stringify(kind)}`)
  if (![version.major, version.minor].every(isVersion)) throw new RangeError(`${version.major}.${version.minor} is not a version`)
  if (size > MAX_PAYLOAD) throw new RangeError(`a side file holds at most ${MAX_PAYLOAD} bytes, not ${size}`)
  const bytes = Buffer.allocUnsafe(SIDE_FILE_HEADER_SIZE + size)
  bytes.write(MAGIC + kind, 0, 'latin1')
  setInt16(bytes, MAJOR_AT, version.major)
  setInt16(bytes, MINOR_AT, version.minor)
  setInt32(bytes, PAYLOAD_SIZE_AT, size)
  let at = SIDE_FILE_HEADER_SIZE
  for (const piece of payload) {
    bytes.set(piece, at)
    at += piece.length
  }
  setInt32(bytes, CRC_AT, sideFileCrc(bytes))
  return bytes
}

/**
 * The payload of a file of ours, as a view of `bytes`, and the version that it was written with.
 *
 * @param version  the newest that the caller can read
 * @throws LogError `LOG_VERSION_UNSUPPORTED` for a newer major; `LOG_FILE_CORRUPT` for another magic, kind, size or CRC
 */
export function decodeSideFile(
  bytes: Uint8Array,
  kind: string,
  version: SideFileVersion,
  path: string,
): { readonly version: SideFileVersion; readonly payload: Buffer } {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const ours = view.length >= SIDE_FILE_HEADER_SIZE && view.toString('latin1', 0, MAJOR_AT) === MAGIC + kind
  if (!ours) throw corrupt(path, `it is no file of kind ${kind}`)
  const written = { major: view.readUInt16BE(MAJOR_AT), minor: view.readUInt16BE(MINOR_AT) }
  // Before the CRC: a newer version may cover other bytes by it.
  if (written.major > version.major) {
    const message = `${path} has version ${written.major}.${written.minor}; this commitlog reads up to ${version.major}.${version.minor}`
    throw new LogError('LOG_VERSION_UNSUPPORTED', message, { path, version: written })
  }
  const payloadSize = getUint32(view, PAYLOAD_SIZE_AT)
  if (payloadSize !== view.length - SIDE_FILE_HEADER_SIZE) throw corrupt(path, `${view.length} bytes with a payload of ${payloadSize}`)
  if (getUint32(view, CRC_AT) !== sideFileCrc(view)) throw corrupt(path, 'the CRC does not fit')
  return { version: written, payload: view.subarray(SIDE_FILE_HEADER_SIZE) }
}

function sideFileCrc(bytes: Uint8Array): number {
  return crc32c(bytes, SIDE_FILE_HEADER_SIZE, bytes.length, crc32c(bytes, 0, CRC_AT))
}

function isVersion(version: number): boolean {
  return Number.isInteger(version) && version >= 0 && version <= MAX_VERSION
}

function corrupt(path: string, reason: string): LogError {
  return new LogError('LOG_FILE_CORRUPT', `${path} is damaged: ${reason}`, { path, reason })
}
